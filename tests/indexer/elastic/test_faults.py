"""A server that is down, busy or cut off while an index changes, by a proxy before the real one."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from indexer.elastic import ElasticIndex
from indexer.elastic.connection import connect, parse
from indexer.elastic.generations import generations
from indexer.elastic.retries import RetryPolicy
from indexer.errors import IndexUnavailableError
from indexer.records import AddReport, CaptionRecord
from tests.indexer.proxy import Handler, Proxy, error_body

pytestmark = pytest.mark.elasticsearch

IMPATIENT = RetryPolicy(retries=3, sleep=lambda stopped, seconds: None)


def some(number: int) -> list[CaptionRecord]:
    return [CaptionRecord(f"image{n}", f"dog number n{n}") for n in range(number)]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(proxy: Proxy, proxied: str, status: int) -> None:
    busy = iter([True, True, False])

    def fault(handler: Handler, path: str) -> bool:
        if "_bulk" in path and next(busy, False):
            handler.answer(status, error_body("es_rejected_execution_exception"))
            return True
        return False

    proxy.fault = fault
    with ElasticIndex.open(proxied, create=True, retry=RetryPolicy(first=0.001)) as index:
        assert index.add(some(30)).added == 30
        assert index.status().captions == 30
    assert sum("_bulk" in path for path in proxy.requests) == 3


def test_single_documents_that_a_busy_server_rejects_are_sent_again(proxy: Proxy, proxied: str) -> None:
    """The server takes a bulk request but has no room for some of its documents."""
    first = iter([True])

    def fault(handler: Handler, path: str) -> bool:
        if "_bulk" not in path or not next(first, False):
            return False
        items = [
            {
                "create": {
                    "_id": record.document_id,
                    "status": 429,
                    "error": {"type": "es_rejected", "reason": "full"},
                }
            }
            for record in some(5)
        ]
        handler.answer(200, json.dumps({"took": 1, "errors": True, "items": items}).encode())
        return True

    proxy.fault = fault
    with ElasticIndex.open(proxied, create=True, retry=RetryPolicy(first=0.001)) as index:
        report = index.add(some(5))
        assert (report.added, report.rejected) == (5, ())
        assert index.status().captions == 5


def test_a_lost_answer_to_the_making_of_an_index_is_no_error(proxy: Proxy, proxied: str) -> None:
    cuts = iter([True])

    def fault(handler: Handler, path: str) -> bool:
        made = re.search(r"-\d{8}-\d{6}-\d{6}($|\?)", path) is not None
        lost = made and handler.command == "PUT" and next(cuts, False)
        if lost:
            handler.pass_on(handler.body, then_cut=True)
        return lost

    proxy.fault = fault
    with ElasticIndex.open(proxied, create=True) as index:
        assert index.add(some(2)).added == 2
        assert index.status().captions == 2
    assert next(cuts, None) is None


@pytest.mark.parametrize("asked", ["_mget", "_pit", "_refresh"])
def test_a_server_that_is_too_busy_to_look_something_up_is_asked_again(
    proxy: Proxy, proxied: str, asked: str
) -> None:
    """By the pauses of the loader: the client's own three tries follow one another at once."""
    busy = iter(range(5))
    pauses: list[float] = []

    def fault(handler: Handler, path: str) -> bool:
        if asked in path and next(busy, None) is not None:
            handler.answer(429, error_body("es_rejected_execution_exception"))
            return True
        return False

    with ElasticIndex.open(
        proxied, create=True, retry=RetryPolicy(sleep=lambda stopped, seconds: pauses.append(seconds))
    ) as index:
        index.add(some(3))
        proxy.fault = fault
        if asked == "_mget":
            assert index.add(some(4)).unchanged == 3
        else:
            assert index.delete(["image1"]) == 1
    assert pauses == [0.5]


def test_a_server_that_stays_busy_gives_one_line(proxy: Proxy, proxied: str) -> None:
    with ElasticIndex.open(proxied, create=True, retry=RetryPolicy(retries=2, first=0.001)) as index:
        index.add(some(1))

        def fault(handler: Handler, path: str) -> bool:
            if "_bulk" in path:
                handler.answer(429, error_body("es_rejected_execution_exception", "queue\nfull"))
            return "_bulk" in path

        proxy.fault = fault
        with pytest.raises(IndexUnavailableError, match=r"overloaded; try again later.*queue full") as caught:
            index.add(some(2))
        assert "\n" not in str(caught.value)


