"""What a server must refuse, and what it must tell browsers."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from indexer.errors import IndexNotFoundError
from indexer.index import open_index
from indexer.records import Candidates, CaptionRecord
from search.render import words
from search.web import security
from search.web.app import create_app
from search.web.security import RequestGuard, session_cookie
from search.web.settings import Settings
from tests.indexer.memory import MemoryIndex
from tests.indexer.three_images import make_index
from tests.search.web.conftest import Serve
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.test_api import V1, ok, problem
from tests.serving import LocalServer, Quiet, serving

TOKEN = "correct horse battery"


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/nothing"), client.get(f"{V1}/text"), client.get("/metrics")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy
        assert "unsafe" not in policy and "http" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
    assert client.get(f"{V1}/status").headers["cache-control"] == "no-store"


def test_the_page_may_do_this_and_no_more(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    allowed = dict(directive.strip().partition(" ")[::2] for directive in policy.split(";"))
    own = ("script-src", "style-src", "connect-src", "manifest-src", "form-action")
    assert allowed == dict.fromkeys(own, "'self'") | {
        "default-src": "'none'",
        "img-src": "'self' blob: data:",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_the_page_names_nothing_on_other_hosts(client: TestClient) -> None:
    page = client.get("/").text
    assert "http://" not in page.replace("http://www.w3.org/", "") and "https://" not in page
    assert " style=" not in page and " onclick=" not in page


def test_pictures_of_the_web_only_on_request(serve: Serve) -> None:
    policy = serve(settings=Settings(remote_images=True)).get("/").headers["content-security-policy"]
    assert "img-src 'self' blob: data: https: http:" in policy


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::", "localhost.evil"])
def test_a_loopback_server_answers_to_its_own_names_only(client: TestClient, host: str) -> None:
    problem(client.get("/", headers={"Host": host}), 421, "host")
    assert client.get("/", headers={"Host": "localhost:8000"}).status_code == 200
    assert client.get("/", headers={"Host": "[::1]:8000"}).status_code == 200


def test_the_token(serve: Serve) -> None:
    client = serve(settings=Settings(token=TOKEN))
    refused = client.get(f"{V1}/status")
    problem(refused, 401, "token")
    assert refused.headers["www-authenticate"] == "Bearer"
    for closed in ("/metrics", f"{V1}/openapi.json", "/api/status"):
        problem(client.get(closed), 401, "token")
    problem(client.get(f"{V1}/status", headers={"Authorization": "Bearer wrong"}), 401, "token")
    problem(client.get(f"{V1}/status", headers={"Authorization": f"Basic {TOKEN}"}), 401, "token")
    for scheme in ("Bearer", "bearer", "BEARER "):
        ok(client.get(f"{V1}/status", headers={"Authorization": f"{scheme} {TOKEN}"}))
    ok(client.get("/health/live"))
    assert client.get("/").status_code == 200, "the page has to ask for the token"


@pytest.mark.parametrize("token", ["pässwörter-lang-123", "la-clé-qui-va-là"])
def test_a_token_of_letters_beyond_ascii(serve: Serve, token: str) -> None:
    """curl sends them as UTF-8, browsers and Python as Latin-1."""
    client = serve(settings=Settings(token=token))
    for code in ("utf-8", "latin-1"):
        ok(client.get(f"{V1}/status", headers={b"Authorization": f"Bearer {token}".encode(code)}))
    wrong = {b"Authorization": f"Bearer {token}x".encode()}
    problem(client.get(f"{V1}/status", headers=wrong), 401, "token")


def test_signing_in(serve: Serve) -> None:
    client = serve(settings=Settings(token=TOKEN))
    problem(client.post(f"{V1}/session", data={"token": "guess"}), 403, "token")
    answer = client.post(f"{V1}/session", data={"token": TOKEN})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and TOKEN not in cookie
    assert "secure" not in cookie, "over http the browser would not send it"
    ok(client.get(f"{V1}/status"))
    secret = client.post(f"https://127.0.0.1{V1}/session", data={"token": TOKEN})
    assert "; secure" in secret.headers["set-cookie"].lower()


def test_a_cookie_that_is_no_proof_is_refused(serve: Serve) -> None:
    client = serve(settings=Settings(token=TOKEN))
    name, proof = session_cookie(TOKEN)
    for given in (b"", b"\xe9", proof[:-1].encode(), session_cookie(TOKEN[::-1])[1].encode()):
        cookie = {b"Cookie": name.encode() + b"=" + given}
        problem(client.get(f"{V1}/status", headers=cookie), 401, "token")


def test_where_no_token_is_asked_for_none_is_right(client: TestClient) -> None:
    problem(client.post(f"{V1}/session", data={"token": "any"}), 403, "token")


def test_servers_of_one_host_have_sessions_apart(serve: Serve) -> None:
    """Browsers send a host's cookies to all its ports."""
    tokens = (TOKEN, TOKEN[::-1])
    clients = [serve(settings=Settings(token=token)) for token in tokens]
    for client, token in zip(clients, tokens, strict=True):
        assert client.post(f"{V1}/session", data={"token": token}).status_code == 204
    browser = {name: value for client in clients for name, value in client.cookies.items()}
    for client in clients:
        client.cookies = browser
        ok(client.get(f"{V1}/status"))


