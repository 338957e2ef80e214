"""Polite fetching: robots, the host's pace, redirects looked at one by one, retries by kind of failure."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from yarl import URL

from indexer.scrape.addresses import AddressGuard, Network
from indexer.scrape.items import RefusalError, UnansweredError
from indexer.scrape.pace import Clock, Pace, RestingHostError, retry_after
from indexer.scrape.providers.protocol import FindError
from indexer.scrape.reasons import PASSING
from indexer.scrape.robots import LARGEST, Robots, check_robots_tag, text_of
from indexer.scrape.transport import Check, HttpTransport, Limits, Response, Transport

_Result = TypeVar("_Result")

_REDIRECTS = (301, 302, 303, 307, 308)
#: Bytes of the largest page or answer of an API.
_TEXT_BYTES = 5 * 1024 * 1024
#: Types that servers give to pictures when they do not look; the decoder decides in the end.
_UNTYPED = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/binary"})


@dataclass(frozen=True, slots=True)
class Manners:
    """How requests introduce themselves and how stubborn they are."""

    user_agent: str
    redirects: int = 5
    attempts: int = 3
    backoff: float = 1.0  # seconds before the second attempt, doubled for each further one


@dataclass(frozen=True, slots=True)
class _RequestKind:
    """What requests of one kind send and accept.

    `obey`: only where robots.txt permits it. `api`: redirects must stay on the site.
    """

    headers: Mapping[str, str]
    check: Check
    limits: Limits
    obey: bool = False
    api: bool = False


class Fetcher:
    """Photos, pages and API answers over a transport; every way in passes guard, pace and limits."""

    def __init__(
        self, transport: Transport, pace: Pace, guard: AddressGuard, manners: Manners, limits: Limits
    ) -> None:
        self.transport = transport
        self.pace = pace
        self.guard = guard
        self.manners = manners
        self.limits = limits  # of photos
        self._of_text = replace(limits, bytes=_TEXT_BYTES)
        self._of_robots = replace(limits, bytes=LARGEST, cut=True)
        self.robots = Robots(self._read_robots)

    async def photo(self, url: str, validators: Mapping[str, str] | None = None) -> Response:
        """A picture's bytes, not decoded yet; with validators, status 304 when it has not changed."""
        headers = {"Accept": "image/*", "Accept-Encoding": "identity", **(validators or {})}
        wanted = _RequestKind(headers, _check_changed if validators else _check_photo, self.limits, obey=True)
        return await self._retry(lambda: self._follow(url, wanted))

    async def page(self, url: str) -> Response:
        """An HTML page, for its pictures."""
        headers = {"Accept": "text/html", "Accept-Encoding": "gzip"}
        wanted = _RequestKind(headers, _check_page, self._of_text, obey=True)
        return await self._retry(lambda: self._follow(url, wanted))

    async def api(
        self,
        url: str,
        query: Mapping[str, str],
        find_error: FindError,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """JSON of a documented API's answer. Raises UnansweredError, also for an error found in it.

        robots.txt is for crawlers and closes many an API's path (Wikimedia's, for one); an API's own
        terms and limits hold instead. Secrets may be in `query` and `headers`, so no message has them.
        """
        sent = {"Accept": "application/json", "Accept-Encoding": "gzip", **(headers or {})}
        address = str(URL(url).update_query(query))
        wanted = _RequestKind(sent, _check_api, self._of_text, api=True)
        try:
            return await self._retry(lambda: self._answer(address, wanted, find_error))
        except RestingHostError as refusal:
            raise UnansweredError(refusal.reason, refusal.detail) from None
        except RefusalError as refusal:
            raise UnansweredError(refusal.reason, f"{URL(url).host}: {refusal.detail}") from None

    async def _answer(self, address: str, wanted: _RequestKind, find_error: FindError) -> Any:
        """The JSON of one answer. Raises UnansweredError for an error that it holds.

        An API may say there that it is asked too much; its host then rests, as any other would.
        """
        response = await self._follow(address, wanted)
        host, answer = response.url.host or "", _json(response)
        error = find_error(response.status, answer)
        wait = retry_after(response.headers.get("Retry-After"), self.pace.clock.now())
        if error is not None and (error.reason in PASSING or wait is not None):
            raise UnansweredError(error.reason, error.detail, self.pace.refused(host, wait))
        self.pace.answered(host)
        if error is not None:
            raise error
        return answer

    async def _retry(self, attempt: Callable[[], Awaitable[_Result]]) -> _Result:
        """Try again what may pass, waiting longer each time; what is final is raised at once."""
        for number in range(1, self.manners.attempts):
            try:
                return await attempt()
            except (RefusalError, UnansweredError) as refusal:
                wait = refusal.retry_after
                again = refusal.is_passing and refusal.reason != "robots-unreachable"  # known for this run
                if not again or (wait or 0.0) > self.pace.longest_wait:
                    raise
                if wait is None:
                    await self.pace.clock.sleep(self.manners.backoff * 2 ** (number - 1))
        return await attempt()

    async def _follow(self, text: str, wanted: _RequestKind) -> Response:
        """GET through redirects, each checked like the first address."""
        first = self.guard.check_url(text)
        response = await self._ask(first, wanted)
        try:
            return await self._redirected(response, first, wanted)
        except RefusalError as refusal:
            refusal.redirected = True
            raise

    async def _redirected(self, response: Response, first: URL, wanted: _RequestKind) -> Response:
        """The answer that the redirects of the first one lead to; itself where it is none."""
        seen = {first}
        while response.status in _REDIRECTS:
            if len(seen) > self.manners.redirects:
                raise RefusalError("too-many-redirects", f"more than {self.manners.redirects} redirects")
            url = self._target(response)
            if wanted.api and url.origin() != first.origin():
                raise RefusalError("redirect", "an API's answer leads to another site")
            if url in seen:
                raise RefusalError("redirect-loop", "the redirects come back to where they were")
            seen.add(url)
            response = await self._ask(url, wanted)
        return response

    def _target(self, response: Response) -> URL:
        try:
            joined = response.url.join(URL(response.headers.get("Location", "")))
        except (ValueError, TypeError):
            raise RefusalError("bad-url", "redirects to what is not a web address", "skipped") from None
        return self.guard.check_url(str(joined))

    async def _ask(self, url: URL, wanted: _RequestKind) -> Response:
        """One request in its host's turn."""
        host = url.host or ""
        if wanted.obey:
            await self._obey_robots(url, host)
        async with self.pace.turn(host):
            sent = {"User-Agent": self.manners.user_agent, **wanted.headers}

            def look(status: int, got: Mapping[str, str]) -> None:
                self._check_status(status, got, host, wanted.api)
                if status not in _REDIRECTS:
                    wanted.check(status, got)

            return await self.transport.get(url, sent, wanted.limits, look)

    async def _obey_robots(self, url: URL, host: str) -> None:
        delay = (await self.robots.rules(url)).check(url)
        if delay > self.pace.longest_wait:
            raise RefusalError("crawl-delay", f"{host} asks for {delay:g} s between requests", "skipped")
        self.pace.slow_down(host, delay)

    def _check_status(self, status: int, headers: Mapping[str, str], host: str, api: bool) -> None:
        """Raises RefusalError for overload and server errors; all requests to an overloaded host then wait.

        Errors of an API below 500 pass: its provider reads from the JSON what they mean, see `_answer`.
        """
        if api and status < 500:
            return
        if status != 429 and status < 500:
            self.pace.answered(host)
            return
        wait = retry_after(headers.get("Retry-After"), self.pace.clock.now())
        rest = self.pace.refused(host, wait) if status == 429 or wait is not None else None
        if status == 429 or (status == 503 and wait is not None):
            raise RefusalError("rate-limited", f"HTTP {status}", retry_after=rest)
        raise RefusalError("server-error", f"HTTP {status}", retry_after=rest)

    async def _read_robots(self, url: URL) -> str | None:
        """robots.txt as text; None where the site has none (any 4xx but 429)."""
        headers = {"Accept": "text/plain", "Accept-Encoding": "gzip"}
        wanted = _RequestKind(headers, _check_api, self._of_robots)
        response = await self._retry(lambda: self._follow(str(url), wanted))
        return None if response.status >= 400 else text_of(response.body)


async def fetch_one(url: str, limits: Limits, user_agent: str, allowed: tuple[Network, ...] = ()) -> bytes:
    """A single photo's bytes, asked for once. Raises RefusalError."""
    guard = AddressGuard(allowed)
    async with HttpTransport(guard, concurrency=1) as transport:
        fetcher = Fetcher(transport, Pace(Clock()), guard, Manners(user_agent, attempts=1), limits)
        return (await fetcher.photo(url)).body


def _json(response: Response) -> Any:
    """An API's answer; None for a 429 that is not JSON, as a proxy before it sends.

    Raises UnansweredError for anything else that is not JSON.
    """
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        if response.status == 429:
            return None
        detail = f"{response.url.host}: HTTP {response.status}, not JSON"
        raise UnansweredError("bad-answer", detail) from None


def _check_changed(status: int, headers: Mapping[str, str]) -> None:
    """As `_check_photo`, for a conditional request: only to that one 304 (not changed) is an answer."""
    if status != 304:
        _check_photo(status, headers)


def _check_photo(status: int, headers: Mapping[str, str]) -> None:
    _check_ok(status)
    check_robots_tag(headers)
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in _UNTYPED and (not kind.startswith("image/") or kind.startswith("image/svg")):
        raise RefusalError("content-type", f"{kind[:80]} is not a photo", "skipped")


def _check_page(status: int, headers: Mapping[str, str]) -> None:
    _check_ok(status)
    check_robots_tag(headers)
    kind = headers.get("Content-Type", "text/html").partition(";")[0].strip().lower()
    if kind not in ("text/html", "application/xhtml+xml"):
        raise RefusalError("content-type", f"{kind[:80]} is not an HTML page", "skipped")


def _check_api(status: int, headers: Mapping[str, str]) -> None:
    """Any status will do: errors of an API are in its JSON, and a robots.txt may be missing."""


def _check_ok(status: int) -> None:
    if status != 200:
        raise RefusalError("not-found" if status in (404, 410) else "http-error", f"HTTP {status}")
