"""What a site asks of robots: robots.txt (RFC 9309), X-Robots-Tag and robots meta elements."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from protego import Protego
from yarl import URL

from indexer.scrape.items import RefusalError
from indexer.scrape.reasons import Reason

#: Product token: what robots.txt and X-Robots-Tag call this program.
AGENT = "caption-search"
#: Bytes of robots.txt that are read; RFC 9309, 2.5 asks for at least 500 KiB.
LARGEST = 512 * 1024
_SITES = 1024
_UNWANTED = frozenset({"none", "noindex", "noimageindex", "noai", "noimageai"})
#: Before a colon, directives that have a value; whatever else may be a product token there is a robot's name.
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
_ROBOT = re.compile(r"\*|[a-z][a-z0-9._/-]*")
#: Refusals that hold for the site as a whole, and not for its robots.txt alone.
_OF_THE_ADDRESS = frozenset({"private-address", "bad-url"})

#: Fetches a robots.txt: its text, or None where there is none. Raises RefusalError when unreachable.
Read = Callable[[URL], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Rules:
    """One site's robots.txt; with a `refusal`, why it could not be read (then nothing is allowed)."""

    parsed: Protego | None = None
    refusal: tuple[Reason, str] | None = None

    def check(self, url: URL) -> float:
        """Seconds to leave between requests (0.0: no wish). Raises RefusalError where it is forbidden."""
        if self.refusal is not None:
            raise RefusalError(*self.refusal, "skipped")
        if self.parsed is None:
            return 0.0
        if not self.parsed.can_fetch(str(url), AGENT):
            raise RefusalError("robots", "robots.txt forbids it", "skipped")
        delay = self.parsed.crawl_delay(AGENT) or 0.0
        rate = self.parsed.request_rate(AGENT)
        # A site may name more seconds than a float can hold.
        apart = min(rate.seconds, 10**9 * rate.requests) / rate.requests if rate and rate.requests else 0.0
        return max(float(delay), apart)


class Robots:
    """robots.txt per site (scheme, host and port), read once in a run; at most `_SITES` are remembered."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._rules: OrderedDict[URL, asyncio.Future[Rules]] = OrderedDict()

    async def rules(self, url: URL) -> Rules:
        """The rules of the site of this URL; askers at the same time share one request."""
        site = url.origin()
        known = self._rules.get(site)
        if known is not None:
            self._rules.move_to_end(site)
            return await asyncio.shield(known)
        future = self._rules[site] = asyncio.get_running_loop().create_future()
        if len(self._rules) > _SITES:
            self._rules.popitem(last=False)
        try:
            future.set_result(await self._ask(site))
        except Exception as error:
            future.set_exception(error)  # for those who wait, too
        finally:
            future.cancel()  # without effect on a result; frees those who wait when this task is cancelled
        rules: Rules = future.result()
        return rules

    async def _ask(self, site: URL) -> Rules:
        """RFC 9309, 2.3.1: no file allows all (4xx), an unreachable one nothing (5xx, no connection)."""
        try:
            text = await self._read(site / "robots.txt")
        except RefusalError as refusal:
            if refusal.reason in _OF_THE_ADDRESS and not refusal.redirected:
                return Rules(refusal=(refusal.reason, refusal.detail))
            told = "robots.txt, after a redirect" if refusal.redirected else "robots.txt"
            return Rules(refusal=("robots-unreachable", f"{told}: {refusal.detail}"))
        return Rules() if text is None else Rules(Protego.parse(text))


def text_of(body: bytes) -> str:
    """The text of a robots.txt; of a long one the whole lines that begin it, as RFC 9309, 2.5 permits.

    A byte order mark would hide the first group of rules from the parser.
    """
    if len(body) > LARGEST:
        read = body[:LARGEST]
        body = read[: max(read.rfind(b"\n"), read.rfind(b"\r")) + 1]
    return body.decode("utf-8-sig", "replace")


def check_robots_tag(headers: Mapping[str, str]) -> None:
    """Raises RefusalError where X-Robots-Tag or a TDM reservation forbids indexing or training."""
    every = getattr(headers, "getall", None)  # a header may come several times
    unwanted = unwanted_directives(every("X-Robots-Tag", []) if every else [headers.get("X-Robots-Tag", "")])
    if unwanted:
        raise RefusalError("robots-tag", f"X-Robots-Tag: {unwanted}", "skipped")
    if headers.get("TDM-Reservation", "").strip() == "1":
        raise RefusalError("robots-tag", "TDM-Reservation: 1", "skipped")


def unwanted_directives(values: Iterable[str]) -> str:
    """The first directive that keeps this robot away; "" if none does.

    A value may be for one robot only ("otherbot: noindex"); its name holds for all that follows in it. A date
    may have a comma, and what stands between that and the first colon of its time is no name.
    """
    for value in values:
        agent = ""
        for part in value.lower().split(","):
            name, colon, rest = (piece.strip() for piece in part.partition(":"))
            directive = part.strip()
            if colon and _ROBOT.fullmatch(name) and name not in _WITH_VALUE:
                agent, directive = name, rest
            if directive in _UNWANTED and agent in ("", "*", AGENT):
                return directive
    return ""
