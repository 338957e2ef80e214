"""Who is told how a work of several stages gets on, and what is remarked meanwhile.

For a loop that opens one bar and closes it, as over an index, there is `indexer.progress`.
"""

from __future__ import annotations

from typing import Protocol


class StageWatcher(Protocol):
    """Receives the progress of a work, stage by stage, and remarks on what may be a mistake.

    `advance` counts units of the stage that began last.
    """

    def stage(self, name: str, total: int, unit: str = "photo") -> None: ...
    def advance(self, count: int = 1) -> None: ...
    def remark(self, what: str) -> None: ...


class Unwatched:
    """A watcher that says nothing."""

    def stage(self, name: str, total: int, unit: str = "photo") -> None: ...
    def advance(self, count: int = 1) -> None: ...
    def remark(self, what: str) -> None: ...


UNWATCHED = Unwatched()
