"""Blocking calls beside the event loop: in threads, bounded, with a time-out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from search.web.problems import overloaded, too_slow

_T = TypeVar("_T")


class Threads:
    """Runs blocking calls of one kind (to the search engine, to the disk), undelayed by other kinds."""

    def __init__(self, threads: int, waiting: int, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="search")
        self._limit, self._seconds = waiting, seconds
        self._lock = threading.Lock()
        self._pending = 0

    async def run(self, work: Callable[[], _T]) -> _T:
        """The result of `work()`. Raises HttpProblem: 503 when too much waits, 504 when it takes too long."""
        with self._lock:
            if self._pending >= self._limit:
                raise overloaded("Too much is under way; try again in a moment.")
            self._pending += 1
        future = self._pool.submit(work)
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except asyncio.TimeoutError:
            raise too_slow(f"There was no answer after {self._seconds:.0f} s; try again later.") from None

    def begin(self, work: Callable[[], object]) -> None:
        """Start `work`, for which nobody waits. Its errors are dropped: who needs it later meets them."""
        self._pool.submit(work)

    def _done(self, future: Future[Any]) -> None:
        with self._lock:
            self._pending -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
