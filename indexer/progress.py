"""Who is told how a loop over an index, its photos or a download gets on: one bar for each.

For a work of several stages, with remarks, there is `captioner.stages`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Bar(Protocol):
    """A progress bar (tqdm has this form)."""

    def update(self, n: int = 1) -> object: ...

    def close(self) -> object: ...


Progress = Callable[[int | None, str, str], Bar]  # total (None: not known), unit, label


class _NoBar:
    def update(self, n: int = 1) -> None: ...

    def close(self) -> None: ...


def no_progress(total: int | None, unit: str, label: str) -> Bar:
    return _NoBar()
