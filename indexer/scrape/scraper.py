"""The scrape as a whole: searches -> frontier -> downloads -> keeper -> files and manifest."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from indexer.errors import ScrapeError
from indexer.records import as_time
from indexer.scrape.addresses import AddressGuard, canonical
from indexer.scrape.credit import with_credit
from indexer.scrape.excluded import Excluded, read_excluded
from indexer.scrape.fetch import Fetcher, Manners
from indexer.scrape.frontier import Frontier
from indexer.scrape.items import Item, RefusalError, SearchProgress, fault
from indexer.scrape.keeping import KEEPERS, Keeper
from indexer.scrape.ledger import Ledger
from indexer.scrape.manifest import ManifestWriter
from indexer.scrape.outcome import is_withdrawn, line_of
from indexer.scrape.pace import Clock, Pace
from indexer.scrape.providers.protocol import Provider
from indexer.scrape.reopening import pending
from indexer.scrape.report import ScrapeReport
from indexer.scrape.searching import Searching
from indexer.scrape.settings import CONTACT, ScrapeSettings, is_contact
from indexer.scrape.task_group import run_together
from indexer.scrape.transport import HttpTransport, Transport

#: Seconds after which a thread that keeps photos hands over to the event loop. With Python's 5 ms the loop
#: waits that long after each system call.
_SWITCH = 0.0002

#: Called with every item that has reached its status.
OnItem = Callable[[Item], None]


def scrape(
    queries: Iterable[str],
    providers: Sequence[Provider],
    folder: Path,
    settings: ScrapeSettings,
    *,
    on_item: OnItem | None = None,
    transport: Transport | None = None,
    clock: Clock | None = None,
) -> ScrapeReport:
    """Find and download photos into `folder`, going on where an earlier run stopped.

    What becomes of each item is in the folder's manifest; the report counts. Single failures never
    end it. Raises ScrapeError where nothing can be done at all (no contact, folder in use, disk full), and
    SourceError for a damaged manifest. `transport` and `clock` are seams for tests.
    """
    if not is_contact(settings.contact):
        raise ScrapeError(f"say whom a site's owner may write to: as contact {CONTACT}")
    with _clear_errors(folder), ExitStack() as stack:
        manifest = stack.enter_context(ManifestWriter(folder))
        ledger, excluded = Ledger(), read_excluded(folder)
        stack.callback(ledger.close)
        ledger.read(folder, excluded)
        run = _Run(folder, settings, manifest, ledger, excluded, on_item, clock or Clock())
        stack.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(_SWITCH)
        asyncio.run(run.go(queries, providers, transport))
        run.report.holds_photos = ledger.holds_photos(excluded)
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
        settings: ScrapeSettings,
        manifest: ManifestWriter,
        ledger: Ledger,
        excluded: Excluded,
        on_item: OnItem | None,
        clock: Clock,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.manifest = manifest
        self.ledger = ledger
        self.excluded = excluded
        self.on_item = on_item
        self.clock = clock
        self.report = ScrapeReport()
        self.guard = AddressGuard(settings.allowed_networks)
        self.frontier = Frontier(settings.per_host)
        self.keeper = Keeper(folder, ledger, settings.smallest_side, excluded)

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
        keepers = [self.keeper.run(self._end) for _ in range(KEEPERS)]
        await run_together([self._find(queries, providers, fetcher), self._download(fetcher), *keepers])

    async def _download(self, fetcher: Fetcher) -> None:
        await run_together([self._work(fetcher) for _ in range(self.settings.concurrency)])
        self.keeper.close()

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
        for item in pending(self.folder, self.ledger, self.settings, self.excluded):
            self.report.found[item.provider] += 1
            await self.frontier.put(item)
        searching = Searching(
            providers, fetcher, self.settings, self.ledger, self.report, self._note_found, self._note_progress
        )
        await searching.run(queries)
        self.frontier.close()

    async def _note_found(self, items: Sequence[Item], search: int) -> None:
        """Note new addresses, before the first of them is downloaded, and new credit of known ones."""
        now = self._time()
        named = (replace(item, url=canonical(item.url), at=now) for item in items)
        wanted = [item for item in named if item.url not in self.excluded.urls]
        new, known, updated = [], [], []
        for item in wanted:
            if self.ledger.discover(item, search):
                new.append(item)
                continue
            if not self.ledger.is_reopened(item.url):  # what is, `_find` has counted
                known.append(item)
            if (line := self.ledger.update_credit(item, search)) is not None:
                updated.append(line)
        self.report.found.update(item.provider for item in (*new, *known))
        self.report.known += len(known)
        self.manifest.append(*new, *updated)
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
                self._end([item.refused(RefusalError("fault", fault(error)))])
            else:
                if response.status == 304:
                    self._end([item])
                else:
                    await self.keeper.put(item, response)
            finally:
                self.frontier.done(item)

    def _refused(self, item: Item, refusal: RefusalError) -> Item:
        """The item as refused; if it was too large, with the limit that held, for runs with a higher one."""
        limit = self.settings.limits.bytes if refusal.reason == "too-large" else 0
        return replace(item.refused(refusal), bytes=limit)

    def _validators(self, item: Item) -> dict[str, str]:
        """Headers that ask only for what has changed; only a refresh asks for what is there."""
        return self.ledger.validators(item.url) if self.settings.refresh else {}

    def _end(self, items: Sequence[Item]) -> None:
        """Note and count items that have reached their final status ("found": not changed), in one write."""
        now = self._time()
        before = ((item, self.ledger.last(item.url)) for item in items)
        ended = [(with_credit(item, last), last) for item, last in before]
        lines = ((line_of(item, last), last) for item, last in ended)
        noted = [(replace(line, at=now), last) for line, last in lines if line is not None]
        self.manifest.append(*(line for line, _ in noted))
        for line, last in noted:
            self.ledger.note(line, last)
        for item, last in ended:
            if item.status == "found":  # asked again, and not changed
                self.report.known += 1
                continue
            self.report.count(item, withdrawn=is_withdrawn(item, last))
            if self.on_item is not None:
                self.on_item(item)

    def _note_progress(self, progress: SearchProgress) -> None:
        self.manifest.append(progress)
        self.ledger.note(progress)

    def _time(self) -> str:
        return as_time(self.clock.now())
