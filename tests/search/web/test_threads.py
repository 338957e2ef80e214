"""Work beside the event loop: so much at once, and no longer than it may take."""

from __future__ import annotations

import asyncio
import threading

import pytest

from search.web.problems import HttpProblem
from search.web.threads import Threads


def test_who_is_done_leaves_room() -> None:
    threads = Threads(1, waiting=1, seconds=30)

    async def three() -> list[int]:
        return [await threads.run(lambda: 1) for _ in range(3)]

    assert asyncio.run(three()) == [1, 1, 1]
    threads.close()


def test_what_failed_leaves_room_too() -> None:
    threads = Threads(1, waiting=1, seconds=30)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            asyncio.run(threads.run(lambda: 1 // 0))
    threads.close()


def test_as_many_wait_as_may_and_no_more() -> None:
    threads, gate = Threads(1, waiting=2, seconds=30), threading.Event()

    async def crowd() -> list[bool | BaseException]:
        waiting = [asyncio.create_task(threads.run(lambda: gate.wait(30))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(HttpProblem) as refused:
            await threads.run(lambda: True)
        assert refused.value.status_code == 503
        gate.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert asyncio.run(crowd()) == [True, True]
    threads.close()
