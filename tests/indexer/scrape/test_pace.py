"""A host's pauses, by themselves: what ends none of them."""

from __future__ import annotations

import asyncio

import pytest

from indexer.scrape.items import RefusalError
from indexer.scrape.pace import Pace
from tests.indexer.scrape.conftest import Jumping, Waking


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    """Several requests were under way: one is told to wait for 60 s, the next for 1 s."""
    clock = Waking()

    async def ask(pace: Pace) -> float:
        async with pace.turn("a.example"):
            return clock.time

    async def pause_twice() -> float:
        pace = Pace(clock, delay=1.0)
        start = await ask(pace)
        waiting = asyncio.create_task(ask(pace))
        await asyncio.sleep(0)
        assert clock.slept == [1.0]  # its slot is taken before the pauses come
        pace.pause("a.example", 60.0)
        pace.pause("a.example", 1.0)
        while not waiting.done():
            await clock.go_on()
        return waiting.result() - start

    assert asyncio.run(pause_twice()) >= 60.0


def test_a_shorter_pause_does_not_make_a_long_one_bearable() -> None:
    async def paused() -> None:
        pace = Pace(Jumping(), longest_wait=60.0)
        pace.pause("a.example", 61.0)
        pace.pause("a.example", 1.0)
        async with pace.turn("a.example"):
            pass

    with pytest.raises(RefusalError, match="asks to wait 61 s"):
        asyncio.run(paused())


def test_a_host_that_is_paused_or_being_asked_is_not_forgotten() -> None:
    clock = Jumping()

    async def ask(pace: Pace, name: str) -> None:
        async with pace.turn(name):
            pass

    async def among_many() -> bool:
        pace = Pace(clock, per_host=2, delay=0.0)
        pace.pause("paused.example", 30.0)
        async with pace.turn("busy.example"), pace.turn("busy.example"):
            for number in range(5_000):
                await ask(pace, f"{number}.example")
            third = asyncio.create_task(ask(pace, "busy.example"))
            await asyncio.sleep(0)
            waits = not third.done()
        await asyncio.gather(third, ask(pace, "paused.example"))
        return waits

    assert asyncio.run(among_many())
    assert clock.slept == [30.0]
