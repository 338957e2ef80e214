"""The scrape as a whole: searches -> frontier -> workers -> files and manifest."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from yarl import URL

from indexer.errors import ScrapeError
from indexer.scrape.addresses import Guard, Network
from indexer.scrape.fetch import Fetcher, Manners
from indexer.scrape.frontier import Frontier
from indexer.scrape.items import Item, Progress, RefusalError, UnansweredError
from indexer.scrape.ledger import Ledger, pending
from indexer.scrape.manifest import ManifestWriter
from indexer.scrape.pace import Clock, Pace
from indexer.scrape.providers import Page, Provider
from indexer.scrape.report import Report
from indexer.scrape.robots import AGENT
from indexer.scrape.store import examine, save
from indexer.scrape.transport import HttpTransport, Limits, Response, Transport

#: Searches asked at the same time; each provider answers one after the other anyway.
_SEARCHES = 4

#: Seconds after which the decoding thread hands over to the event loop. With Python's 5 ms the loop waits
#: that long after each system call.
_SWITCH = 0.0002

#: Called with every item that has reached its status.
OnItem = Callable[[Item], None]


@dataclass(frozen=True)
class Settings:
    """How to scrape; the defaults suit the public web."""

    contact: str  # URL or e-mail address that a site's owner can write to
    per_query: int = 40  # results looked at for each query and provider
    concurrency: int = 64  # downloads at once, over all hosts
    per_host: int = 2  # connections to one host; what Wikimedia's robot policy allows
    delay: float = 0.1  # seconds between two requests to one host
    longest_wait: float = 60.0  # what a host may ask for with Retry-After or Crawl-delay
    smallest_side: int = 32  # pixels; below it are icons
    attempts: int = 3
    refresh: bool = False  # ask for the photos of an earlier run again, if they have changed
    limits: Limits = field(default_factory=Limits)
    allowed_networks: tuple[Network, ...] = ()  # private addresses that may be asked all the same

    @property
    def user_agent(self) -> str:
        return f"{AGENT}/{_version()} (+{self.contact})"


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("caption-search")
    except PackageNotFoundError:
        return "0"


def scrape(
    queries: Iterable[str],
    providers: Sequence[Provider],
    folder: Path,
    settings: Settings,
    *,
    on_item: OnItem | None = None,
    transport: Transport | None = None,
    clock: Clock | None = None,
) -> Report:
    """Find and download photos into `folder`, going on where an earlier run stopped.

    What becomes of each item is in the folder's manifest; the report counts. Single failures never
    end it. Raises ScrapeError where nothing can be done at all (no contact, folder in use), and
    SourceError for a damaged manifest. `transport` and `clock` are seams for tests.
    """
    if not settings.contact.strip() or not settings.contact.isprintable():
        raise ScrapeError("say whom a site's owner may write to: a URL or an e-mail address as contact")
    with ExitStack() as stack:
        manifest = stack.enter_context(ManifestWriter(folder))
        ledger = Ledger()
        stack.callback(ledger.close)
        ledger.read(folder)
        run = _Run(folder, settings, manifest, ledger, on_item, clock or Clock())
        stack.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(_SWITCH)
        asyncio.run(run.go(queries, providers, transport))
        return run.report


class _Run:
    """State of one scrape; everything but decoding and writing files happens on one event loop."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        manifest: ManifestWriter,
        ledger: Ledger,
        on_item: OnItem | None,
        clock: Clock,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.manifest = manifest
        self.ledger = ledger
        self.on_item = on_item
        self.clock = clock
        self.report = Report()
        self.guard = Guard(settings.allowed_networks)
        self.frontier = Frontier(settings.per_host)
        # One thread decodes: while a photo is opened, Pillow's warnings are filtered for the whole process.
        self.decoder = ThreadPoolExecutor(1, "decode")

    async def go(
        self, queries: Iterable[str], providers: Sequence[Provider], transport: Transport | None
    ) -> None:
        started = self.clock.monotonic()
        try:
            if transport is not None:
                await self._scrape(queries, providers, transport)
            else:
                async with HttpTransport(self.guard, self.settings.concurrency) as real:
                    await self._scrape(queries, providers, real)
        finally:
            self.decoder.shutdown(wait=True, cancel_futures=True)
            self.report.seconds = self.clock.monotonic() - started

    async def _scrape(
        self, queries: Iterable[str], providers: Sequence[Provider], transport: Transport
    ) -> None:
        fetcher = self._fetcher(transport, providers)
        workers = [self._work(fetcher) for _ in range(self.settings.concurrency)]
        await _together([self._find(queries, providers, fetcher), *workers])

    def _fetcher(self, transport: Transport, providers: Sequence[Provider]) -> Fetcher:
        settings = self.settings
        pace = Pace(
            self.clock, per_host=settings.per_host, delay=settings.delay, longest_wait=settings.longest_wait
        )
        for provider in providers:
            if provider.endpoint:
                host = self.guard.check_url(provider.endpoint).host or ""
                pace.slow_down(host, provider.delay)
        manners = Manners(settings.user_agent, attempts=settings.attempts)
        return Fetcher(transport, pace, self.guard, manners, settings.limits)

    async def _find(self, queries: Iterable[str], providers: Sequence[Provider], fetcher: Fetcher) -> None:
        """What an earlier run left open first, then the searches."""
        for item in pending(self.folder, self.ledger, refresh=self.settings.refresh):
            self.report.found[item.provider] += 1
            await self.frontier.put(item)
        searches = ((provider, query) for query in dict.fromkeys(queries) for provider in providers)
        await _together([self._search_all(searches, fetcher) for _ in range(_SEARCHES)])
        await self.frontier.close()

    async def _search_all(self, searches: Iterable[tuple[Provider, str]], fetcher: Fetcher) -> None:
        for provider, query in searches:
            await self._search(provider, query, fetcher)

    async def _search(self, provider: Provider, query: str, fetcher: Fetcher) -> None:
        """Page by page until enough results are taken or there are no more."""
        progress = Progress(provider.name, query)
        if provider.limited and not self.settings.refresh:
            progress = self.ledger.progress(provider.name, query)
        while not progress.exhausted and self._room(provider, progress):
            try:
                page = await provider.search(query, progress.cursor, fetcher)
            except UnansweredError as error:
                progress = replace(progress, reason=error.reason, detail=error.detail)
                self.report.unanswered.append(progress)
                self._note(progress)
                return
            chosen = page.found[progress.used :][: self._room(provider, progress)]
            for item in chosen:
                await self._found(item)
            progress = _advanced(progress, page, len(chosen))
            if provider.limited:
                self._note(progress)

    def _room(self, provider: Provider, progress: Progress) -> int:
        """How many more results of this query may be taken."""
        return self.settings.per_query - progress.taken if provider.limited else sys.maxsize

    async def _found(self, item: Item) -> None:
        self.report.found[item.provider] += 1
        item = replace(item, url=_canonical(item.url), at=self._time())
        if self.ledger.knows(item.url):
            self.report.known += 1
            return
        self._note(item)
        await self.frontier.put(item)

    async def _work(self, fetcher: Fetcher) -> None:
        while (item := await self.frontier.take()) is not None:
            try:
                ended = await self._fetch(item, fetcher)
            finally:
                await self.frontier.done(item)
            self._end(ended)

    async def _fetch(self, item: Item, fetcher: Fetcher) -> Item:
        """The item with its final status; "found" when it has not changed since the last time."""
        try:
            response = await fetcher.photo(item.url, self._validators(item))
            return item if response.status == 304 else await self._keep(item, response)
        except RefusalError as refusal:
            return replace(item, status=refusal.status, reason=refusal.reason, detail=refusal.detail)

    async def _keep(self, item: Item, response: Response) -> Item:
        """Decode in a thread, then keep the photo unless it is there already."""
        loop, body = asyncio.get_running_loop(), response.body
        photo = await loop.run_in_executor(self.decoder, examine, body, self.settings.smallest_side)
        reason, kept = self.ledger.claim(photo.sha256, photo.phash)
        item = replace(item, sha256=photo.sha256, phash=photo.phash, bytes=len(body))
        if reason:
            return replace(item, status="duplicate", reason=reason, duplicate_of=kept)
        name = await loop.run_in_executor(None, save, self.folder, photo, body)
        return replace(
            item,
            status="downloaded",
            file=name,
            etag=response.headers.get("ETag", "")[:500],
            last_modified=response.headers.get("Last-Modified", "")[:500],
        )

    def _validators(self, item: Item) -> dict[str, str]:
        """Headers that ask only for what has changed; only a refresh asks for what is there."""
        return self.ledger.validators(item.url) if self.settings.refresh else {}

    def _end(self, item: Item) -> None:
        was_downloaded = bool(self._validators(item))
        if item.status == "found" or (was_downloaded and item.reason == "sha256"):
            self.report.known += 1  # asked again, and not changed
            return
        item = replace(item, at=self._time())
        if item.status == "downloaded" or not was_downloaded:  # what is stored outlives a later failure
            self._note(item)
        self.report.count(item)
        if self.on_item is not None:
            self.on_item(item)

    def _note(self, line: Item | Progress) -> None:
        self.manifest.append(line)
        self.ledger.note(line)

    def _time(self) -> str:
        return datetime.fromtimestamp(self.clock.now(), timezone.utc).isoformat(timespec="seconds")


def _advanced(progress: Progress, page: Page, taken: int) -> Progress:
    """Progress after `taken` more results of this page."""
    used = progress.used + taken
    moved = replace(progress, taken=progress.taken + taken, used=used, reason="", detail="")
    if used < len(page.found):
        return moved
    return replace(moved, cursor=page.cursor or "", used=0, exhausted=page.cursor is None)


def _canonical(url: str) -> str:
    """One spelling for one address, as far as that is safe; what is no URL stays as it is."""
    try:
        return str(URL(url.strip()).with_fragment(None))
    except ValueError:
        return url


async def _together(tasks: Iterable[Awaitable[None]]) -> None:
    """All at once; the first error stops the others."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
