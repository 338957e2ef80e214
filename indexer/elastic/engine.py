"""ElasticIndex: the engine on Elasticsearch. `sized_tokens` make its own ranking exact; see plan.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from elasticsearch import Elasticsearch

from captioner.tokens import DEFAULT
from es_mappings import SCHEMA_VERSION
from indexer.analyzers import known_analyzer
from indexer.check_lines import first_told
from indexer.contract import CaptionIndex
from indexer.elastic.bulk import BulkWriter
from indexer.elastic.connection import Address, connect, parse
from indexer.elastic.documents import filter_clauses, findable, problem, to_record
from indexer.elastic.faults import clear_errors
from indexer.elastic.generations import (
    Generation,
    let_write,
    live_generation,
    missing_error,
    refresh,
    refuse_to_write,
)
from indexer.elastic.live import LiveGeneration
from indexer.elastic.point_in_time import PointInTime
from indexer.elastic.reader import ElasticReader
from indexer.elastic.retries import Retrier, RetryPolicy
from indexer.elastic.rollback import go_back
from indexer.elastic.rollout import ElasticDraft, create_first
from indexer.elastic.searches import count_documents
from indexer.elastic.status import status_of
from indexer.given import listed
from indexer.records import (
    NO_FILTERS,
    RECORD_FIELDS,
    AddReport,
    Allowed,
    CaptionRecord,
    Document,
    Filters,
    IndexStatus,
)
from indexer.storable import Storable, check_draft

_T = TypeVar("_T")


class ElasticIndex(CaptionIndex):
    """The captions behind an alias.

    `keep` is how many older generations stay for `rollback`; with None all do, and drafts.
    """

    engine = ElasticReader.engine
    keep: int | None = 1

    def __init__(
        self, client: Elasticsearch, address: Address, live: Generation | None, retry: RetryPolicy
    ) -> None:
        self.where = address.where
        self._client, self._address = client, address
        self._live = LiveGeneration(client, address, live)
        # Who writes waits for a server that is gone for a moment; who searches does not.
        self._retrier = Retrier(address, retry, patient=False)
        self._reader = ElasticReader(client, address, self._live, self._retrier)

    @classmethod
    def open(cls, where: str, *, create: bool = False, retry: RetryPolicy | None = None) -> ElasticIndex:
        """Connect and look. Raises IndexNotFoundError (without `create`), IndexUnavailableError,
        IndexMismatchError for an index of another kind, or (without `create`) schema or analyzer."""
        address = parse(where)
        client = connect(address)
        try:
            with clear_errors(address):
                live = live_generation(client, address, any_schema=create)
                if not create:
                    if live is None:
                        raise missing_error(client, address)
                    known_analyzer(address.where, live.analyzer)
                # One of another schema can be gone back from; what else is asked for looks again, and tells.
                seen = live if live and live.schema == SCHEMA_VERSION else None
                return cls(client, address, seen, retry or RetryPolicy())
        except BaseException:
            client.close()
            raise

    def close(self) -> None:
        self._client.close()

    # Reading.

    def view(self) -> ElasticReader:
        return self._reader

    @property
    def analyzer(self) -> str:
        return self._live.analyzer

    def records(self, filters: Allowed = NO_FILTERS) -> Iterator[CaptionRecord]:
        allowed = Filters(filters)

        def passing(point: PointInTime) -> Iterator[CaptionRecord]:
            hits = point.stream({"bool": {"filter": filter_clauses(allowed)}}, RECORD_FIELDS)
            # To the server a value that is too long to be found by is missing.
            return filter(allowed.matches, (to_record(hit["_source"]) for hit in hits))

        return self._of_one_moment(passing)

    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        return self._of_one_moment(lambda point: point.places(beginning))

    def images(self) -> Iterator[str]:
        return self._of_one_moment(lambda point: point.images())

    def _of_one_moment(self, read: Callable[[PointInTime], Iterator[_T]]) -> Iterator[_T]:
        with clear_errors(self._address):
            if self._live.never_built():
                return
            with PointInTime(self._client, self._address.name) as point:
                yield from read(point)

    def status(self) -> IndexStatus:
        return self._retrier.ask(lambda: status_of(self._client, self.where, self._live.look_up()))

    def caption_count(self) -> int:
        with clear_errors(self._address):
            if self._live.never_built():
                return 0
            return count_documents(self._client, self._address.name)

    def check(self) -> list[str]:
        """Read every document: one line for each that is not what its caption makes of it, up to a few."""
        with clear_errors(self._address):
            live = self._live.look_up()
            if live is None:
                return []
            analyze = known_analyzer(self.where, live.analyzer)
            with PointInTime(self._client, live.index) as point:
                hits = point.stream()
                found = (problem(hit["_id"], hit["_source"], analyze) for hit in hits)
                return first_told(filter(None, found))

    # Writing.

    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        storable = Storable(records)
        return storable.reported(self._add(storable))

    def _add(self, records: Iterable[CaptionRecord]) -> AddReport:
        live = self._live_to_add_to()
        report = self._writer(live).add(records)
        self._refresh(live)
        return report

    def _live_to_add_to(self) -> Generation:
        live = self._live_to_change()
        if live is None:
            live = create_first(self._client, self._address, self.analyzer, self._retrier)
            self._live.remember(live)
        return live

    def delete(self, image_ids: Iterable[str]) -> int:
        unwanted = findable(listed(image_ids))
        live = self._live_to_change()
        if live is None:
            return 0
        removed = self._writer(live).delete(unwanted)
        self._refresh(live)
        return removed

    def replace(self, old: Iterable[Document], records: Iterable[CaptionRecord]) -> AddReport:
        """The new captions come before the old ones go: an interruption leaves no image without."""
        storable = Storable(records)
        sound = list(storable)  # before anything is changed
        before = {document.record.document_id for document in old}
        live = self._live_to_add_to()
        writer = self._writer(live)
        report = writer.add(sound, replaced=before)
        writer.remove(sorted(before.difference(record.document_id for record in sound)))
        self._refresh(live)
        return storable.reported(report)

    def _live_to_change(self) -> Generation | None:
        """The generation that is live now, ready to be written to; None where there is still no index."""
        self._begin_to_write()
        live = self._retrier.ask(self._live.look_up)
        if live is not None:
            self._retrier.ask(partial(let_write, self._client, live))
        return live

    def _begin_to_write(self) -> None:
        refuse_to_write(self._address, self._live.seen)
        self._retrier.patient = True

    def _writer(self, live: Generation) -> BulkWriter:
        return BulkWriter(self._client, self._address, live, self._retrier.policy)

    def _refresh(self, live: Generation) -> None:
        """Let searches see what was written."""
        self._retrier.ask(partial(refresh, self._client, self._address, live.index))
        self._live.forget_ranking()

    def draft(self, key: str, analyzer: str = DEFAULT) -> ElasticDraft:
        check_draft(self.where, key, analyzer)
        self._begin_to_write()
        if self._live.seen is None:
            self._retrier.ask(self._live.look_up)
        return ElasticDraft(
            self._client,
            self._address,
            key,
            analyzer,
            keep=self.keep,
            retry=self._retrier.policy,
            live=self._live,
        )

    def rollback(self, to: str | None = None) -> IndexStatus:
        """Let readers see the generation before the live one again, or the one with the name `to`.

        Raises IndexNotFoundError where it is not kept, IndexMismatchError where it is of another schema.
        """
        self._begin_to_write()
        go_back(self._client, self._address, self._retrier, to)
        return self.status()
