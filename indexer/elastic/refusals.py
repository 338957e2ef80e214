"""What a server refused lately: for some minutes it is not asked for as much again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

#: So long a refusal is remembered: a setting may be changed, and nobody tells.
_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much a request asks for: its length, and the hits that it wants."""

    length: int
    hits: int

    def holds(self, other: Size) -> bool:
        """Whether this is as large as the other one in both."""
        return self.length >= other.length and self.hits >= other.hits


class Refusals:
    """Sizes that were refused. Safe to use from many threads.

    What a server limits grows with a request. So one that was refused for its own sake, as it was too long,
    keeps out only those that are as large; where all are refused, the smallest ones soon keep out all.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: tuple[tuple[Size, float], ...] = ()  # with when it is forgotten

    def __bool__(self) -> bool:
        return bool(self._known())

    def expected(self, size: Size) -> bool:
        """Whether a request of this size would be refused, too."""
        return any(size.holds(smallest) for smallest, _ in self._known())

    def remember(self, size: Size) -> None:
        smaller = [one for one in self._known() if not one[0].holds(size)]
        self._refused = (*smaller, (size, self._clock() + _SECONDS))

    def _known(self) -> list[tuple[Size, float]]:
        now = self._clock()
        return [one for one in self._refused if now < one[1]]
