"""What has been made to last a loss of power, as a program asks the system for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


class Synced:
    """The files that were synced, each at the size that it had then."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._sizes: dict[int, int] = {}
        fsync = os.fsync

        def noted(descriptor: int) -> None:
            fsync(descriptor)
            state = os.fstat(descriptor)
            self._sizes[state.st_ino] = state.st_size

        patch.setattr(os, "fsync", noted)

    def __contains__(self, file: Path) -> bool:
        """Whether the whole file was, by whatever name."""
        state = file.stat()
        return self._sizes.get(state.st_ino) == state.st_size