@contextmanager
def cutting_the_first_bulk_request(*, stored: bool) -> Iterator[None]:
    """The answer to the first bulk request gets lost: the server has stored the documents, or not."""
    cuts = iter([True])
    original = Handler.handle_any

    def handle(handler: Handler) -> None:
        if "_bulk" in handler.path and next(cuts, False):
            body = handler.rfile.read(int(handler.headers["content-length"]))
            handler.pass_on(body, then_cut=True) if stored else handler.cut()
        else:
            original(handler)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handler, "do_POST", handle)
        patch.setattr(Handler, "do_PUT", handle)
        yield
    assert next(cuts, None) is None


@pytest.mark.parametrize("stored", [True, False])
def test_a_connection_lost_in_a_bulk_request_neither_loses_nor_doubles(proxied: str, stored: bool) -> None:
    with (
        cutting_the_first_bulk_request(stored=stored),
        ElasticIndex.open(proxied, create=True, retry=IMPATIENT) as index,
        index.draft("k") as draft,
    ):
        report = draft.add([*some(40), some(1)[0]])
        assert (report.added, report.unchanged) == (40, 1)
        assert draft.publish().captions == 40


@pytest.mark.parametrize("stored", [True, False])
def test_what_was_deleted_before_the_connection_was_lost_counts(proxied: str, stored: bool) -> None:
    with ElasticIndex.open(proxied, create=True, retry=IMPATIENT) as index:
        index.add(some(5))
        with cutting_the_first_bulk_request(stored=stored):
            assert index.delete(["image1", "image2"]) == 2
        assert index.status().captions == 3


def test_a_draft_goes_on_after_an_addition_that_failed(proxy: Proxy, proxied: str) -> None:
    busy = iter([True])

    def losing_answers(handler: Handler, path: str) -> bool:
        if "_bulk" in path:
            handler.pass_on(handler.body, then_cut=True)
        return "_bulk" in path

    def busy_once(handler: Handler, path: str) -> bool:
        if "_bulk" in path and next(busy, False):
            handler.answer(429, error_body("es_rejected_execution_exception"))
            return True
        return False

    impatient = RetryPolicy(retries=1, sleep=lambda stopped, seconds: None)
    with ElasticIndex.open(proxied, create=True, retry=impatient) as index, index.draft("k") as draft:
        draft.add(some(10))
        proxy.fault = losing_answers
        with pytest.raises(IndexUnavailableError):
            draft.add(some(20))
        proxy.fault = busy_once
        assert draft.add(some(30)) == AddReport(10, 20)
        assert next(busy, None) is None
        assert draft.publish().captions == 30


def test_ctrl_c_ends_a_pause_at_once(proxy: Proxy, proxied: str) -> None:
    ended_by_the_event = []

    def busy(handler: Handler, path: str) -> bool:
        if "_bulk" in path:
            handler.answer(429, error_body("es_rejected_execution_exception"))
        return "_bulk" in path

    def sleep(stopped: threading.Event, seconds: float) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        ended_by_the_event.append(stopped.wait(seconds))

    retry = RetryPolicy(first=30.0, sleep=sleep)
    with ElasticIndex.open(proxied, create=True, retry=retry) as index:
        index.add(some(1))
        proxy.fault = busy
        with pytest.raises(KeyboardInterrupt):
            index.add(some(20))
    assert ended_by_the_event == [True]


def test_what_another_deletes_first_is_not_counted(proxy: Proxy, proxied: str, elastic_where: str) -> None:
    removed: list[int] = []

    def delete_first(handler: Handler, path: str) -> bool:
        if "_bulk" in path and not removed:
            with ElasticIndex.open(elastic_where) as other:
                removed.append(other.delete(["image1"]))
        return False

    with ElasticIndex.open(proxied, create=True, retry=IMPATIENT) as index:
        index.add(some(5))
        proxy.fault = delete_first
        assert index.delete(["image1", "image2"]) == 1
    assert removed == [1]


