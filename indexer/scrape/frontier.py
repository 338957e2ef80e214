"""What waits to be downloaded: bounded, and fair between hosts."""

from __future__ import annotations

from collections import deque

from indexer.scrape.addresses import parsed
from indexer.scrape.items import Item
from indexer.scrape.waiting import Waiters

WAITING = 1024
WAITING_PER_HOST = 128


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
        self._has_room = Waiters()
        self._has_work = Waiters()

    async def put(self, item: Item) -> None:
        """Add an item, as soon as there is room."""
        host = _host(item)
        while not self._fits(host):
            await self._has_room.wait()
        self._queues.setdefault(host, deque()).append(item)
        self._waiting += 1
        self._offer(host)

    def close(self) -> None:
        """Nothing more is put: `take` gives None when all has been taken."""
        self._closed = True
        self._has_work.wake_all()

    async def take(self) -> Item | None:
        """The next item whose host has a free connection; `done` must follow."""
        while not self._ready:
            if self._closed and not self._waiting:
                return None
            await self._has_work.wait()
        host = self._ready.popleft()
        self._listed.discard(host)
        item = self._queues[host].popleft()
        self._waiting -= 1
        self._under_way[host] = self._under_way.get(host, 0) + 1
        if self._closed and not self._waiting:
            self._has_work.wake_all()
        self._offer(host)
        self._has_room.wake_all()
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
            self._has_work.wake_one()

    def _fits(self, host: str) -> bool:
        return self._waiting < WAITING and len(self._queues.get(host, ())) < WAITING_PER_HOST


def _host(item: Item) -> str:
    try:
        return parsed(item.url).host or ""
    except ValueError:
        return ""
