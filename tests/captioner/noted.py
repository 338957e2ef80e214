"""A watcher that remembers what it was told."""

from __future__ import annotations


class Noted:
    """The remarks, the units of each advance, and how many there were when a stage ("captions 5") began."""

    def __init__(self) -> None:
        self.remarks: list[str] = []
        self.done: list[int] = []
        self.stages: dict[str, int] = {}

    def stage(self, name: str, total: int, unit: str = "photo") -> None:
        self.stages[f"{name} {total}"] = sum(self.done)

    def advance(self, count: int = 1) -> None:
        self.done.append(count)

    def remark(self, what: str) -> None:
        self.remarks.append(what)