@pytest.mark.parametrize(
    "fact",
    [{"caption": "a giraffe"}, {"phash": "0f" * 8}, {}],
    ids=["another caption", "another fact", "the same"],
)
def test_a_server_lost_while_captions_are_replaced_leaves_no_image_bare(
    proxy: Proxy, proxied: str, fact: dict[str, str]
) -> None:
    there = iter([True])

    def gone_after_one_bulk_request(handler: Handler, path: str) -> bool:
        lost = "_bulk" in path and not next(there, False)
        if lost:
            handler.cut()
        return lost

    with ElasticIndex.open(proxied, create=True, retry=IMPATIENT) as index:
        index.add(some(2))
        [old] = index.captions(["image1"])["image1"]
        new = replace(old.record, **fact)
        proxy.fault = gone_after_one_bulk_request
        with pytest.raises(IndexUnavailableError, match="closed the connection without an answer"):
            index.replace([old], [new])
        proxy.fault = lambda handler, path: False
        index.add([])  # lets searches see what was written
        assert old.record in [one.record for one in index.captions(["image1"]).get("image1", ())]
        index.replace([old], [new])
        assert [one.record for one in index.captions(["image1"])["image1"]] == [new]


def test_a_server_that_is_gone_ends_a_build_and_leaves_the_old_index(proxy: Proxy, proxied: str) -> None:
    with ElasticIndex.open(proxied, create=True, retry=IMPATIENT) as index:
        index.add(some(3))

        def gone(handler: Handler, path: str) -> bool:
            handler.cut()
            return True

        with index.draft("k") as draft:
            draft.add(some(10))
            proxy.fault = gone
            with pytest.raises(IndexUnavailableError, match="closed the connection without an answer"):
                draft.add(some(20))
        proxy.fault = lambda handler, path: False
        assert index.status().captions == 3
    assert any("_bulk" in path for path in proxy.requests)


def failing_at_first(proxy: Proxy, *, done: bool) -> None:
    """Each request fails as often as the client itself repeats one, though the server may have done it."""
    left: dict[tuple[str, str], int] = {}

    def fault(handler: Handler, path: str) -> bool:
        request = (handler.command, re.sub(r"-\d{8}-\d{6}-\d{6}", "", path.partition("?")[0]))
        left[request] = left.get(request, 3) - 1
        # A lock is given back once, so that nobody waits for a server that is gone only to leave.
        if left[request] < 0 or (handler.command == "DELETE" and "-builds/" in path):
            return False
        handler.pass_on(handler.body, then_cut=True) if done else handler.cut()
        return True

    proxy.fault = fault


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
def test_whatever_request_of_a_writer_fails_is_made_again(proxy: Proxy, proxied: str, done: bool) -> None:
    retry = RetryPolicy(sleep=lambda stopped, seconds: None)
    with ElasticIndex.open(proxied, create=True, retry=retry) as index:
        failing_at_first(proxy, done=done)
        assert index.add(some(2)).added == 2
        for number in (5, 6):
            failing_at_first(proxy, done=done)
            with index.draft(f"{number}") as draft:
                assert draft.add(some(number)).added == number
                assert len(draft.known_places("")) == 0
                assert draft.publish().captions == number
        failing_at_first(proxy, done=done)
        assert index.rollback().captions == 5
        failing_at_first(proxy, done=done)
        assert set(index.captions(["image1", "image8"])) == {"image1"}
        failing_at_first(proxy, done=done)
        assert index.add(some(7)).added == 2
        failing_at_first(proxy, done=done)
        assert index.delete(["image1"]) == 1
        failing_at_first(proxy, done=done)
        assert index.status().captions == 6
    proxy.fault = lambda handler, path: False
    address = parse(proxied)
    with connect(address) as client:
        assert len(generations(client, address)) == 2, "the live one, and the one that was gone back from"


def test_who_only_reads_does_not_wait(proxy: Proxy, proxied: str) -> None:
    with ElasticIndex.open(proxied, create=True) as index:
        index.add(some(2))
    pauses: list[float] = []
    retry = RetryPolicy(sleep=lambda stopped, seconds: pauses.append(seconds))
    with ElasticIndex.open(proxied, retry=retry) as index:
        failing_at_first(proxy, done=False)
        for read in (index.status, lambda: index.captions(["image1"])):
            with pytest.raises(IndexUnavailableError, match="closed the connection"):
                read()
    assert pauses == []
