"""Who is told how a training run gets on."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from captioner.train.loop import EpochReport


class Watcher(Protocol):
    """Receives the progress of a run, stage by stage, and remarks on what may be a mistake.

    `advance` counts units of the stage that began last. `later`: how many such units follow in later stages
    (of an epoch: the steps of the epochs after it). `reward`: mean of the captions that a step drew, in
    self-critical training, whose loss tells nothing.
    """

    def stage(self, name: str, total: int, unit: str, later: int = 0) -> None: ...
    def advance(self, count: int = 1, loss: float | None = None, reward: float | None = None) -> None: ...
    def remark(self, what: str) -> None: ...
    def epoch(self, report: EpochReport) -> None: ...
    def done(self, best: Path) -> None: ...


class _Unwatched:
    """A watcher that says nothing."""

    def stage(self, name: str, total: int, unit: str, later: int = 0) -> None: ...
    def advance(self, count: int = 1, loss: float | None = None, reward: float | None = None) -> None: ...
    def remark(self, what: str) -> None: ...
    def epoch(self, report: EpochReport) -> None: ...
    def done(self, best: Path) -> None: ...


UNWATCHED = _Unwatched()
