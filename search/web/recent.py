"""An answer that many clients want, and that may be some seconds old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Asks only when what it knows is older than `seconds`, once for all; errors are not kept."""

    def __init__(self, seconds: float, ask: Callable[[], Awaitable[T]]) -> None:
        self._seconds, self._ask = seconds, ask
        self._known: tuple[float, T] | None = None
        self._asking = asyncio.Lock()

    async def __call__(self) -> T:
        async with self._asking:
            if self._known is None or time.monotonic() > self._known[0]:
                found = await self._ask()
                self._known = time.monotonic() + self._seconds, found
            return self._known[1]
