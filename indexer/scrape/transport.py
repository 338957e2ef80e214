"""One HTTP request with every limit: address, time, size. No redirects, no retries, no politeness."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
from yarl import URL

from captioner.outside import one_line
from indexer.scrape.addresses import AddressGuard, AddressRefusedError
from indexer.scrape.items import RefusalError

#: How aiohttp's messages begin where a line of an answer's head is too long, or it has too many.
_TOO_LONG = ("Got more than", "Too many headers")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost."""

    bytes: int = 20 * 1024 * 1024  # of a body, as sent and as unpacked
    seconds: float = 30.0  # the whole request; a server that dribbles cannot hold it longer
    connect_seconds: float = 10.0
    cut: bool = False  # a body beyond `bytes` is read no further, and is no error


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, unpacked. `headers` may be asked in any case of letters."""

    url: URL
    status: int
    headers: Mapping[str, str]
    body: bytes


#: Looks at status and headers before the body is read; raises RefusalError to leave it.
Check = Callable[[int, Mapping[str, str]], None]


class Transport(Protocol):
    """The seam between the scraper and the network."""

    async def get(self, url: URL, headers: Mapping[str, str], limits: Limits, check: Check) -> Response: ...


class HttpTransport:
    """The real one: aiohttp over HTTP/1.1, no proxy, no cookies; use it as an async context manager."""

    def __init__(self, guard: AddressGuard, concurrency: int) -> None:
        self.guard = guard
        self.concurrency = concurrency
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> HttpTransport:
        connector = aiohttp.TCPConnector(limit=self.concurrency, socket_factory=self.guard.socket)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # unpacked below, with a limit
            trust_env=False,  # a proxy would resolve names for us, behind the guard's back
            timeout=aiohttp.ClientTimeout(total=None),
            middlewares=(_ask_once,),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: URL, headers: Mapping[str, str], limits: Limits, check: Check) -> Response:
        """The answer to a GET. Raises RefusalError, with the kind of failure as its reason."""
        if self._session is None:
            raise RuntimeError("use the transport in an async with statement")
        try:
            request = self._session.get(url, headers=headers, allow_redirects=False, timeout=_times(limits))
            async with request as answer:
                check(answer.status, answer.headers)
                body = await _read(answer, limits)
                return Response(url, answer.status, answer.headers, body)
        except aiohttp.ConnectionTimeoutError:
            raise RefusalError("timeout", f"no connection within {limits.connect_seconds:g} s") from None
        except (asyncio.TimeoutError, TimeoutError):
            raise RefusalError("timeout", f"no whole answer within {limits.seconds:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError, EOFError) as error:
            raise _refusal(error) from None


async def _ask_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Where a connection ends without an answer, aiohttp would ask again at once, beside pace and attempts.

    It does so for its own errors alone, so this gives it another one.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _refusal(error) from None


def _times(limits: Limits) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=limits.seconds, sock_connect=limits.connect_seconds)


def _refusal(error: BaseException) -> RefusalError:
    """What a failure of the client means for the item."""
    cause = getattr(error, "os_error", None) or error.__cause__
    if isinstance(error, AddressRefusedError) or isinstance(cause, AddressRefusedError):
        return RefusalError("private-address", "resolves to an address that is not public", "skipped")
    if isinstance(error, aiohttp.ClientPayloadError):
        return RefusalError("truncated", "the answer ended early")
    if isinstance(error, (aiohttp.InvalidURL, ValueError)):
        return RefusalError("bad-url", "not a web address", "skipped")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return RefusalError("connection", "the host's name does not resolve")
    return RefusalError("connection", _without_address(error))


def _without_address(error: BaseException) -> str:
    """What went wrong. aiohttp puts the address into some of its texts, and an API's holds keys."""
    if isinstance(error, aiohttp.ClientResponseError):
        too_long = error.message.startswith(_TOO_LONG)
        return "the head of the answer is too long" if too_long else "the answer is not HTTP"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server ended the connection without an answer"
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    said = getattr(cause, "strerror", None)
    return one_line(str(said or type(error).__name__), 200)


async def _read(answer: aiohttp.ClientResponse, limits: Limits) -> bytes:
    """The body, unpacked; of a longer one than the limit (where `cut`) little more than that."""
    limit = limits.bytes
    if (answer.content_length or 0) > limit and not limits.cut:
        raise RefusalError(
            "too-large", f"{answer.content_length:,} bytes (the limit is {limit:,})", "skipped"
        )
    unpack = _unpacker(answer.headers.get("Content-Encoding", ""))
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += unpack(piece, limit + 1 - len(body))
        if len(body) > limit:
            if limits.cut:
                break
            raise RefusalError("too-large", f"more than {limit:,} bytes", "skipped")
    return bytes(body)


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """A function (piece, most) -> unpacked bytes, `most` at most: a small body cannot fill the memory."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return lambda piece, most: piece
    if name not in ("gzip", "x-gzip", "deflate"):
        raise RefusalError("encoding", f"content encoding {name[:40]!r} was not asked for")
    stream: Any = zlib.decompressobj(zlib.MAX_WBITS | 32 if "gzip" in name else zlib.MAX_WBITS)

    def unpack(piece: bytes, most: int) -> bytes:
        try:
            return bytes(stream.decompress(piece, max(most, 1)))
        except zlib.error:
            raise RefusalError("encoding", "the packed body is damaged") from None

    return unpack
