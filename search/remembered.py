"""A number that is costly to ask for on every search, and may be a few seconds old."""

from __future__ import annotations

import time
from collections.abc import Callable


class Remembered:
    """Asks when what it knows is older than `SECONDS` or proved too small. Usable by several threads."""

    SECONDS = 5.0

    def __init__(self, ask: Callable[[], int]) -> None:
        self._ask = ask
        self._known: tuple[float, int] | None = None

    def __call__(self, at_least: int = 0) -> int:
        now = time.monotonic()
        if self._known is None or now - self._known[0] > self.SECONDS or self._known[1] < at_least:
            self._known = now, self._ask()
        return self._known[1]
