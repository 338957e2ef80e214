"""Who is told how a training run gets on."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from captioner.stages import StageWatcher, Unwatched
from captioner.train.loop import EpochReport


class Watcher(StageWatcher, Protocol):
    """Receives the progress of a run, too: its epochs, and what their steps gave.

    `later`: how many units of a stage follow in later stages (of an epoch: the steps of the epochs after it).
    `reward`: mean of the captions that a step drew, in self-critical training, whose loss tells nothing.
    """

    def stage(self, name: str, total: int, unit: str = "photo", later: int = 0) -> None: ...
    def advance(self, count: int = 1, loss: float | None = None, reward: float | None = None) -> None: ...
    def epoch(self, report: EpochReport) -> None: ...
    def done(self, best: Path) -> None: ...


class _Unwatched(Unwatched):
    """A watcher of a run that says nothing."""

    def stage(self, name: str, total: int, unit: str = "photo", later: int = 0) -> None: ...
    def advance(self, count: int = 1, loss: float | None = None, reward: float | None = None) -> None: ...
    def epoch(self, report: EpochReport) -> None: ...
    def done(self, best: Path) -> None: ...


UNWATCHED = _Unwatched()