class Gone(MemoryIndex):
    """An engine whose index was deleted."""

    def caption_count(self) -> int:
        raise IndexNotFoundError("http://search:9200/photos: no such index; make it with `indexer build`")


def test_why_a_server_is_not_ready_is_told_to_those_signed_in(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(Gone(), settings=Settings(token=TOKEN))
    refused = client.get("/health/ready")
    assert problem(refused, 503, "not-ready")["detail"] == "The server's log says why."
    assert "9200" not in refused.text
    assert "http://search:9200/photos: no such index" in caplog.text
    told = client.get("/health/ready", headers={"Authorization": f"Bearer {TOKEN}"})
    assert "no such index" in problem(told, 503, "index")["detail"]


def test_a_token_never_shows() -> None:
    assert TOKEN not in repr(Settings(token=TOKEN))


def test_other_sites_pages_cannot_post(client: TestClient, photos: Path) -> None:
    photo = {"photo": (photos / "rocket.jpg").read_bytes()}
    for site in ("cross-site", "same-site"):
        answer = client.post(f"{V1}/similar", files=photo, headers={"Sec-Fetch-Site": site})
        problem(answer, 403, "cross-site")
    for site in ("same-origin", "none"):
        ok(client.post(f"{V1}/similar", files=photo, headers={"Sec-Fetch-Site": site}))


MULTIPART = b"multipart/form-data; boundary=x"
FORM = b"application/x-www-form-urlencoded"


async def _ask(
    settings: Settings,
    messages: Any,
    length: int | None = None,
    path: str = f"{V1}/similar",
    kind: bytes = MULTIPART,
) -> tuple[int, list[int]]:
    """POST a body message by message; gives the status and how many messages were taken."""
    app = create_app(MemoryIndex(), FakeCaptioner, settings)
    taken, statuses = [0], []
    headers = [(b"host", b"127.0.0.1"), (b"content-type", kind)]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def receive() -> Any:
        taken[0] += 1
        return await anext(messages)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    app.state.service.close()
    return statuses[0], taken


async def _endless(head: bytes = b"") -> Any:
    yield {"type": "http.request", "body": head, "more_body": True}
    while True:
        yield {"type": "http.request", "body": b"x" * 100_000, "more_body": True}


HEAD = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'


def test_a_large_upload_is_refused_before_it_is_read() -> None:
    status, taken = asyncio.run(_ask(Settings(upload_bytes=1_000_000), _endless(HEAD), length=2_000_000_000))
    assert (status, taken) == (413, [0])


def test_an_endless_upload_is_cut_off() -> None:
    status, taken = asyncio.run(_ask(Settings(upload_bytes=1_000_000), _endless(HEAD)))
    assert status == 413 and taken[0] <= 12


@pytest.mark.parametrize("path", [f"{V1}/session", "/api/session"])
def test_who_has_not_signed_in_can_send_a_token_and_no_more(path: str) -> None:
    def ask(head: bytes, kind: bytes, length: int | None = None) -> tuple[int, list[int]]:
        return asyncio.run(_ask(Settings(token=TOKEN), _endless(head), length, path, kind))

    assert ask(b"token=", FORM, length=20_000) == (413, [0])
    assert ask(b"token=", FORM) == (413, [2])
    assert ask(HEAD, MULTIPART) == (415, [0])
    assert ask(HEAD, MULTIPART.upper()) == (415, [0])


def test_any_token_fits_into_a_sign_in(serve: Serve) -> None:
    client = serve(settings=Settings(token=1_000 * "🐕"))
    assert client.post(f"{V1}/session", data={"token": 1_000 * "🐕"}).status_code == 204
    problem(client.post(f"{V1}/session", files={"token": TOKEN.encode()}), 415, "media-type")


def test_uploads_share_the_memory_while_they_are_received(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was held whole, and only then asked whether there was room for it."""
    monkeypatch.setattr(security, "MAX_WAITING_BYTES", 1_000_000)
    asyncio.run(_uploads_at_once())


async def _uploads_at_once() -> None:
    held, end = asyncio.Semaphore(0), asyncio.Event()

    async def holds(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        held.release()
        await end.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    guard = RequestGuard(holds, Settings())

    async def post(parts: int) -> int:
        statuses: list[int] = []

        async def body() -> AsyncIterator[Message]:
            for left in reversed(range(parts)):
                yield {"type": "http.request", "body": b"x" * 10_000, "more_body": left > 0}

        async def send(message: Message) -> None:
            statuses.append(message.get("status", 0))

        scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"localhost")]}
        await guard(scope, partial(anext, body()), send)
        return statuses[0]

    first = asyncio.create_task(post(99))
    await held.acquire()
    assert await post(50) == 429
    sign_in = asyncio.create_task(post(1))
    await held.acquire()
    end.set()
    assert (await first, await sign_in) == (200, 200)
    assert await post(99) == 200, "what was answered, or refused, is held no more"


def test_a_dribbling_upload_is_cut_off() -> None:
    async def dribble() -> Any:
        yield {"type": "http.request", "body": HEAD, "more_body": True}
        await asyncio.Event().wait()

    status, _ = asyncio.run(_ask(Settings(upload_seconds=0.05), dribble()))
    assert status == 408


def test_an_upload_that_never_pauses_has_no_more_time() -> None:
    async def drops() -> Any:
        yield {"type": "http.request", "body": HEAD, "more_body": True}
        for _ in range(200):
            await asyncio.sleep(0.001)
            yield {"type": "http.request", "body": b"x", "more_body": True}
        yield {"type": "http.request", "body": b"\r\n--x--\r\n", "more_body": False}

    status, _ = asyncio.run(_ask(Settings(upload_seconds=0.1), drops()))
    assert status == 408


def test_the_time_for_an_upload_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks on is told of a client that goes, however long the answer takes."""
    heard: list[str] = []
    clock = [0.0]  # the guard's own, so that nothing waits
    monkeypatch.setattr(security, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    async def listens(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(2):
            heard.append((await receive())["type"])
            clock[0] += 61.0

    async def messages() -> Any:
        yield {"type": "http.request", "body": b"x"}
        yield {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        heard.append(message["type"])

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"localhost")]}
    guard = RequestGuard(listens, Settings(upload_seconds=60))
    asyncio.run(guard(scope, partial(anext, messages()), send))
    assert heard == ["http.request", "http.disconnect"]


def test_a_length_that_is_no_number_is_refused(client: TestClient) -> None:
    problem(client.post(f"{V1}/similar", headers={"Content-Length": "much"}), 400, "length")


def test_an_answer_that_breaks_off_is_not_answered_again() -> None:
    """The server has to close the connection: what was begun is no whole answer."""
    sent: list[str] = []

    async def breaks_off(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("the disk has gone")

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    with pytest.raises(RuntimeError, match="the disk has gone"):
        asyncio.run(RequestGuard(breaks_off, Settings())(scope, None, send))  # type: ignore[arg-type]
    assert sent == ["http.response.start"]


def test_a_photo_just_over_the_limit(serve: Serve, photos: Path) -> None:
    photo = (photos / "rocket.jpg").read_bytes()
    client = serve(settings=Settings(upload_bytes=len(photo) - 1))
    refused = client.post(f"{V1}/similar", files={"photo": photo})
    assert "MB" in problem(refused, 413, "too-large")["detail"]
    assert refused.headers["connection"] == "close", "who sends more is not listened to"
    ok(serve(settings=Settings(upload_bytes=len(photo))).post(f"{V1}/similar", files={"photo": photo}))


def test_only_pictures_inside_the_named_folders_are_served(
    serve: Serve, tmp_path: Path, photos: Path
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    picture = (photos / "rocket.jpg").read_bytes()
    (inside / "good.jpg").write_bytes(picture)
    (outside / "secret.jpg").write_bytes(picture)
    (inside / "link.jpg").symlink_to(outside / "secret.jpg")
    (inside / "text.jpg").write_text("<script>not a picture</script>")
    os.mkfifo(inside / "pipe.jpg")
    places = {
        "good": str(inside / "good.jpg"),
        "moved": "/elsewhere/photos/good.jpg",
        "relative": "good.jpg",
        "outside": str(outside / "secret.jpg"),
        "climbing": str(inside / ".." / "outside" / "secret.jpg"),
        "link": str(inside / "link.jpg"),
        "passwd": "/etc/passwd",
        "pipe": str(inside / "pipe.jpg"),
        "folder": str(inside),
        "null": "good.jpg\0",
        "url": "http://127.0.0.1/good.jpg",
        "nowhere": "",
    }
    records = [CaptionRecord(name, f"a dog {name}", image=place) for name, place in places.items()]
    records.append(CaptionRecord("text", "a dog text", image="text.jpg"))
    client = serve(MemoryIndex(records), Settings(images=(inside,)))
    shown = {
        hit["image_id"]
        for hit in ok(client.get(f"{V1}/text", params={"q": "dog", "k": 50}))["hits"]
        if hit["file"]
    }
    assert shown == {"good", "moved", "relative", "text"}
    for name in places:
        answer = client.get(f"{V1}/images/{name}/file")
        if name in shown:
            assert answer.content == picture
        else:
            problem(answer, 404, "not-found")
    for part in ("file", "thumbnail"):
        problem(client.get(f"{V1}/images/text/{part}"), 422, "photo")


def test_without_a_named_folder_no_file_is_served(serve: Serve, pictures: Path) -> None:
    client = serve(settings=Settings())
    hit = ok(client.get(f"{V1}/text", params={"q": "rocket"}))["hits"][0]
    assert hit["image"] == str(pictures / "rocket.jpg") and hit["file"] is None
    problem(client.get(f"{V1}/images/skimage%2Frocket.jpg/file"), 404, "not-found")


class Files(Quiet, SimpleHTTPRequestHandler):
    """Gives the files of a folder."""


@pytest.fixture
def web_server(photos: Path) -> Iterator[str]:
    """A server of photos on this machine: a private address."""
    with serving(LocalServer(partial(Files, directory=str(photos)))) as server:
        yield server.url


def test_addresses_are_fetched_only_where_allowed(serve: Serve, web_server: str) -> None:
    url = {"url": f"{web_server}/rocket.jpg"}
    problem(serve().post(f"{V1}/similar", data=url), 403, "urls-off")
    private = problem(
        serve(settings=Settings(photo_urls=True)).post(f"{V1}/similar", data=url), 422, "photo-url"
    )
    assert "rocket" not in private["detail"]
    for other in ("file:///etc/passwd", "gopher://127.0.0.1/", "nonsense"):
        asked = serve(settings=Settings(photo_urls=True)).post(f"{V1}/similar", data={"url": other})
        problem(asked, 422, "photo-url")
    here = Settings(photo_urls=True, allowed_networks=(ip_network("127.0.0.0/8"),))
    allowed = serve(settings=here)
    assert ok(allowed.post(f"{V1}/similar", data=url))["query"]["caption"] == "a cat looking at the camera"
    problem(allowed.post(f"{V1}/similar", data={"url": f"{web_server}/none.jpg"}), 422, "photo-url")
    small = serve(settings=replace(here, upload_bytes=1000))
    problem(small.post(f"{V1}/similar", data=url), 422, "photo-url")


@pytest.fixture
def slow_server(photos: Path) -> Iterator[tuple[str, threading.Semaphore, threading.Event]]:
    """The address of a photo that comes when the event is set; the semaphore counts who asked for it."""
    asked, gate = threading.Semaphore(0), threading.Event()

    class Slow(Files):
        def do_GET(self) -> None:
            if self.path.endswith(".jpg"):
                asked.release()
                assert gate.wait(30), "the test never opened the gate"
            super().do_GET()

    with serving(LocalServer(partial(Slow, directory=str(photos)))) as server:
        yield f"{server.url}/rocket.jpg", asked, gate
        gate.set()


def test_few_photos_are_downloaded_at_once(
    serve: Serve, slow_server: tuple[str, threading.Semaphore, threading.Event]
) -> None:
    """Else a thousand small requests would hold a thousand large photos in memory."""
    url, asked, gate = slow_server
    loopback = (ip_network("127.0.0.0/8"),)
    client = serve(settings=Settings(photo_urls=True, allowed_networks=loopback, downloads=2))

    def post() -> Any:
        return client.post(f"{V1}/similar", data={"url": url})

    with ThreadPoolExecutor(2) as pool:
        under_way = [pool.submit(post) for _ in range(2)]
        for _ in under_way:
            assert asked.acquire(timeout=30)
        refused = post()
        gate.set()
        problem(refused, 429, "busy")
        assert int(refused.headers["retry-after"]) > 0
        for one in under_way:
            ok(one.result(30))
    ok(post())


class Stuck(MemoryIndex):
    """An engine that answers when it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        super().__init__([CaptionRecord("x", "a dog")])

    def candidates_many(self, queries: Any, limit: int) -> list[Candidates]:
        assert self.gate.wait(30)
        return super().candidates_many(queries, limit)


def test_a_slow_engine_and_too_many_searches(serve: Serve) -> None:
    engine = Stuck()
    client = serve(engine, Settings(search_seconds=0.05, waiting_searches=2))
    for _ in range(2):
        problem(client.get(f"{V1}/text", params={"q": "a dog"}), 504, "timeout")
    full = client.get(f"{V1}/text", params={"q": "a dog"})
    problem(full, 503, "overloaded")
    assert full.headers["retry-after"] == "1"
    engine.gate.set()


def test_an_answer_that_has_begun_is_left_as_it_is_when_the_server_stops() -> None:
    sent: list[Message] = []

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    async def send(message: Message) -> None:
        sent.append(message)

    async def stopped() -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
        answering = asyncio.create_task(
            RequestGuard(endless, Settings())(scope, asyncio.Queue[Message]().get, send)
        )
        await asyncio.sleep(0)
        answering.cancel()
        await answering

    asyncio.run(stopped())
    assert [message["type"] for message in sent] == ["http.response.start"]


def test_a_slow_captioner(serve: Serve, photos: Path) -> None:
    captioner = FakeCaptioner(gate=threading.Event())
    client = serve(captioner=captioner, settings=Settings(caption_seconds=0.05))
    answer = client.post(f"{V1}/similar", files={"photo": (photos / "rocket.jpg").read_bytes()})
    problem(answer, 504, "timeout")
    assert captioner.gate is not None
    captioner.gate.set()


def test_what_visitors_ask_for_fills_no_memory(serve: Serve, tmp_path: Path) -> None:
    """Long words and tokens that nobody else will ask for: each was kept in some cache."""
    make_index(tmp_path)
    client = serve(open_index(tmp_path))

    def ask(numbers: range) -> int:
        for number in numbers:
            ok(client.get(f"{V1}/text", params={"token": f"{number}{'x' * 50_000}", "k": 1}))
            also = [f"a{part}b{number}{'y' * 1_900}" for part in range(4)]
            ok(client.get(f"{V1}/text", params={"q": f"{number}{'z' * 1_900}", "also": also, "k": 1}))
        words._words_standing.cache_clear()  # the last 256 are kept, of whatever length
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = ask(range(10))
        assert ask(range(10, 30)) - before < 500_000
    finally:
        tracemalloc.stop()
