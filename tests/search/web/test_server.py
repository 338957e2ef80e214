"""What goes over the socket itself: requests without an answer's body, connections without a request."""

from __future__ import annotations

import asyncio
import socket
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from indexer.records import Candidates, CaptionRecord, Query
from search.web.app import create_app
from search.web.server import server_of
from tests.indexer.memory import MemoryIndex
from tests.search.web.conftest import listening, running
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.test_api import problem

REQUEST = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"

#: As little as the server may wait for a request's head here.
SOON = 0.1


def connected(url: str) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=30)


def all_of(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("said", [b"", REQUEST[:20], REQUEST + REQUEST[:20]])
def test_a_connection_without_a_whole_head_is_closed(said: bytes) -> None:
    with listening(create_app(MemoryIndex(), FakeCaptioner), SOON) as url, connected(url) as silent:
        silent.sendall(said)
        assert all_of(silent).count(b'{"status":"live"}') == said.count(REQUEST)


def test_a_request_under_way_is_left_alone(photos: Path) -> None:
    captioner = FakeCaptioner("a dog", gate=threading.Event())
    app = create_app(MemoryIndex([CaptionRecord("x", "a dog")]), lambda: captioner)
    photo = {"photo": (photos / "rocket.jpg").read_bytes()}
    with listening(app, SOON) as url, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx2.post, f"{url}/api/v1/similar", files=photo, timeout=30)
        assert captioner.entered.acquire(timeout=30)
        with connected(url) as silent:
            assert all_of(silent) == b""  # the server has looked twice since the photo was sent
        assert captioner.gate is not None
        captioner.gate.set()
        assert asked.result(30).json()["hits"][0]["image_id"] == "x"


class Hanging(MemoryIndex):
    """An engine that answers no search until `gate` is opened."""

    def __init__(self) -> None:
        super().__init__([CaptionRecord("x", "a dog")])
        self.entered, self.gate = threading.Semaphore(0), threading.Event()

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        self.entered.release()
        assert self.gate.wait(30), "the test never opened the gate"
        return super().candidates_many(queries, limit)


def test_a_search_that_hangs_when_the_server_stops_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("search.web.server.GRACE_SECONDS", 0)
    engine = Hanging()
    server = server_of(create_app(engine, FakeCaptioner))
    with ThreadPoolExecutor(1) as pool, running(server) as url:
        asked = pool.submit(httpx2.get, f"{url}/api/v1/text?q=dog", timeout=30)
        assert engine.entered.acquire(timeout=30)
        server.should_exit = True
        problem(asked.result(30), 503, "stopping")
        engine.gate.set()
    assert "Traceback" not in capsys.readouterr().err


def test_a_photo_whose_captioner_hangs_when_the_server_stops_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], photos: Path
) -> None:
    """While the server waits for the captioner, which must not be torn down in the middle of a batch."""
    monkeypatch.setattr("search.web.server.GRACE_SECONDS", 0)
    gate = threading.Event()
    captioner = FakeCaptioner("a dog", gate=gate)
    server = server_of(create_app(MemoryIndex(), lambda: captioner))
    photo = {"photo": (photos / "rocket.jpg").read_bytes()}
    with ThreadPoolExecutor(1) as pool, running(server) as url:
        asked = pool.submit(httpx2.post, f"{url}/api/v1/similar", files=photo, timeout=30)
        assert captioner.entered.acquire(timeout=30)
        server.should_exit = True
        answer = asked.result(30)
        assert captioner.batches == [1] and not gate.is_set()
        problem(answer, 503, "stopping")
        gate.set()
    assert "Traceback" not in capsys.readouterr().err


def test_whoever_runs_the_server_hears_that_it_stops() -> None:
    heard: list[bool] = []
    server = server_of(create_app(MemoryIndex(), FakeCaptioner), stopping=lambda: heard.append(True))
    with running(server) as url:
        assert httpx2.get(f"{url}/health/live", timeout=30).status_code == 200
        assert heard == []
    assert heard == [True]


def test_more_connections_than_may_be_open_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.web.server.CONNECTIONS", 2)
    with listening(create_app(MemoryIndex(), FakeCaptioner)) as url, connected(url) as first:
        first.sendall(REQUEST)
        assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
        with connected(url) as second:
            second.sendall(REQUEST)
            assert second.recv(65536).startswith(b"HTTP/1.1 503 ")


def test_a_connection_that_has_gone_is_kept_in_no_list() -> None:
    class Connection:
        cycle = None

    server, connection = server_of(create_app(MemoryIndex(), FakeCaptioner)), Connection()
    gone = weakref.ref(connection)
    server.server_state.connections.add(connection)  # type: ignore[arg-type]
    asyncio.run(server.on_tick(0))
    server.server_state.connections.clear()
    asyncio.run(server.on_tick(0))
    del connection
    assert gone() is None


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/health/live", 200),
        ("/health/ready", 200),
        ("/api/v1/status", 200),
        ("/api/text?q=a+rocket", 200),
        ("/api/v1/images/skimage%2Frocket.jpg/file", 200),
        ("/api/v1/images/skimage%2Frocket.jpg/thumbnail", 200),
        ("/api/v1/openapi.json", 200),
        ("/api/v1/text?k=0", 422),
        ("/api/v1/similar", 405),
        ("/nothing", 404),
    ],
)
def test_head_is_the_head_of_get(site: str, path: str, status: int) -> None:
    got = httpx2.get(site + path)
    with connected(site) as line:
        line.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head, _, body = all_of(line).partition(b"\r\n\r\n")
    assert got.status_code == status and head.startswith(f"HTTP/1.1 {status} ".encode())
    assert body == b""
    assert f"content-type: {got.headers['content-type']}".encode() in head
    assert b"content-length: " in head and b"x-frame-options: DENY" in head
    assert b"\r\nserver: " not in head.lower(), "what runs here is nobody's affair"
