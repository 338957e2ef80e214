"""Tasks of one event loop that wait for a change; no locks, since nothing pauses between look and change."""

from __future__ import annotations

import asyncio
from collections import deque


class Waiters:
    """Those who wait for one kind of change, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Wait until woken. What was waited for may be gone again by then, so the caller looks anew."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def wake_one(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():  # cancelled
                waiter.set_result(None)
                return

    def wake_all(self) -> None:
        while self._waiting:
            self.wake_one()
