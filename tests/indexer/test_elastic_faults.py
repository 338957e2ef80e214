"""A server that is down, busy, refusing, cut off or not Elasticsearch, by a proxy before the real one."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import elastic_transport
import pytest

from indexer.elastic import ElasticIndex, lock
from indexer.elastic.connection import connect, parse
from indexer.elastic.generations import generations
from indexer.elastic.lock import BuildLock
from indexer.elastic.patience import Patience
from indexer.errors import IndexerError, IndexLockedError, IndexUnavailableError
from indexer.index import is_url, open_index
from indexer.records import AddReport, CaptionRecord, Query

pytestmark = pytest.mark.elasticsearch

PRODUCT = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}
NOT_RECOVERED = "SERVICE_UNAVAILABLE/1/state not recovered / initialized"
IMPATIENT = Patience(retries=3, sleep=lambda stopped, seconds: None)


class Proxy(ThreadingHTTPServer):
    """Passes requests on to the real server; `fault(handler, path)` may answer instead (and gives True)."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = urlsplit(upstream)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.fault: Callable[[Handler, str], bool] = lambda handler, path: False
        self.requests: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was cut off on purpose is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Proxy
    body: bytes
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.requests.append(self.path)
        if not self.server.fault(self, self.path):
            self.pass_on(self.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def pass_on(self, body: bytes = b"", *, then_cut: bool = False) -> None:
        upstream = http.client.HTTPConnection(self.server.upstream.netloc, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        if then_cut:
            return self.cut()
        kept = {"content-type", "x-elastic-product"}
        found = {name: value for name, value in answer.getheaders() if name.lower() in kept}
        return self.answer(answer.status, content, found)

    def answer(self, status: int, content: bytes, headers: dict[str, str] = PRODUCT) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def cut(self) -> None:
        """Close the connection without an answer."""
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    server = Proxy(elasticsearch_url)
    with serving(server):
        yield server


@pytest.fixture
def where(proxy: Proxy, elastic_where: str) -> str:
    """The fresh place, through the proxy."""
    return f"{proxy.url}/{parse(elastic_where).name}"


def error_body(kind: str, reason: str = "said so") -> bytes:
    cause = {"type": kind, "reason": reason}
    return json.dumps({"error": {**cause, "root_cause": [cause]}, "status": 0}).encode()


def some(number: int) -> list[CaptionRecord]:
    return [CaptionRecord(f"image{n}", f"dog number n{n}") for n in range(number)]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(proxy: Proxy, where: str, status: int) -> None:
    busy = iter([True, True, False])

    def fault(handler: Handler, path: str) -> bool:
        if "_bulk" in path and next(busy, False):
            handler.answer(status, error_body("es_rejected_execution_exception"))
            return True
        return False

    proxy.fault = fault
    with ElasticIndex.open(where, create=True, patience=Patience(first=0.001)) as index:
        assert index.add(some(30)).added == 30
        assert index.status().captions == 30
    assert sum("_bulk" in path for path in proxy.requests) == 3


def test_single_documents_that_a_busy_server_rejects_are_sent_again(proxy: Proxy, where: str) -> None:
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
    with ElasticIndex.open(where, create=True, patience=Patience(first=0.001)) as index:
        report = index.add(some(5))
        assert (report.added, report.rejected) == (5, ())
        assert index.status().captions == 5


@pytest.mark.parametrize("asked", ["_mget", "_pit", "_refresh"])
def test_a_server_that_is_too_busy_to_look_something_up_is_asked_again(
    proxy: Proxy, where: str, asked: str
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
        where, create=True, patience=Patience(sleep=lambda stopped, seconds: pauses.append(seconds))
    ) as index:
        index.add(some(3))
        proxy.fault = fault
        if asked == "_mget":
            assert index.add(some(4)).unchanged == 3
        else:
            assert index.delete(["image1"]) == 1
    assert pauses == [0.5]


def test_a_server_that_stays_busy_gives_one_line(proxy: Proxy, where: str) -> None:
    with ElasticIndex.open(where, create=True, patience=Patience(retries=2, first=0.001)) as index:
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
def test_a_connection_lost_in_a_bulk_request_neither_loses_nor_doubles(where: str, stored: bool) -> None:
    with (
        cutting_the_first_bulk_request(stored=stored),
        ElasticIndex.open(where, create=True, patience=IMPATIENT) as index,
        index.draft("k") as draft,
    ):
        report = draft.add([*some(40), some(1)[0]])
        assert (report.added, report.unchanged) == (40, 1)
        assert draft.publish().captions == 40


@pytest.mark.parametrize("stored", [True, False])
def test_what_was_deleted_before_the_connection_was_lost_counts(where: str, stored: bool) -> None:
    with ElasticIndex.open(where, create=True, patience=IMPATIENT) as index:
        index.add(some(5))
        with cutting_the_first_bulk_request(stored=stored):
            assert index.delete(["image1", "image2"]) == 2
        assert index.status().captions == 3


def test_a_draft_goes_on_after_an_addition_that_failed(proxy: Proxy, where: str) -> None:
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

    impatient = Patience(retries=1, sleep=lambda stopped, seconds: None)
    with ElasticIndex.open(where, create=True, patience=impatient) as index, index.draft("k") as draft:
        draft.add(some(10))
        proxy.fault = losing_answers
        with pytest.raises(IndexUnavailableError):
            draft.add(some(20))
        proxy.fault = busy_once
        assert draft.add(some(30)) == AddReport(10, 20)
        assert next(busy, None) is None
        assert draft.publish().captions == 30


def test_ctrl_c_ends_a_pause_at_once(proxy: Proxy, where: str) -> None:
    ended_by_the_event = []

    def busy(handler: Handler, path: str) -> bool:
        if "_bulk" in path:
            handler.answer(429, error_body("es_rejected_execution_exception"))
            os.kill(os.getpid(), signal.SIGINT)
        return "_bulk" in path

    def sleep(stopped: threading.Event, seconds: float) -> None:
        ended_by_the_event.append(stopped.wait(seconds))

    patience = Patience(first=30.0, sleep=sleep)
    with ElasticIndex.open(where, create=True, patience=patience) as index:
        index.add(some(1))
        proxy.fault = busy
        with pytest.raises(KeyboardInterrupt):
            index.add(some(20))
    assert ended_by_the_event == [True]


def test_what_another_deletes_first_is_not_counted(proxy: Proxy, where: str, elastic_where: str) -> None:
    removed: list[int] = []

    def delete_first(handler: Handler, path: str) -> bool:
        if "_bulk" in path and not removed:
            with ElasticIndex.open(elastic_where) as other:
                removed.append(other.delete(["image1"]))
        return False

    with ElasticIndex.open(where, create=True, patience=IMPATIENT) as index:
        index.add(some(5))
        proxy.fault = delete_first
        assert index.delete(["image1", "image2"]) == 1
    assert removed == [1]


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


def test_a_lost_answer_about_the_lock_ends_no_build(proxy: Proxy, where: str) -> None:
    place = parse(where)
    with connect(place) as client:
        mine, other = BuildLock(client, place, "mine"), BuildLock(client, place, "other")
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


def test_a_lock_whose_last_beat_got_no_answer_at_all_is_confirmed_and_released(
    proxy: Proxy, where: str
) -> None:
    place = parse(where)

    def losing_every_answer(handler: Handler, path: str) -> bool:
        handler.pass_on(handler.body, then_cut=True)
        return True

    with connect(place) as client:
        mine, other = BuildLock(client, place, "mine"), BuildLock(client, place, "other")
        mine.acquire()
        for use in (mine.confirm, mine.release):
            proxy.fault = losing_every_answer
            with pytest.raises(elastic_transport.ConnectionError):
                mine.confirm()
            proxy.fault = lambda handler, path: False
            use()
        other.acquire()
        other.release()


def test_beats_beside_a_confirmation_do_not_disturb_it(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_BEAT", 0.0)
    place = parse(elastic_where)
    with connect(place) as client:
        held = BuildLock(client, place, "mine")
        held.acquire()
        for _ in range(50):
            held.confirm()
        held.release()
        other = BuildLock(client, place, "other")
        other.acquire()
        other.release()


def test_a_server_that_is_gone_ends_a_build_and_leaves_the_old_index(proxy: Proxy, where: str) -> None:
    with ElasticIndex.open(where, create=True, patience=IMPATIENT) as index:
        index.add(some(3))

        def gone(handler: Handler, path: str) -> bool:
            handler.cut()
            return True

        with index.draft("k") as draft:
            draft.add(some(10))
            proxy.fault = gone
            with pytest.raises(IndexUnavailableError, match="cannot connect; is Elasticsearch running there"):
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
def test_whatever_request_of_a_writer_fails_is_made_again(proxy: Proxy, where: str, done: bool) -> None:
    patience = Patience(sleep=lambda stopped, seconds: None)
    with ElasticIndex.open(where, create=True, patience=patience) as index:
        failing_at_first(proxy, done=done)
        assert index.add(some(2)).added == 2
        for number in (5, 6):
            failing_at_first(proxy, done=done)
            with index.draft(f"{number}") as draft:
                assert draft.add(some(number)).added == number
                assert len(draft.known_images("")) == 0
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
    place = parse(where)
    with connect(place) as client:
        assert len(generations(client, place)) == 2, "the live one, and the one that was gone back from"


def test_who_only_reads_does_not_wait(proxy: Proxy, where: str) -> None:
    with ElasticIndex.open(where, create=True) as index:
        index.add(some(2))
    pauses: list[float] = []
    patience = Patience(sleep=lambda stopped, seconds: pauses.append(seconds))
    with ElasticIndex.open(where, patience=patience) as index:
        failing_at_first(proxy, done=False)
        for read in (index.status, lambda: index.captions(["image1"])):
            with pytest.raises(IndexUnavailableError, match="cannot connect"):
                read()
    assert pauses == []


def test_no_server(elasticsearch_url: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    server.server_close()
    with pytest.raises(IndexUnavailableError, match=f"http://127.0.0.1:{port}: cannot connect"):
        ElasticIndex.open(f"http://127.0.0.1:{port}/captions")


@pytest.mark.parametrize(
    ("status", "kind", "reason", "message"),
    [
        (401, "security_exception", "no", "not authenticated; check ELASTICSEARCH_API_KEY"),
        (403, "security_exception", "no", "not permitted; this user's role"),
        (403, "cluster_block_exception", "[FORBIDDEN/8/index write (api)]", "read-only .*; free disk space"),
        (
            429,
            "cluster_block_exception",
            "[TOO_MANY_REQUESTS/12/flood-stage]",
            "read-only .*; free disk space",
        ),
        (
            403,
            "cluster_block_exception",
            "[FORBIDDEN/7/index read (api)]",
            r"is blocked \(.*; lift the block",
        ),
        (503, "cluster_block_exception", f"[{NOT_RECOVERED}]", "not available now; try again later"),
        (429, "cluster_block_exception", f"[{NOT_RECOVERED}]", "not available now; try again later"),
        (
            404,
            "search_context_missing_exception",
            "No search context",
            r"forgot what was being read .*; ask again",
        ),
        (404, "resource_not_found_exception", "no", "answers 404"),
        (429, "circuit_breaking_exception", "no", "overloaded"),
        (503, "no_shard_available_action_exception", "no", "not available now"),
        (500, "null_pointer_exception", "no", "answers 500"),
    ],
)
def test_refusals_say_what_to_do(
    proxy: Proxy, where: str, status: int, kind: str, reason: str, message: str
) -> None:
    with ElasticIndex.open(where, create=True) as index:
        index.add(some(1))

        def fault(handler: Handler, path: str) -> bool:
            handler.answer(status, error_body(kind, reason))
            return True

        proxy.fault = fault
        with pytest.raises(IndexUnavailableError, match=message) as caught:
            index.candidates(frozenset({"dog"}), 3)
        assert "\n" not in str(caught.value)


def test_a_part_of_a_multi_search_that_fails_fails_the_whole(proxy: Proxy, where: str) -> None:
    with ElasticIndex.open(where, create=True) as index:
        index.add(some(1))

        def fault(handler: Handler, path: str) -> bool:
            if "_msearch" in path:
                failed = json.loads(error_body("circuit_breaking_exception", "data too large"))
                body = {"took": 1, "responses": [{**failed, "status": 429}]}
                handler.answer(200, json.dumps(body).encode())
            return "_msearch" in path

        proxy.fault = fault
        queries = [Query(frozenset({"dog"})), Query(frozenset({"number"}))]
        with pytest.raises(IndexUnavailableError, match=r"overloaded.*data too large"):
            index.candidates_many(queries, 3)


def test_something_else_than_elasticsearch(proxy: Proxy, where: str) -> None:
    def fault(handler: Handler, path: str) -> bool:
        handler.answer(200, b"<html>hello</html>", {"Content-Type": "text/html"})
        return True

    proxy.fault = fault
    with pytest.raises(IndexUnavailableError, match="what answers there is not Elasticsearch"):
        ElasticIndex.open(where)


def test_https_to_a_server_without_it(where: str) -> None:
    with pytest.raises(IndexUnavailableError, match=r"certificate cannot be verified|cannot connect"):
        ElasticIndex.open(where.replace("http://", "https://"))


@pytest.mark.parametrize("opened", [ElasticIndex.open, open_index])
@pytest.mark.parametrize(
    "url",
    [
        "http://elastic:hunter2@host:9200/captions",
        "https://hunter2@host/captions",
        "https://elastic:hunter2#x@host:9200/captions",
        "https://elastic:hunter2/x@host:9200/captions",
        "https://elastic:hunter2?x@host:9200/captions",
        "https://elastic:123/hunter2@host:9200/captions",
        "HTTP://elastic:hunter2@host:9200/captions",
        "elastic://elastic:hunter2@host:9200/captions",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str, opened: Callable[[str], object]) -> None:
    with pytest.raises(IndexerError, match="ELASTICSEARCH_API_KEY") as caught:
        opened(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://host:9200",
        "http://host:9200/",
        "http://host/Upper",
        "http://host/a,b",
        "http://host/*",
        "http://[::1/x",
    ],
)
def test_urls_that_name_no_index(url: str) -> None:
    with pytest.raises(IndexerError, match="not an index URL"):
        parse(url)


def test_urls() -> None:
    assert is_url("HTTP://localhost/captions")
    assert parse("HTTP://localhost/captions").where == "http://localhost:9200/captions"
    assert parse("http://localhost/captions").where == "http://localhost:9200/captions"
    assert parse("https://search.example/es/captions/").where == "https://search.example:443/es/captions"
    assert parse("http://[::1]:9201/captions").where == "http://[::1]:9201/captions"
    with pytest.raises(IndexerError, match="the port"):
        parse("http://host:99999/captions")


def test_credentials_come_from_the_environment_or_files(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("k3y\n")
    place = parse("http://host/captions")

    def header(**environment: str) -> str:
        with connect(place, environment) as client:
            return str(client._headers.get("authorization"))

    assert header(ELASTICSEARCH_API_KEY_FILE=str(secret)) == "ApiKey k3y"
    assert header(ELASTICSEARCH_API_KEY="other") == "ApiKey other"
    assert header(ELASTICSEARCH_USERNAME="u", ELASTICSEARCH_PASSWORD="p") == "Basic dTpw"
    assert header() == "None"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"ELASTICSEARCH_USERNAME": "hunter2"}, "must be set together"),
        ({"ELASTICSEARCH_API_KEY": "hunter2", "ELASTICSEARCH_USERNAME": "u"}, "not both"),
        ({"ELASTICSEARCH_API_KEY_FILE": "/nowhere/key"}, "cannot read /nowhere/key: No such file"),
        ({"ELASTICSEARCH_CA_CERTS": "/nowhere/ca.pem"}, "no such file: /nowhere/ca.pem"),
        ({"ELASTICSEARCH_CA_FINGERPRINT": "12"}, "64 hex digits"),
    ],
)
def test_settings_that_cannot_be_right(environment: dict[str, str], message: str) -> None:
    with pytest.raises(IndexerError, match=message) as caught:
        connect(parse("https://host/captions"), environment)
    assert "hunter2" not in str(caught.value)


def test_certificates_are_verified_unless_switched_off() -> None:
    place = parse("https://localhost:9/captions")

    def verifies(environment: dict[str, str]) -> ssl.VerifyMode:
        with connect(place, environment) as client:
            node = next(iter(client.transport.node_pool.all()))
            return ssl.CERT_REQUIRED if node.config.verify_certs else ssl.CERT_NONE

    assert verifies({}) == ssl.CERT_REQUIRED
    assert verifies({"ELASTICSEARCH_INSECURE": "0"}) == ssl.CERT_REQUIRED
    assert verifies({"ELASTICSEARCH_INSECURE": "1"}) == ssl.CERT_NONE
