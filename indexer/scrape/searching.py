"""Queries -> providers, page by page -> what they found, and how far each search has got."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from indexer.scrape.circuit_breaker import CircuitBreaker
from indexer.scrape.items import Item, SearchProgress, UnansweredError, fault
from indexer.scrape.ledger import Ledger
from indexer.scrape.providers.protocol import Provider, ResultPage, WebAccess
from indexer.scrape.reasons import NOT_ASKED
from indexer.scrape.report import ScrapeReport
from indexer.scrape.settings import ScrapeSettings
from indexer.scrape.task_group import run_together

#: Lists and pages that are read at the same time; an API is asked one query after the other.
_AT_ONCE = 4

#: Takes what a search has found, with the search's place among those of this run.
OnFound = Callable[[Sequence[Item], int], Awaitable[None]]
OnProgress = Callable[[SearchProgress], None]


class Searching:
    """The searches of one run; where an earlier run has got to, these go on."""

    def __init__(
        self,
        providers: Sequence[Provider],
        web: WebAccess,
        settings: ScrapeSettings,
        ledger: Ledger,
        report: ScrapeReport,
        on_found: OnFound,
        on_progress: OnProgress,
    ) -> None:
        self.providers = providers
        self.web = web
        self.settings = settings
        self.ledger = ledger
        self.report = report
        self.on_found = on_found
        self.on_progress = on_progress
        self.breaker = CircuitBreaker()

    async def run(self, queries: Iterable[str]) -> None:
        """Ask each provider each query, or those that it takes until `enough` has been found."""
        await (self._until_enough(queries) if self.settings.enough else self._all(queries))

    async def _all(self, queries: Iterable[str]) -> None:
        texts = [*dict.fromkeys(queries)]
        workers = [
            (provider, numbered)
            for place, provider in enumerate(self.providers)
            for numbered in _workers(provider, enumerate(texts, place * len(texts)))
        ]
        await run_together(self._search_all(provider, numbered) for provider, numbered in workers)

    async def _until_enough(self, queries: Iterable[str]) -> None:
        """One query after the other, each of all providers at once."""
        for place, query in enumerate(queries):
            most = self.settings.enough - self.report.taken
            numbered = enumerate(self.providers, place * len(self.providers))
            await run_together(self._search(provider, query, number, most) for number, provider in numbered)
            if self.report.taken >= self.settings.enough:
                return

    async def _search_all(self, provider: Provider, queries: Iterator[tuple[int, str]]) -> None:
        for number, query in queries:
            await self._search(provider, query, number, self.settings.per_query)

    async def _search(self, provider: Provider, query: str, number: int, most: int) -> None:
        """Page by page until `most` results are taken or there are no more."""
        progress = self._resumed(provider, query)
        while not progress.exhausted and (room := _room(provider, progress, most)):
            if reason := self.breaker.stop_reason(provider):
                self._unanswered(replace(progress, reason=NOT_ASKED, detail=reason))
                break
            try:
                page = await provider.search(query, progress.cursor, self.web)
            except UnansweredError as error:
                self.breaker.failed(provider, error)
                if error.reason == "cursor":
                    progress = SearchProgress(provider.name, query)
                self._unanswered(replace(progress, reason=error.reason, detail=error.detail))
                break
            except Exception as error:  # what a stranger sends must not end the run, whatever it breaks
                self._unanswered(replace(progress, reason="fault", detail=fault(error)))
                break
            self.breaker.answered(provider)
            self.report.remarks += [page.remark] if page.remark else []
            chosen = page.found[progress.used :][:room]
            await self.on_found([replace(item, provider=provider.name) for item in chosen], number)
            progress = _advanced(progress, page, len(chosen))
            if provider.limited:
                self.on_progress(progress)
        self.report.taken += progress.taken

    def _resumed(self, provider: Provider, query: str) -> SearchProgress:
        """How far an earlier run has got, where this one goes on from there."""
        if provider.limited and not self.settings.refresh:
            return self.ledger.progress(provider.name, query)
        return SearchProgress(provider.name, query)

    def _unanswered(self, progress: SearchProgress) -> None:
        self.report.unanswered.append(progress)
        self.on_progress(progress)


def _workers(provider: Provider, queries: Iterable[tuple[int, str]]) -> list[Iterator[tuple[int, str]]]:
    """One stream of queries, as often as workers share it: once for an API, as all their etiquettes want."""
    return [iter(queries)] * (1 if provider.endpoint else _AT_ONCE)


def _room(provider: Provider, progress: SearchProgress, most: int) -> int:
    """How many more results of this query may be taken."""
    return max(0, most - progress.taken) if provider.limited else sys.maxsize


def _advanced(progress: SearchProgress, page: ResultPage, taken: int) -> SearchProgress:
    """Progress after `taken` more results of this page."""
    used = progress.used + taken
    moved = replace(progress, taken=progress.taken + taken, used=used, reason="", detail="")
    if used < len(page.found):
        return moved
    return replace(moved, cursor=page.cursor or "", used=0, exhausted=page.cursor is None)
