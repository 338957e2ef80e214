"""One writer of an index at a time; who waits is told which process writes."""

from __future__ import annotations

import os
from pathlib import Path

from indexer.errors import IndexLockedError
from indexer.file_lock import lock_file

_NAME = "write.lock"


class WriteLock:
    """Held from construction to `release`. Raises IndexLockedError at once where another holds it."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o644)
        if not lock_file(self._descriptor):
            holder = os.read(self._descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            self._descriptor = -1
            raise IndexLockedError(
                f"{folder}: another writer (process {holder}) is at work on this index; "
                "searching goes on, write again when it has finished"
            )
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode("ascii"))

    def release(self) -> None:
        """Let others write. The file stays: removing it would let two writers lock different files."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> WriteLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
