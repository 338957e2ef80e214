"""Servers that stop: restarted in the middle of a build, and one of three nodes killed under load."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from es_server import state
from es_server.cluster import start, wait
from es_server.distribution import cache_folder, java_environment
from es_server.node import launch
from indexer.elastic import ElasticIndex
from indexer.elastic.connection import connect, parse
from indexer.elastic.retries import RetryPolicy
from indexer.errors import IndexUnavailableError
from indexer.records import CaptionRecord

pytestmark = [pytest.mark.elasticsearch, pytest.mark.slow]


@contextmanager
def server_folder() -> Iterator[Path]:
    """Not pytest's folder: the server runs as another user than root, who may not enter that one."""
    folder = Path(tempfile.mkdtemp(dir=cache_folder(), prefix="nodes-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        if (folder / "server.json").exists():
            state.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def dogs(first: int, number: int) -> list[CaptionRecord]:
    return [CaptionRecord(f"image{n}", f"dog number n{n}") for n in range(first, first + number)]


def test_a_build_goes_on_when_the_server_is_restarted_in_the_middle() -> None:
    with server_folder() as folder:
        server = start(folder)
        (pid,) = server.pids
        where = f"{server.urls[0]}/captions"
        restarted = threading.Event()
        one_at_a_time = threading.Lock()  # chunks are sent by several threads, and all of them pause

        def restart(stopped: threading.Event, seconds: float) -> None:
            """The first pause of the build is when the server comes back, with the data that it had."""
            with one_at_a_time:
                if not restarted.is_set():
                    again = launch(folder / "node0", java_environment(), "-Xmx512m")
                    here = state.remember(folder, state.Server(urls=server.urls, pids=(again,)))
                    wait(here, folder, 1)
                    restarted.set()

        retry = RetryPolicy(sleep=restart)
        with ElasticIndex.open(where, create=True, retry=retry) as index, index.draft("k") as draft:
            draft.add(dogs(0, 1_500))
            os.killpg(pid, signal.SIGKILL)
            state.wait_for_end(pid, 30)
            report = draft.add(dogs(1_000, 1_500))
            assert restarted.is_set()
            assert (report.added, report.unchanged) == (1_000, 500)
            assert draft.publish().captions == 2_500


def until(holds: Callable[[], bool], what: str, seconds: float = 120) -> None:
    waited = threading.Event()
    for _ in range(int(seconds * 5)):
        if holds():
            return
        waited.wait(0.2)
    pytest.fail(f"{what}: not within {seconds} s")


def test_a_node_of_three_is_killed_while_searches_and_additions_run() -> None:
    with server_folder() as folder:
        server = start(folder, nodes=3)
        address = parse(f"{server.urls[0]}/captions")
        with ElasticIndex.open(address.where, create=True) as index, index.draft("k") as draft:
            draft.add(dogs(0, 2_000))
            draft.publish()
        with connect(address) as client:

            def health() -> Any:
                patient = client.options(request_timeout=150)
                return patient.cluster.health(wait_for_status="green", timeout="120s")

            assert health()["status"] == "green"
            shards: Any = client.cat.shards(index=address.name, format="json", h="prirep,node")
            assert {shard["prirep"] for shard in shards} == {"p", "r"}  # one replica
            # A node that holds a copy dies, and not the one that is talked to.
            held = {shard["node"] for shard in shards}
            victim = int(min(held - {"node0"}).removeprefix("node"))
            errors: list[str] = []
            added: list[int] = []
            done = threading.Event()

            def search() -> None:
                with ElasticIndex.open(address.where) as reader:
                    while not done.is_set():
                        try:
                            found = reader.candidates(frozenset({"dog"}), 10).found
                            if len(found) != 10:
                                errors.append(f"{len(found)} hits")
                        except IndexUnavailableError as error:
                            errors.append(str(error))

            def write() -> None:
                with ElasticIndex.open(address.where) as writer:
                    first = 2_000
                    while not done.is_set():
                        report = writer.add(dogs(first, 100))
                        # The server itself repeats what the dead node was told; what its replica had
                        # by then counts as a caption that was there already.
                        added.append(report.added + report.unchanged)
                        first += 100

            threads = [threading.Thread(target=search), threading.Thread(target=write)]
            for thread in threads:
                thread.start()
            until(lambda: len(added) > 3, "additions before")
            # Otherwise the server waits a minute for the node to come back before it makes a new replica.
            at_once = {"index.unassigned.node_left.delayed_timeout": "0s"}
            client.indices.put_settings(index=address.name, settings=at_once)
            os.killpg(server.pids[victim], signal.SIGKILL)
            state.wait_for_end(server.pids[victim], 30)
            before = len(added)
            until(lambda: client.cluster.health()["number_of_nodes"] == 2, "the cluster sees it")
            until(lambda: len(added) > before + 5, "additions afterwards")
            done.set()
            for thread in threads:
                thread.join(120)
            assert health()["status"] == "green"  # the replica was made anew on the other node
            # Requests that were under way on the dead node may fail, each in one clear line; none is wrong.
            assert not [error for error in errors if "hits" in error]
            assert all(count == 100 for count in added)
            with ElasticIndex.open(address.where) as index:
                assert index.status().captions == 2_000 + sum(added)
