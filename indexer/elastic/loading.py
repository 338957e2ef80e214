"""Adding and deleting in bulk, with patience for a server that is busy or gone for a moment."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import elastic_transport
from elastic_transport import TlsError
from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk

from captioner.tokens import analyzer as analyzer_named
from indexer.elastic.connection import Place, api_error, clear_errors, is_read_only
from indexer.elastic.documents import now, same_record, to_source
from indexer.elastic.snapshot import Snapshot
from indexer.errors import IndexerError, IndexUnavailableError
from indexer.records import AddReport, CaptionRecord, Rejected

_CHUNK = 1_000
#: Chunks under way at once: while the server indexes one, the next are analysed and sent.
_AT_ONCE = 3
_CHUNK_BYTES = 20 * 1024 * 1024  # well below the server's limit of 100 MB
_IDS = 10_000  # values in one terms query
_BUSY = (429, 503)
_LOST = (elastic_transport.ConnectionError, elastic_transport.ConnectionTimeout)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and with which pauses in seconds, to try again: 0.5, 1, 2, ... up to `longest`."""

    retries: int = 8
    first: float = 0.5
    longest: float = 30.0
    sleep: Callable[[float], None] = time.sleep

    def pause(self, attempt: int) -> None:
        self.sleep(min(self.longest, self.first * 2**attempt))


def chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


@dataclass(slots=True)
class _Outcome:
    done: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # document id -> reason
    absent: list[str] = field(default_factory=list)  # to be deleted, and not there
    contact_lost: bool = False


