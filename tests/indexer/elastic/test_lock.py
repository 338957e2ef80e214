"""The lock of a build: whose may be taken over, and that neither lost answers nor beats break it."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import elastic_transport
import pytest

from indexer.elastic import lock
from indexer.elastic.connection import connect, parse
from indexer.elastic.lock import BuildLock
from indexer.errors import IndexLockedError
from tests.indexer.proxy import Handler, Proxy

#: Larger than any id that Linux gives.
NO_PROCESS = 1 << 30
DAY = 86_400.0


def at_once(seconds: float) -> None:
    """A pause that takes no time."""


@pytest.mark.elasticsearch
@pytest.mark.parametrize(
    ("host", "machine", "free"),
    [("twin", "this", True), ("renamed", "this", True), ("twin", "other", False)],
)
def test_only_on_this_very_machine_a_dead_process_frees_a_fresh_lock(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch, host: str, machine: str, free: bool
) -> None:
    address = parse(elastic_where)
    monkeypatch.setattr(lock, "machine", lambda: "this")
    held: dict[str, Any] = {"owner": "x", "purpose": "build x", "host": host, "machine": machine}
    held |= {"pid": NO_PROCESS, "at": time.time()}
    with connect(address) as client:
        client.index(index=f"{address.name}-builds", id="build", document=held)
        mine = lock.BuildLock(client, address, "build mine")
        with nullcontext() if free else pytest.raises(IndexLockedError, match="build x"):
            mine.acquire()
        mine.release()


@pytest.mark.elasticsearch
def test_of_two_that_take_over_a_stale_lock_one_gets_it(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = parse(elastic_where)
    index = f"{address.name}-builds"
    with connect(address) as client:
        client.index(index=index, id="build", document={"owner": "x", "machine": "another", "at": 0.0})
        seen = client.get(index=index, id="build")
        mine, other = (BuildLock(client, address, one, pause=at_once) for one in ("mine", "other"))
        mine.acquire()
        with monkeypatch.context() as patch, pytest.raises(IndexLockedError, match="started just now"):
            patch.setattr(client, "get", lambda **_: seen)
            other.acquire()
        mine.confirm()
        mine.release()


def test_a_process_of_another_user_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int, signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refused)
    assert not lock._has_died({"machine": lock.machine(), "pid": 1})


@pytest.mark.elasticsearch
@pytest.mark.parametrize("ahead", [-DAY, -130.0, 130.0, DAY], ids=str)
@pytest.mark.parametrize(
    ("holder_does", "looks", "free"),
    [("nothing", 10, True), ("a beat", 3, False), ("its release", 3, True)],
)
def test_a_lock_of_another_clock_is_watched_until_its_holder_shows_life(
    elastic_where: str, ahead: float, holder_does: str, looks: int, free: bool
) -> None:
    address, pauses = parse(elastic_where), list[float]()
    held = {"owner": "x", "purpose": "x", "machine": "another", "pid": 1, "at": time.time() + ahead}
    with connect(address) as client:
        beat = partial(client.index, index=f"{address.name}-builds", id="build", document=held)

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3 and holder_does == "a beat":
                beat()
            elif len(pauses) == 3 and holder_does == "its release":
                client.delete(index=f"{address.name}-builds", id="build")

        beat()
        mine = BuildLock(client, address, "mine", pause=pause)
        with (
            nullcontext() if free else pytest.raises(IndexLockedError, match=r"another build is writing \(x")
        ):
            mine.acquire().confirm()
        mine.release()
    assert pauses == [lock._WATCH / 10] * looks
    assert lock._WATCH > 2 * lock._BEAT, "one that fails is no silence"


@pytest.mark.elasticsearch
@pytest.mark.parametrize("ahead", [-110.0, 0.0, 110.0])
def test_nobody_waits_for_a_holder_that_was_heard_of_lately(elastic_where: str, ahead: float) -> None:
    address, pauses = parse(elastic_where), list[float]()
    held = {"owner": "x", "purpose": "x", "machine": "another", "pid": 1, "at": time.time() + ahead}
    with connect(address) as client:
        client.index(index=f"{address.name}-builds", id="build", document=held)
        with pytest.raises(IndexLockedError, match=r"another build is writing \(x"):
            BuildLock(client, address, "mine", pause=pauses.append).acquire()
    assert pauses == []


@pytest.mark.elasticsearch
def test_a_forked_child_does_not_release_it(elastic_where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = parse(elastic_where)
    with connect(address) as client:
        mine, other = BuildLock(client, address, "mine"), BuildLock(client, address, "other")
        mine.acquire()
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: NO_PROCESS)
            mine.release()
        with pytest.raises(IndexLockedError, match="mine"):
            other.acquire()
        mine.release()
        other.acquire().release()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of boots and PID namespaces")
def test_a_pid_namespace_is_a_machine_of_its_own() -> None:
    boot, _, namespace = lock.machine().partition(":")
    assert uuid.UUID(boot)
    assert str(Path("/proc/self/ns/pid").readlink()) == f"pid:[{namespace}]"


@contextmanager
def losing_one_answer_about_the_lock(proxy: Proxy) -> Iterator[None]:
    """The server has changed the lock's document, and its answer gets lost."""
    cuts = iter([True])

    def fault(handler: Handler, path: str) -> bool:
        lost = "-builds/_" in path and handler.command in ("PUT", "POST") and next(cuts, False)
        if lost:
            handler.pass_on(handler.body, then_cut=True)
        return bool(lost)

    proxy.fault = fault
    yield
    proxy.fault = lambda handler, path: False
    assert next(cuts, None) is None


