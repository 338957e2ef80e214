"""How fast a host may be asked: connections at once, time between requests, and pauses that it asks for."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from indexer.scrape.items import RefusalError

#: Hosts remembered; beyond it those at rest are forgotten, so that memory stays flat.
_HOSTS = 4096

#: Seconds of rest for a host that refuses and does not say for how long (the least that MediaWiki wants);
#: doubled at each further refusal in a row.
_REST = 5.0


class RestingHostError(RefusalError):
    """A host that rests for longer than is waited; its `detail` names it."""

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__("rate-limited", detail, retry_after=seconds)


class Clock:
    """Time as the scraper sees it; tests give one that jumps instead of sleeping."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class _Host:
    connections: asyncio.Semaphore
    delay: float
    next_at: float = 0.0  # when the next request may start; after a pause at the earliest
    paused_until: float = 0.0
    refusals: int = 0  # in a row
    turns: int = field(default=0)  # requests under way or waiting

    def is_at_rest(self, now: float) -> bool:
        return self.turns == 0 and self.next_at <= now


class Pace:
    """Lets every request wait for its host's turn.

    `per_host` connections at once, `delay` seconds between the starts of two requests, of hosts with longer
    `delays` (an API's rate limit) as many as those say. A host that asks to wait longer than `longest_wait`
    seconds is not waited for: RestingHostError. Nor is one that refuses time and again, until it would have
    to rest that long.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        per_host: int = 2,
        delay: float = 0.1,
        delays: Mapping[str, float] | None = None,
        longest_wait: float = 60.0,
    ) -> None:
        self.clock = clock
        self.per_host = per_host
        self.delay = delay
        self.delays = delays or {}
        self.longest_wait = longest_wait
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Hold one of the host's connections, from the time on that a request may start."""
        host = self._host(name)
        host.turns += 1
        try:
            async with host.connections:
                await self._wait(host, name)
                yield
        finally:
            host.turns -= 1

    async def _wait(self, host: _Host, name: str) -> None:
        """Wait for this request's slot; where a pause was set meanwhile, for a slot after it."""
        while True:
            start = self._slot(host, name)
            if (wait := start - self.clock.monotonic()) > 0:
                await self.clock.sleep(wait)
            if start >= host.paused_until:
                return

    def _slot(self, host: _Host, name: str) -> float:
        """The time of the next free slot, which is taken."""
        now = self.clock.monotonic()
        wait = host.paused_until - now
        if wait > self.longest_wait:
            given_up = f"{name} refused {host.refusals} times in a row and is asked no more in this run"
            asks = given_up if math.isinf(wait) else f"{name} asks to wait {wait:.0f} s"
            raise RestingHostError(asks, wait)
        start = max(now, host.next_at)
        host.next_at = start + host.delay
        return start

    def refused(self, name: str, wait: float | None) -> float:
        """Let a host that refused rest: for `wait` seconds, or, where it is None, longer than the last time.

        Refusals that arrive during the rest answer requests sent before it, so they count as one. Returns
        the seconds of rest that are left: infinitely many where the host is given up.
        """
        host, now = self._host(name), self.clock.monotonic()
        if host.paused_until <= now:
            rest = _REST * 2**host.refusals
            host.refusals += 1
            wait = math.inf if rest > self.longest_wait else rest if wait is None else wait
        self.pause(name, wait or 0.0)
        return host.paused_until - now

    def answered(self, name: str) -> None:
        """End the count of refusals in a row, unless the host rests: then an older request was answered."""
        host = self._host(name)
        if host.paused_until <= self.clock.monotonic():
            host.refusals = 0

    def pause(self, name: str, seconds: float) -> None:
        """No request to this host before `seconds` have passed (Retry-After)."""
        host = self._host(name)
        host.paused_until = max(host.paused_until, self.clock.monotonic() + seconds)
        host.next_at = max(host.next_at, host.paused_until)

    def slow_down(self, name: str, delay: float) -> None:
        """At least `delay` seconds between requests to this host (Crawl-delay)."""
        host = self._host(name)
        if delay > host.delay:
            host.next_at += delay - host.delay
            host.delay = delay

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            if len(self._hosts) >= _HOSTS:
                now = self.clock.monotonic()
                self._hosts = {key: host for key, host in self._hosts.items() if not host.is_at_rest(now)}
            delay = max(self.delay, self.delays.get(name, 0.0))
            host = self._hosts[name] = _Host(asyncio.Semaphore(self.per_host), delay)
        return host


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header: a number, or a date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), 1e9)  # int() takes no more than 4,300 digits
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
