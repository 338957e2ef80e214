"""A site's wishes by themselves: who shares its robots.txt, how many are remembered, what a header says."""

from __future__ import annotations

import asyncio

import pytest
from yarl import URL

from indexer.scrape.items import RefusalError
from indexer.scrape.robots import Robots, Rules, check_robots_tag

_SITE = URL("http://a.example/x.jpg")


class _Slow:
    """A robots.txt that arrives when the test wants it."""

    def __init__(self) -> None:
        self.sent = asyncio.Event()
        self.asked = 0

    async def read(self, url: URL) -> str | None:
        self.asked += 1
        await self.sent.wait()
        return None


async def _asking(robots: Robots, number: int) -> list[asyncio.Task[Rules]]:
    """So many who ask for the same site, the first of whom fetches its robots.txt."""
    asking = [asyncio.create_task(robots.rules(_SITE)) for _ in range(number)]
    await asyncio.sleep(0)
    return asking


def test_one_who_waits_no_more_leaves_the_others_their_robots_txt() -> None:
    async def run() -> int:
        slow = _Slow()
        first, second, third = await _asking(Robots(slow.read), 3)
        second.cancel()
        await asyncio.wait([second])
        slow.sent.set()
        assert await first is await third
        return slow.asked

    assert asyncio.run(run()) == 1


def test_nobody_waits_for_a_robots_txt_that_is_fetched_no_more() -> None:
    async def run() -> bool:
        first, second = await _asking(Robots(_Slow().read), 2)
        first.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        return second.done()

    assert asyncio.run(run())


def test_sites_that_were_not_asked_for_long_are_forgotten() -> None:
    asked: list[str | None] = []

    async def read(url: URL) -> None:
        asked.append(url.host)

    async def many() -> None:
        robots = Robots(read)
        for number in (*range(2_000), 0):
            await robots.rules(URL("http://often.example/"))
            await robots.rules(URL(f"http://{number}.example/"))

    asyncio.run(many())
    assert asked.count("0.example") == 2
    assert asked.count("often.example") == 1


def test_spaces_around_a_reservation_do_not_hide_it() -> None:
    with pytest.raises(RefusalError, match="TDM-Reservation"):
        check_robots_tag({"TDM-Reservation": " 1 "})