@pytest.mark.elasticsearch
def test_a_lost_answer_about_the_lock_ends_no_build(proxy: Proxy, proxied: str) -> None:
    address = parse(proxied)
    with connect(address) as client:
        mine, other = BuildLock(client, address, "mine"), BuildLock(client, address, "other")
        with losing_one_answer_about_the_lock(proxy):
            mine.acquire()
        with losing_one_answer_about_the_lock(proxy):
            mine.confirm()
        mine.confirm()
        with pytest.raises(IndexLockedError, match=r"another build is writing \(mine"):
            other.acquire()
        mine.release()
        other.acquire()
        with pytest.raises(IndexLockedError, match="another build took over"):
            mine.confirm()
        other.release()


@pytest.mark.elasticsearch
def test_a_lock_whose_last_beat_got_no_answer_at_all_is_confirmed_and_released(
    proxy: Proxy, proxied: str
) -> None:
    address = parse(proxied)

    def losing_every_answer(handler: Handler, path: str) -> bool:
        handler.pass_on(handler.body, then_cut=True)
        return True

    with connect(address) as client:
        mine, other = BuildLock(client, address, "mine"), BuildLock(client, address, "other")
        mine.acquire()
        for use in (mine.confirm, mine.release):
            proxy.fault = losing_every_answer
            with pytest.raises(elastic_transport.ConnectionError):
                mine.confirm()
            proxy.fault = lambda handler, path: False
            use()
        other.acquire()
        other.release()


@pytest.mark.elasticsearch
def test_beats_beside_a_confirmation_do_not_disturb_it(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats, put = threading.Semaphore(0), BuildLock._put

    def counted(self: BuildLock, condition: Mapping[str, Any] | None = None) -> None:
        put(self, condition)
        if threading.current_thread().name == "build-lock":
            beats.release()

    monkeypatch.setattr(BuildLock, "_put", counted)
    monkeypatch.setattr(lock, "_BEAT", 0.0)
    address = parse(elastic_where)
    with connect(address) as client:
        held = BuildLock(client, address, "mine")
        held.acquire()
        for _ in range(50):
            held.confirm()
            assert beats.acquire(timeout=60), "no beat came"
        held.release()
        other = BuildLock(client, address, "other")
        other.acquire()
        other.release()
