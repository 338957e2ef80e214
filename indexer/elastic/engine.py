"""ElasticIndex: the engine on Elasticsearch. `sized_tokens` make its own ranking exact; see plan.py."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from elasticsearch import Elasticsearch

from captioner.tokens import DEFAULT
from indexer.batching import batches
from indexer.contract import CaptionIndex, check_draft, first_told, known_analyzer, storable
from indexer.elastic import rollout
from indexer.elastic.bulk import BulkWriter
from indexer.elastic.connection import Address, connect, parse
from indexer.elastic.documents import SOURCE, filter_clauses, findable, problem, to_document, to_record
from indexer.elastic.draw import draw_images
from indexer.elastic.faults import clear_errors
from indexer.elastic.generations import Generation, live_generation, missing_error, refresh, refuse_to_write
from indexer.elastic.plan import Expectation
from indexer.elastic.point_in_time import PAGE, PointInTime
from indexer.elastic.ranking import Ranking
from indexer.elastic.retries import Retrier, RetryPolicy
from indexer.elastic.rollout import ElasticDraft
from indexer.elastic.status import status_of
from indexer.errors import IndexMismatchError
from indexer.given import listed, seed_of, whole
from indexer.records import (
    NO_FILTERS,
    RECORD_FIELDS,
    SCHEMA_VERSION,
    AddReport,
    Allowed,
    Candidates,
    CaptionRecord,
    Document,
    Filters,
    IndexStatus,
    Query,
    Rejected,
)

_T = TypeVar("_T")


class ElasticIndex(CaptionIndex):
    """The captions behind an alias. `keep` is how many older generations stay for `rollback`."""

    engine = "elasticsearch"
    keep = 1

    def __init__(
        self, client: Elasticsearch, address: Address, live: Generation | None, retry: RetryPolicy
    ) -> None:
        self._client, self._address, self._retry = client, address, retry
        self._retrier = Retrier(address, retry)
        self._writes = False  # who writes waits for a server that is gone for a moment; who searches does not
        self.where = address.where
        self._live = live
        self._never_live = live is None
        self._expectation = Expectation()
        self._current_ranking: Ranking | None = None

    @classmethod
    def open(cls, where: str, *, create: bool = False, retry: RetryPolicy | None = None) -> ElasticIndex:
        """Connect and look. Raises IndexNotFoundError (without `create`), IndexUnavailableError,
        IndexMismatchError for an index of another kind or schema, or (without `create`) analyzer."""
        address = parse(where)
        client = connect(address)
        try:
            with clear_errors(address):
                live = live_generation(client, address)
                if not create:
                    if live is None:
                        raise missing_error(client, address)
                    known_analyzer(address.where, live.analyzer)
                return cls(client, address, live, retry or RetryPolicy())
        except BaseException:
            client.close()
            raise

    def close(self) -> None:
        self._client.close()

    @property
    def analyzer(self) -> str:  # type: ignore[override]
        """Of the live generation as last seen. Any answer that comes from another generation updates it."""
        live = self._live
        return live.analyzer if live else DEFAULT

    @property
    def known_count(self) -> int | None:  # type: ignore[override]
        """0 where the server had no index when it was last asked; None (unknown) where it had one."""
        return 0 if self._live is None else None

    @property
    def _ranking(self) -> Ranking:
        """Made at the first search, since builds and rollbacks also begin where no search is possible."""
        ranking = self._current_ranking
        if ranking is None:
            ranking = self._current_ranking = self._new_ranking()
        return ranking

    def _new_ranking(self) -> Ranking:
        """With the smallest and largest size in the index; the server need visit no document for them."""
        smallest, largest = 1, 0
        ends = {"low": {"min": {"field": "token_count"}}, "high": {"max": {"field": "token_count"}}}
        answer = self._client.search(index=self._address.name, size=0, aggs=ends)["aggregations"]
        if answer["high"]["value"] is not None:
            smallest, largest = int(answer["low"]["value"]), int(answer["high"]["value"])
        return Ranking(self._client, self._address, smallest, largest, self._expectation)

    def _reload(self) -> Generation | None:
        """Look up the live generation, since another process may have built anew.

        None only where there never was an index (it was opened with `create`). Raises IndexNotFoundError
        where there was one: it may come back, so "no hits" would be a wrong answer meanwhile.
        """
        live = live_generation(self._client, self._address)
        if live is not None:
            self._set_live(live)
        elif not self._never_live:
            raise missing_error(self._client, self._address)
        return live

    def _set_live(self, live: Generation) -> None:
        self._live, self._never_live, self._current_ranking = live, False, None

    def _generation_changed(self, before: Generation | None, seen: Collection[str]) -> bool:
        """Whether an answer came from another generation than `before`; looks up the live one if it may have.

        `seen` are the concrete indices in the answer; an answer without hits may come from any.
        """
        if before is not None and set(seen) == {before.index}:
            return False
        after = self._reload()
        return before is None or after is None or before.index != after.index

    def _check_analyzer(self, before: Generation | None) -> None:
        """Raises IndexMismatchError where the live index has another analyzer than `before`.

        The tokens that were asked for mean nothing in it.
        """
        now = self._live
        if before is not None and now is not None and before.analyzer != now.analyzer:
            raise IndexMismatchError(
                f"{self.where}: was built anew with the analyzer {now.analyzer} while it was open "
                f"with {before.analyzer}; search again"
            )

    # --- reading

    def _never_built(self) -> bool:
        """Whether there never was an index (one opened with `create` answers as an empty one does)."""
        return self._live is None and self._reload() is None

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        limit = whole(limit)
        with clear_errors(self._address):
            if self._never_built():
                return [Candidates((), 0.0, 0) for _ in queries]
            before = self._live
            ranked = self._ranking.candidates_many(queries, limit)
            if self._generation_changed(before, frozenset[str]().union(*(one.indices for one in ranked))):
                self._check_analyzer(before)
                ranked = self._ranking.candidates_many(queries, limit)
        return [one.candidates for one in ranked]

    def captions(self, image_ids: Iterable[str]) -> Mapping[str, Sequence[Document]]:
        return self._ask(partial(self._captions, findable(dict.fromkeys(listed(image_ids)))))

    def _captions(self, wanted: Sequence[str]) -> Mapping[str, Sequence[Document]]:
        found = dict[str, list[tuple[str, Document]]]()
        if self._never_built():
            return {}
        before, seen = self._live, set()
        with PointInTime(self._client, self._address.name) as point:
            for chunk in batches(wanted, PAGE):
                for hit in point.stream({"terms": {"image_id": chunk}}, SOURCE):
                    document = to_document(hit["_source"])
                    found.setdefault(document.record.image_id, []).append((hit["_id"], document))
                    seen.add(hit["_index"])
            if seen:
                self._generation_changed(before, seen)
        return {
            image_id: [document for _, document in sorted(pairs, key=lambda pair: pair[0])]
            for image_id, pairs in found.items()
        }

    def records(self, filters: Allowed = NO_FILTERS) -> Iterator[CaptionRecord]:
        return self._records(Filters(filters))

    def _records(self, filters: Filters) -> Iterator[CaptionRecord]:
        with clear_errors(self._address):
            if self._never_built():
                return
            with PointInTime(self._client, self._address.name) as point:
                hits = point.stream({"bool": {"filter": filter_clauses(filters)}}, RECORD_FIELDS)
                # To the server a value that is too long to be found by is missing.
                yield from filter(filters.matches, (to_record(hit["_source"]) for hit in hits))

    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        with clear_errors(self._address):
            if self._never_built():
                return
        with clear_errors(self._address), PointInTime(self._client, self._address.name) as point:
            yield from point.places(beginning)

    def images(self) -> Iterator[str]:
        with clear_errors(self._address):
            if self._never_built():
                return
            with PointInTime(self._client, self._address.name) as point:
                yield from point.images()

    def count(self, queries: Sequence[Query], excluded: Iterable[str] = ()) -> int:
        with clear_errors(self._address):
            if self._never_built():
                return 0
            before = self._live
            images = self._ranking.count(queries, listed(excluded))
            self._reload()  # a number does not tell what index it comes from
            self._check_analyzer(before)
            return images

    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        wanted = listed(tokens, "tokens")
        with clear_errors(self._address):
            return frozenset() if self._never_built() else self._ranking.known(wanted)

    def random(self, size: int, filters: Allowed = NO_FILTERS, seed: int | None = None) -> Sequence[Document]:
        size = whole(size, "size is the number of images wanted")
        return self._ask(partial(self._random, size, Filters(filters), seed_of(seed)))

    def _random(self, size: int, filters: Filters, seed: int | None) -> Sequence[Document]:
        live = self._reload()
        hits = draw_images(self._client, live.index, size, filters, seed) if live else []
        return [to_document(hit["_source"]) for hit in hits]

    def status(self) -> IndexStatus:
        return self._ask(self._status)

    def _status(self) -> IndexStatus:
        live = self._reload()
        if live is None:
            return IndexStatus(self.engine, self.where, self.analyzer, SCHEMA_VERSION, 0, 0, 0, {}, {}, {})
        return status_of(self._client, self.where, live)

    def caption_count(self) -> int:
        with clear_errors(self._address):
            if self._never_built():
                return 0
            return int(self._client.count(index=self._address.name)["count"])

    def check(self) -> list[str]:
        """Read every document: one line for each that is not what its caption makes of it, up to a few."""
        with clear_errors(self._address):
            live = self._reload()
            if live is None:
                return []
            analyze = known_analyzer(self.where, live.analyzer)
            with PointInTime(self._client, live.index) as point:
                hits = point.stream()
                found = (problem(hit["_id"], hit["_source"], analyze) for hit in hits)
                return first_told(filter(None, found))

    # --- writing

    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        rejected: list[Rejected] = []
        return self._add(storable(records, rejected)) + AddReport(rejected=tuple(rejected))

    def _add(self, records: Iterable[CaptionRecord]) -> AddReport:
        live = self._live_to_change()
        if live is None:
            live = rollout.create_first(self._client, self._address, self.analyzer, self._retrier)
            self._set_live(live)
        report = self._writer(live).add(records)
        self._refresh(live)
        return report

    def delete(self, image_ids: Iterable[str]) -> int:
        unwanted = findable(listed(image_ids))
        live = self._live_to_change()
        if live is None:
            return 0
        removed = self._writer(live).delete(unwanted)
        self._refresh(live)
        return removed

    def replace(self, old: Iterable[Document], records: Iterable[CaptionRecord]) -> AddReport:
        rejected: list[Rejected] = []
        sound = list(storable(records, rejected))  # before anything is removed
        live = self._live_to_change()
        if live is not None:
            self._writer(live).remove([document.record.document_id for document in old])
        return self._add(sound) + AddReport(rejected=tuple(rejected))

    def _live_to_change(self) -> Generation | None:
        """The generation that is live now; None where there is still no index."""
        self._begin_to_write()
        return self._ask(self._reload)

    def _begin_to_write(self) -> None:
        refuse_to_write(self._address, self._live)
        self._writes = True

    def _ask(self, request: Callable[[], _T]) -> _T:
        """The answer to a request that is safe to repeat: repeated where this index is written to."""
        if self._writes:
            return self._retrier.ask(request)
        with clear_errors(self._address):
            return request()

    def _writer(self, live: Generation) -> BulkWriter:
        return BulkWriter(self._client, self._address, live, self._retry)

    def _refresh(self, live: Generation) -> None:
        """Let searches see what was written."""
        self._ask(partial(refresh, self._client, self._address, live.index))
        self._current_ranking = None

    def draft(self, key: str, analyzer: str = DEFAULT) -> ElasticDraft:
        check_draft(self.where, key, analyzer)
        self._begin_to_write()
        return ElasticDraft(
            self._client,
            self._address,
            key,
            analyzer,
            keep=self.keep,
            retry=self._retry,
            status=self.status,
        )

    def rollback(self) -> IndexStatus:
        """Let readers see the generation before the live one again. Raises IndexNotFoundError without one."""
        self._begin_to_write()
        rollout.go_back(self._client, self._address, self._retrier)
        return self.status()
