"""The scrape as a whole: searches -> frontier -> downloads -> keeper -> files and manifest."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from captioner.version import program_version
from indexer.errors import ScrapeError
from indexer.records import as_time
from indexer.scrape.addresses import Guard, Network, canonical
from indexer.scrape.credit import with_credit
from indexer.scrape.excluded import read_excluded
from indexer.scrape.fetch import Fetcher, Manners
from indexer.scrape.frontier import Frontier
from indexer.scrape.items import Item, RefusalError, SearchProgress, UnansweredError
from indexer.scrape.keeping import THREADS, Keeper
from indexer.scrape.ledger import Ledger
from indexer.scrape.manifest import ManifestWriter
from indexer.scrape.outcome import is_withdrawn, line_of
from indexer.scrape.pace import Clock, Pace
from indexer.scrape.patience import NOT_ASKED, Patience
from indexer.scrape.providers.protocol import Page, Provider
from indexer.scrape.reopening import pending
from indexer.scrape.report import Report
from indexer.scrape.robots import AGENT
from indexer.scrape.transport import HttpTransport, Limits, Transport

#: Lists and pages that are read at the same time; an API is asked one query after the other.
_SEARCHES = 4

#: Seconds after which a thread that keeps photos hands over to the event loop. With Python's 5 ms the loop
#: waits that long after each system call.
_SWITCH = 0.0002

#: What a contact is, and how it is told.
CONTACT = "an http(s):// or mailto: URL, or an e-mail address"
_CONTACT = re.compile(r"https?://[^\s/]\S*|(?:mailto:)?[^\s@:/]+@[^\s@/]+", re.IGNORECASE)

#: Called with every item that has reached its status.
OnItem = Callable[[Item], None]


def is_contact(text: str) -> bool:
    """Whether a site's owner can write there; what is printable fits into a header."""
    return bool(_CONTACT.fullmatch(text)) and text.isprintable()


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
        return f"{AGENT}/{program_version()} (+{self.contact})"


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
    end it. Raises ScrapeError where nothing can be done at all (no contact, folder in use, disk full), and
    SourceError for a damaged manifest. `transport` and `clock` are seams for tests.
    """
    if not is_contact(settings.contact):
        raise ScrapeError(f"say whom a site's owner may write to: as contact {CONTACT}")
    with _clear_errors(folder), ExitStack() as stack:
        manifest = stack.enter_context(ManifestWriter(folder))
        ledger, reopened = Ledger(), Ledger()
        stack.callback(ledger.close)
        stack.callback(reopened.close)
        ledger.read(folder)
        run = _Run(folder, settings, manifest, ledger, reopened, on_item, clock or Clock())
        stack.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(_SWITCH)
        asyncio.run(run.go(queries, providers, transport))
        run.report.holds_photos = ledger.holds_photos()
        return run.report


@contextmanager
def _clear_errors(folder: Path) -> Iterator[None]:
    """What the disk refuses, in one line; what the web refuses is no error of the scrape."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ScrapeError(
            f"{folder}: cannot write ({reason}); what was downloaded before is kept, the same command goes on"
        ) from error


