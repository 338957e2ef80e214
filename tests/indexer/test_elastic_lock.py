"""Whose lock may be taken over: proven dead on this very machine, or not heard of for long."""

from __future__ import annotations

import sys
import time
import uuid
from contextlib import nullcontext
from pathlib import Path

import pytest

from indexer.elastic import lock
from indexer.elastic.connection import connect, parse
from indexer.errors import IndexLockedError

#: Larger than any id that Linux gives.
NO_PROCESS = 1 << 30


@pytest.mark.elasticsearch
@pytest.mark.parametrize(
    ("machines_differ", "holder", "free"),
    [
        (True, {"host": "twin", "machine": "this"}, True),
        (True, {"host": "renamed", "machine": "this"}, True),
        (True, {"host": "twin", "machine": "other"}, False),
        (True, {"host": "twin"}, False),
        (False, {"host": "twin"}, True),
        (False, {"host": "other"}, False),
    ],
)
def test_only_on_this_very_machine_a_dead_process_frees_a_fresh_lock(
    elastic_where: str,
    monkeypatch: pytest.MonkeyPatch,
    machines_differ: bool,
    holder: dict[str, str],
    free: bool,
) -> None:
    """A lock of an earlier version names no machine; where the system tells none, the host stands for it."""
    place = parse(elastic_where)
    monkeypatch.setattr(lock, "machine", lambda: "this" if machines_differ else "twin")
    held = {"owner": "x", "purpose": "build x", "pid": NO_PROCESS, "at": time.time(), **holder}
    with connect(place) as client:
        client.index(index=f"{place.name}-builds", id="build", document=held)
        mine = lock.BuildLock(client, place, "build mine")
        with nullcontext() if free else pytest.raises(IndexLockedError, match="build x"):
            mine.acquire()
        mine.release()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of boots and PID namespaces")
def test_a_pid_namespace_is_a_machine_of_its_own() -> None:
    boot, _, namespace = lock.machine().partition(":")
    assert uuid.UUID(boot)
    assert str(Path("/proc/self/ns/pid").readlink()) == f"pid:[{namespace}]"
