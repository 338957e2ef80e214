"""What waits to be downloaded: bounded, and fair between hosts."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import lru_cache

from yarl import URL

from indexer.scrape.items import Item

WAITING = 1024
WAITING_PER_HOST = 128


#: What a task waits on. All is done on one event loop, without a pause between look and change; no locks.
_Waiter = asyncio.Future[None]


class Frontier:
    """Items in the order found, at most `per_host` of one host under way.

    So that one slow host holds up as many workers as it has connections, and no more. `put` waits
    while the frontier, or the item's host in it, is full: memory stays flat, however much is found.
    """

    def __init__(self, per_host: int) -> None:
        self.per_host = per_host
        self._queues: dict[str, deque[Item]] = {}
        self._under_way: dict[str, int] = {}
        self._ready: deque[str] = deque()  # hosts with an item and a free connection, each once
        self._listed: set[str] = set()  # the same hosts, to look up
        self._waiting = 0
        self._closed = False
        self._has_room: deque[_Waiter] = deque()
        self._has_work: deque[_Waiter] = deque()

    async def put(self, item: Item) -> None:
        """Add an item, as soon as there is room."""
        host = _host(item)
        while not self._fits(host):
            await _wait(self._has_room)
        self._queues.setdefault(host, deque()).append(item)
        self._waiting += 1
        self._offer(host)

    def close(self) -> None:
        """Nothing more is put: `take` gives None when all has been taken."""
        self._closed = True
        _wake(self._has_work, len(self._has_work))

    async def take(self) -> Item | None:
        """The next item whose host has a free connection; `done` must follow."""
        while not self._ready:
            if self._closed and not self._waiting:
                return None
            await _wait(self._has_work)
        host = self._ready.popleft()
        self._listed.discard(host)
        item = self._queues[host].popleft()
        self._waiting -= 1
        self._under_way[host] = self._under_way.get(host, 0) + 1
        if self._closed and not self._waiting:
            _wake(self._has_work, len(self._has_work))
        self._offer(host)
        _wake(self._has_room, len(self._has_room))
        return item

    def done(self, item: Item) -> None:
        """This item's connection is free again."""
        host = _host(item)
        self._under_way[host] -= 1
        self._offer(host)
        if not self._under_way.get(host) and not self._queues.get(host):
            self._under_way.pop(host, None)
            self._queues.pop(host, None)

    def _offer(self, host: str) -> None:
        """List the host as ready if it is."""
        free = self._under_way.get(host, 0) < self.per_host
        if free and self._queues.get(host) and host not in self._listed:
            self._ready.append(host)
            self._listed.add(host)
            _wake(self._has_work, 1)

    def _fits(self, host: str) -> bool:
        return self._waiting < WAITING and len(self._queues.get(host, ())) < WAITING_PER_HOST


async def _wait(waiters: deque[_Waiter]) -> None:
    """Wait until woken. What was waited for may be gone again by then, so the caller looks anew."""
    waiter = asyncio.get_running_loop().create_future()
    waiters.append(waiter)
    await waiter


def _wake(waiters: deque[_Waiter], most: int) -> None:
    """Wake the first `most` of those who wait."""
    while waiters and most:
        waiter = waiters.popleft()
        if not waiter.done():  # cancelled
            waiter.set_result(None)
            most -= 1


def _host(item: Item) -> str:
    return _host_of(item.url)


@lru_cache(maxsize=2 * WAITING)
def _host_of(url: str) -> str:
    try:
        return URL(url).host or ""
    except ValueError:
        return ""