class Loader:
    """Writes to one concrete index."""

    def __init__(
        self, client: Elasticsearch, place: Place, index: str, analyzer: str, patience: Patience | None = None
    ) -> None:
        self._client = client
        self._place = place
        self._index = index
        self._analyze = analyzer_named(analyzer)
        self._patience = patience or Patience()
        #: Documents that this loader brought into being.
        self.created = 0
        self._counting = threading.Lock()
        self._stopped = threading.Event()  # one chunk failed for good: the others need not be tried again

    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        """Store captions; those that the mapping refuses are reported, the rest go on."""
        return self.add_dated((record, "") for record in records)

    def add_dated(self, dated: Iterable[tuple[CaptionRecord, str]]) -> AddReport:
        """Store captions with the time that they were first indexed ("" is now)."""
        report = AddReport()
        waiting: deque[tuple[set[str], Future[AddReport]]] = deque()
        with ThreadPoolExecutor(_AT_ONCE, "bulk") as threads:
            try:
                for chunk in chunks(dated, _CHUNK):
                    known = {record.document_id for record, _ in chunk}
                    # The same document twice: the later one must also arrive later.
                    repeated = any(not known.isdisjoint(others) for others, _ in waiting)
                    while waiting and (repeated or len(waiting) >= _AT_ONCE):
                        report += waiting.popleft()[1].result()
                    waiting.append((known, threads.submit(self._add_chunk, chunk)))
                for _, sent in waiting:
                    report += sent.result()
            except BaseException:
                self._stopped.set()
                threads.shutdown(cancel_futures=True)
                raise
        return report

    def _add_chunk(self, chunk: Sequence[tuple[CaptionRecord, str]]) -> AddReport:
        time_now = now()
        records: dict[str, CaptionRecord] = {}
        sources: dict[str, dict[str, Any]] = {}
        rejected: list[Rejected] = []
        repeated = 0
        for record, indexed_at in chunk:
            document_id = record.document_id
            repeated += document_id in sources
            records[document_id] = record
            source = to_source(record, self._analyze, indexed_at or time_now)
            if (reason := _unsendable(source)) is None:
                sources[document_id] = source
            else:
                rejected.append(Rejected(record.image_id, document_id, reason))
        outcome = self._write("create", sources)
        added, unchanged = len(outcome.done), repeated
        created = added
        if outcome.conflicts:
            stored = self._stored(outcome.conflicts)
            written = [i for i in outcome.conflicts if outcome.contact_lost and stored.get(i) == sources[i]]
            changed = {
                i: sources[i] for i in outcome.conflicts if not same_record(stored.get(i, {}), sources[i])
            }
            created += len(written)
            replaced = self._write("index", changed)
            outcome.refused |= replaced.refused
            added += len(written) + len(replaced.done)
            unchanged += len(outcome.conflicts) - len(written) - len(changed)
        with self._counting:
            self.created += created
        rejected += [Rejected(records[i].image_id, i, reason) for i, reason in outcome.refused.items()]
        return AddReport(added, unchanged, tuple(rejected))

    def _stored(self, document_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        with clear_errors(self._place):
            answer = self._client.mget(index=self._index, ids=list(document_ids))
        return {one["_id"]: one["_source"] for one in answer["docs"] if one.get("found")}

    def _write(self, operation: str, sources: Mapping[str, Mapping[str, Any]]) -> _Outcome:
        """Bulk-write; what a busy or absent server did not take is sent again (ids make that harmless)."""
        outcome = _Outcome()
        left = dict(sources)
        for attempt in range(self._patience.retries + 1):
            if attempt:
                if self._stopped.is_set():
                    break
                self._patience.pause(attempt - 1)
            busy: IndexerError | None = None
            try:
                with clear_errors(self._place):
                    busy = self._bulk(operation, left, outcome)
            except IndexUnavailableError as error:
                if not isinstance(error.__cause__, _LOST) or isinstance(error.__cause__, TlsError):
                    raise
                busy, outcome.contact_lost = error, True
            settled = {*outcome.done, *outcome.conflicts, *outcome.refused, *outcome.absent}
            left = {document_id: source for document_id, source in left.items() if document_id not in settled}
            if busy is None:
                return outcome
        raise busy or IndexUnavailableError(self._place.where)

    def _bulk(
        self, operation: str, sources: Mapping[str, Mapping[str, Any]], outcome: _Outcome
    ) -> IndexerError | None:
        """Send once. The error, if the server was too busy for some documents."""
        header = {"_op_type": operation, "_index": self._index}
        results = streaming_bulk(
            self._client.options(max_retries=0),
            (
                {**header, "_id": document_id, **({} if operation == "delete" else {"_source": source})}
                for document_id, source in sources.items()
            ),
            chunk_size=_CHUNK,
            max_chunk_bytes=_CHUNK_BYTES,
            raise_on_error=False,
            raise_on_exception=False,
        )
        busy: IndexerError | None = None
        for done, item in results:
            result = next(iter(item.values()))
            if done:
                outcome.done.append(result["_id"])
                continue
            exception = result.get("exception")
            error = api_error(
                self._place, result["status"], exception.body if exception else {"error": result.get("error")}
            )
            if result["status"] in _BUSY and not is_read_only(error):
                busy = error
            elif exception is not None:
                raise error
            else:
                self._settle(operation, result, error, outcome)
        return busy

    def _settle(
        self, operation: str, result: Mapping[str, Any], error: IndexerError, outcome: _Outcome
    ) -> None:
        status, document_id = result["status"], result["_id"]
        if status == 409:
            outcome.conflicts.append(document_id)
        elif status == 400:
            outcome.refused[document_id] = _reason(result["error"])
        elif status == 404 and operation == "delete":
            outcome.absent.append(document_id)
        else:
            raise error

    def delete(self, image_ids: Iterable[str]) -> int:
        """Remove every caption of these images; the number removed."""
        removed = 0
        for chunk in chunks(dict.fromkeys(image_ids), _IDS):
            with clear_errors(self._place):
                self._client.indices.refresh(index=self._index)
                with Snapshot(self._client, self._index) as snapshot:
                    found = [hit["_id"] for hit in snapshot.stream({"terms": {"image_id": chunk}}, False)]
            removed += len(self._write("delete", {document_id: {} for document_id in found}).done)
        return removed


def _unsendable(source: Mapping[str, Any]) -> str | None:
    """Why a document cannot be sent at all: half a surrogate pair would spoil the whole request."""
    try:
        for value in source.values():
            if isinstance(value, str):
                value.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"not valid Unicode at character {error.start}"
    return None


def _reason(error: Any) -> str:
    """The innermost reason of a refused document, in one line."""
    if not isinstance(error, Mapping):
        return str(error)
    while isinstance(error.get("caused_by"), Mapping):
        error = error["caused_by"]
    return " ".join(str(error.get("reason", error.get("type", "refused"))).split())[:300]