class _Run:
    """State of one scrape; everything but decoding and writing files happens on one event loop."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        manifest: ManifestWriter,
        ledger: Ledger,
        reopened: Ledger,
        on_item: OnItem | None,
        clock: Clock,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.manifest = manifest
        self.ledger = ledger
        self.reopened = reopened  # what an earlier run left open, and this one asks for
        self.on_item = on_item
        self.clock = clock
        self.report = Report()
        self.patience = Patience()
        self.guard = Guard(settings.allowed_networks)
        self.frontier = Frontier(settings.per_host)
        self.excluded = read_excluded(folder)
        self.keeper = Keeper(folder, ledger, settings.smallest_side, self.excluded)

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
            self.keeper.shut_down()
            self.report.seconds = self.clock.monotonic() - started

    async def _scrape(
        self, queries: Iterable[str], providers: Sequence[Provider], transport: Transport
    ) -> None:
        fetcher = self._fetcher(transport, providers)
        keepers = [self.keeper.run(self._end) for _ in range(THREADS)]
        await _together([self._find(queries, providers, fetcher), self._download(fetcher), *keepers])

    async def _download(self, fetcher: Fetcher) -> None:
        await _together([self._work(fetcher) for _ in range(self.settings.concurrency)])
        await self.keeper.close()

    def _fetcher(self, transport: Transport, providers: Sequence[Provider]) -> Fetcher:
        settings = self.settings
        delays: dict[str, float] = {}
        for provider in providers:
            if provider.endpoint:
                host = self.guard.check_url(provider.endpoint).host or ""
                delays[host] = max(provider.delay, delays.get(host, 0.0))
        pace = Pace(
            self.clock,
            per_host=settings.per_host,
            delay=settings.delay,
            delays=delays,
            longest_wait=settings.longest_wait,
        )
        manners = Manners(settings.user_agent, attempts=settings.attempts)
        return Fetcher(transport, pace, self.guard, manners, settings.limits)

    async def _find(self, queries: Iterable[str], providers: Sequence[Provider], fetcher: Fetcher) -> None:
        """What an earlier run left open first, then the searches."""
        settings = self.settings
        options = (settings.limits, settings.allowed_networks)
        for item in pending(self.folder, self.ledger, self.reopened, *options, refresh=settings.refresh):
            if self.excluded.names(self.ledger.last(item.url)):
                continue
            self.report.found[item.provider] += 1
            await self.frontier.put(item)
        texts = [*dict.fromkeys(queries)]
        turns = [
            (provider, turn)
            for place, provider in enumerate(providers)
            for turn in _turns(provider, enumerate(texts, place * len(texts)))
        ]
        await _together([self._search_all(provider, turn, fetcher) for provider, turn in turns])
        self.frontier.close()

    async def _search_all(
        self, provider: Provider, queries: Iterator[tuple[int, str]], fetcher: Fetcher
    ) -> None:
        for number, query in queries:
            await self._search(provider, query, number, fetcher)

    async def _search(self, provider: Provider, query: str, number: int, fetcher: Fetcher) -> None:
        """Page by page until enough results are taken or there are no more."""
        progress = self._begun(provider, query)
        while not progress.exhausted and self._room(provider, progress):
            if spent := self.patience.spent(provider):
                self._unanswered(replace(progress, reason=NOT_ASKED, detail=spent))
                break
            try:
                page = await provider.search(query, progress.cursor, fetcher)
            except UnansweredError as error:
                self.patience.failed(provider, error)
                if error.reason == "cursor":
                    progress = SearchProgress(provider.name, query)
                self._unanswered(replace(progress, reason=error.reason, detail=error.detail))
                break
            except Exception as error:  # as in `_work`
                self._unanswered(replace(progress, reason="fault", detail=_fault(error)))
                break
            self.patience.answered(provider)
            chosen = page.found[progress.used :][: self._room(provider, progress)]
            await self._found(chosen, number)
            progress = _advanced(progress, page, len(chosen))
            if provider.limited:
                self._note(progress)
        self.report.taken += progress.taken

    def _begun(self, provider: Provider, query: str) -> SearchProgress:
        """How far an earlier run has got, where this one goes on from there."""
        if provider.limited and not self.settings.refresh:
            return self.ledger.progress(provider.name, query)
        return SearchProgress(provider.name, query)

    def _unanswered(self, progress: SearchProgress) -> None:
        self.report.unanswered.append(progress)
        self._note(progress)

    def _room(self, provider: Provider, progress: SearchProgress) -> int:
        """How many more results of this query may be taken."""
        return max(0, self.settings.per_query - progress.taken) if provider.limited else sys.maxsize

    async def _found(self, items: Sequence[Item], search: int) -> None:
        """Note those that are new, before the first of them is downloaded, and what is said of the others."""
        now = self._time()
        named = [replace(item, url=canonical(item.url), at=now) for item in items]
        # What is asked for again anyway was counted when it was taken up.
        counted = [item for item in named if not self.reopened.knows(item.url)]
        new, told = [], []
        for item in named:
            if item.url in self.excluded.urls:
                continue
            if self.ledger.discover(item, search):
                new.append(item)
            elif (line := self.ledger.hear(item, search)) is not None:
                told.append(line)
        self.report.found.update(item.provider for item in counted)
        self.report.known += len(counted) - len(new)
        self.manifest.append(*new, *told)
        for item in new:
            await self.frontier.put(item)

    async def _work(self, fetcher: Fetcher) -> None:
        """Download one item after the other; the keeper has the photos from then on."""
        while (item := await self.frontier.take()) is not None:
            validators = self._validators(item)
            try:
                response = await fetcher.photo(item.url, validators)
            except RefusalError as refusal:
                self._end([self._refused(item, refusal)])
            except Exception as error:  # what a stranger sends must not end the run, whatever it breaks
                self._end([item.refused(RefusalError("fault", _fault(error)))])
            else:
                if response.status == 304:
                    self._end([item])
                else:
                    await self.keeper.put(item, response)
            finally:
                self.frontier.done(item)

    def _refused(self, item: Item, refusal: RefusalError) -> Item:
        """With the limit that held, so that a run with a higher one knows."""
        limit = self.settings.limits.bytes if refusal.reason == "too-large" else 0
        return replace(item.refused(refusal), bytes=limit)

    def _validators(self, item: Item) -> dict[str, str]:
        """Headers that ask only for what has changed; only a refresh asks for what is there."""
        return self.ledger.validators(item.url) if self.settings.refresh else {}

    def _end(self, items: Sequence[Item]) -> None:
        """Note and count items that have reached their final status ("found": not changed), in one write."""
        now = self._time()
        ended = [(item, self.ledger.last(item.url)) for item in items]
        lines = (line_of(item, last) for item, last in ended)
        self._note(*(replace(line, at=now) for line in lines if line is not None))
        for item, last in ended:
            if item.status == "found":  # asked again, and not changed
                self.report.known += 1
                continue
            self.report.count(with_credit(item, last), withdrawn=is_withdrawn(item, last))
            if self.on_item is not None:
                self.on_item(with_credit(item, last))

    def _note(self, *lines: Item | SearchProgress) -> None:
        self.manifest.append(*lines)
        for line in lines:
            self.ledger.note(line)

    def _time(self) -> str:
        return as_time(self.clock.now())


def _turns(provider: Provider, queries: Iterable[tuple[int, str]]) -> list[Iterator[tuple[int, str]]]:
    """Those who ask, each the next query: one for an API, as all their etiquettes want it."""
    return [iter(queries)] * (1 if provider.endpoint else _SEARCHES)


def _advanced(progress: SearchProgress, page: Page, taken: int) -> SearchProgress:
    """Progress after `taken` more results of this page."""
    used = progress.used + taken
    moved = replace(progress, taken=progress.taken + taken, used=used, reason="", detail="")
    if used < len(page.found):
        return moved
    return replace(moved, cursor=page.cursor or "", used=0, exhausted=page.cursor is None)


def _fault(error: Exception) -> str:
    """A fault of this program, by its type alone: the text may repeat an address with a key in it."""
    return f"unexpected {type(error).__name__}; please report it"


async def _together(tasks: Iterable[Awaitable[None]]) -> None:
    """All at once; the first error stops the others."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
