"""A web server of one's own: pictures, the providers' APIs, and every fault on demand."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What the server says; Content-Length is added unless given."""

    body: bytes = b""
    kind: str = "text/html"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def head(self) -> bytes:
        headers = {"Content-Type": self.kind, "Content-Length": str(len(self.body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} OK", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


#: Writes the answer itself, for answers that are no good HTTP.
Raw = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]
Page = Answer | Callable[[Request], Answer]


def as_json(value: object, status: int = 200, **headers: str) -> Answer:
    return Answer(json.dumps(value).encode(), "application/json; charset=utf-8", status, headers)


class Site:
    """Serves `pages` and `raw` on a port of 127.0.0.1, from a thread; remembers what was asked."""

    def __init__(self, latency: float = 0.0) -> None:
        self.pages: dict[str, Page] = {}
        self.raw: dict[str, Raw] = {}
        self.asked: list[Request] = []
        self.latency = latency
        self.busy = self.most_busy = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def photo(self, path: str, body: bytes, **headers: str) -> str:
        """Serve a JPEG; gives its URL."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = Answer(body, "image/jpeg", headers=named)
        return self.url(path)

    def paths(self) -> list[str]:
        """What was asked but robots.txt, in order."""
        return [request.path for request in self.asked if request.path != "/robots.txt"]

    def __enter__(self) -> Site:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1000)
        self.port = server.sockets[0].getsockname()[1]
        self._stopping = asyncio.Event()
        self._started.set()
        await self._stopping.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _stop(self) -> None:
        self._stopping.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = _request((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        self.asked.append(request)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            if request.path in self.raw:
                await self.raw[request.path](request, writer)
                await writer.drain()
                return False
            page = self.pages.get(request.path, Answer(b"no such page", status=404))
            answer = page if isinstance(page, Answer) else page(request)
            writer.write(answer.head() + answer.body)
            await writer.drain()
            return True
        finally:
            self.busy -= 1


def _request(head: str) -> Request:
    first, *lines = head.rstrip("\r\n").split("\r\n")
    target = urlsplit(first.split(" ")[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    query = {name: values[-1] for name, values in parse_qs(target.query, keep_blank_values=True).items()}
    return Request(target.path, query, headers)


async def slow_loris(request: Request, writer: asyncio.StreamWriter) -> None:
    """A byte now and then, so that no single wait is long."""
    writer.write(Answer(b"", "image/jpeg", headers={"Content-Length": "1000000"}).head())
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.005)


async def endless(request: Request, writer: asyncio.StreamWriter) -> None:
    """A body without a length and without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"\xff\xd8\xff" * 20_000)
        await writer.drain()


async def ten_gigabytes(request: Request, writer: asyncio.StreamWriter) -> None:
    """A body that says how large it is, and begins."""
    writer.write(Answer(b"", "image/jpeg", headers={"Content-Length": str(10 * 2**30)}).head())
    writer.write(b"\xff\xd8\xff" * 1000)


def truncated(body: bytes) -> Raw:
    """Half of what Content-Length says."""

    async def write(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(Answer(body, "image/jpeg").head() + body[: len(body) // 2])

    return write


async def hang_up(request: Request, writer: asyncio.StreamWriter) -> None:
    """No answer at all."""
