"""Adding to a generation and deleting from it, in bulk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import elasticsearch
import orjson
from elasticsearch import Elasticsearch

from indexer.analyzers import known_analyzer
from indexer.batching import batches
from indexer.elastic.connection import Address
from indexer.elastic.documents import same_record, to_record, to_source
from indexer.elastic.faults import api_error, clear_errors
from indexer.elastic.generations import Generation, deleted_error, refresh
from indexer.elastic.names import write_alias
from indexer.elastic.point_in_time import PointInTime
from indexer.elastic.retries import Retrier, RetryPolicy
from indexer.errors import ContactLostError, IndexBusyError, IndexerError, IndexUnavailableError
from indexer.records import AddReport, CaptionRecord, Rejected, now

_CHUNK = 500
#: Chunks under way at once: while the server indexes some, the next are sent.
_AT_ONCE = 4
_CHUNK_BYTES = 20 * 1024 * 1024  # well below the server's limit of 100 MB
_IDS = 10_000  # values in one terms query
#: All that is read of an answer; its items come in the order of the request, so they need not say their id.
_ANSWER = "errors,items.*.status,items.*.error"


@dataclass(slots=True)
class _PreparedChunk:
    """A chunk's documents by id: all versions as they came, and the line of the last, which is sent."""

    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    lines: dict[str, bytes] = field(default_factory=dict)

    def latest(self, document_id: str) -> dict[str, Any]:
        return self.versions[document_id][-1]


@dataclass(slots=True)
class _BulkResult:
    done: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # document id -> reason
    absent: list[str] = field(default_factory=list)  # to be deleted, and not there
    contact_lost: bool = False


class BulkWriter:
    """Writes to one generation."""

    def __init__(
        self, client: Elasticsearch, address: Address, generation: Generation, retry: RetryPolicy
    ) -> None:
        self._client = client
        self._address = address
        self._index = generation.index
        self._analyze = known_analyzer(address.where, generation.analyzer)
        self._retrier = Retrier(address, retry)
        #: Documents that this writer brought into being.
        self.created = 0
        self._counting = threading.Lock()

    def add(self, records: Iterable[CaptionRecord], replaced: Collection[str] = ()) -> AddReport:
        """Store captions; those that the mapping refuses are reported, the rest go on.

        Documents whose ids are `replaced` are written anew, and count as added, even if they say the same.
        """
        return self.add_dated(((record, "") for record in records), replaced)

    def add_dated(
        self, dated: Iterable[tuple[CaptionRecord, str]], replaced: Collection[str] = ()
    ) -> AddReport:
        """Store captions with the time that they were first indexed ("" is now)."""
        report = AddReport()
        self._retrier.stopped.clear()  # what failed before may work now
        waiting: deque[tuple[_PreparedChunk, Future[AddReport]]] = deque()
        with ThreadPoolExecutor(_AT_ONCE, "bulk") as threads:
            try:
                # Prepared here, one after the other: threads that share an interpreter would all be ready
                # late, with a server that waits meanwhile.
                for chunk in map(self._prepared, batches(dated, _CHUNK)):
                    # The same document twice: the later one must also arrive later.
                    repeated = any(not chunk.lines.keys().isdisjoint(other.lines) for other, _ in waiting)
                    while waiting and (repeated or len(waiting) >= _AT_ONCE):
                        report += waiting.popleft()[1].result()
                    waiting.append((chunk, threads.submit(self._add_chunk, chunk, replaced)))
                for _, sent in waiting:
                    report += sent.result()
            except BaseException:
                # One chunk failed for good, or Ctrl-C: the others give up, too.
                self._retrier.stopped.set()
                threads.shutdown(cancel_futures=True)
                raise
        return report

    def _add_chunk(self, given: _PreparedChunk, replaced: Collection[str]) -> AddReport:
        first = self._write("create", given.lines)
        stored = self._stored_documents(first.conflicts)
        # Documents that exist because our own request stored them, and its answer got lost.
        ours = {i for i in first.conflicts if first.contact_lost and stored.get(i) == given.latest(i)}
        anew = ours.union(i for i in first.conflicts if i in replaced)
        before = {i: stored[i] for i in first.conflicts if i in stored and i not in anew}
        differing = [
            i for i in first.conflicts if i in replaced or not same_record(stored.get(i, {}), given.latest(i))
        ]
        second = self._write("index", {i: given.lines[i] for i in differing})
        with self._counting:
            self.created += len(first.done) + len(ours)
        reasons = {**first.refused, **second.refused}
        refused = (Rejected(to_record(given.latest(i)), why) for i, why in reasons.items())
        kept = {i: versions for i, versions in given.versions.items() if i not in reasons}
        added = sum(_changes(before.get(i), versions) for i, versions in kept.items())
        unchanged = sum(map(len, kept.values())) - added
        new = sum(document_id not in before for document_id in kept)
        return AddReport(added, unchanged, tuple(refused), added - new)

    def _prepared(self, dated: Sequence[tuple[CaptionRecord, str]]) -> _PreparedChunk:
        time_now = now()
        prepared = _PreparedChunk()
        for record, indexed_at in dated:
            source = to_source(record, self._analyze, indexed_at or time_now)
            document_id = record.document_id
            prepared.lines[document_id] = _line(source)
            prepared.versions.setdefault(document_id, []).append(source)
        return prepared

    def _stored_documents(self, document_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        if not document_ids:
            return {}
        answer = self._retrier.ask(lambda: self._client.mget(index=self._index, ids=list(document_ids)))
        return {one["_id"]: one["_source"] for one in answer["docs"] if one.get("found")}

    def _write(self, operation: str, lines: Mapping[str, bytes]) -> _BulkResult:
        """Write documents in bulk; those that a busy or absent server did not take are sent again.

        `lines` are document id -> the document as one line of JSON (empty to delete it); since the id is
        sent, nothing is stored twice. Raises IndexerError after the last attempt, or when all was stopped.
        """
        outcome = _BulkResult()
        left = dict(lines)
        busy: IndexerError | None = None
        for attempt in range(self._retrier.retries + 1):
            if attempt and self._retrier.pause(attempt - 1):
                break
            busy = None
            try:
                with clear_errors(self._address):
                    for part in _parts(left):
                        busy = self._bulk(operation, part, outcome) or busy
            except ContactLostError as error:
                busy, outcome.contact_lost = error, True
            if busy is None:
                return outcome
            settled = {*outcome.done, *outcome.conflicts, *outcome.refused, *outcome.absent}
            left = {document_id: line for document_id, line in left.items() if document_id not in settled}
        raise busy or IndexUnavailableError(self._address.where)

    def _bulk(self, operation: str, lines: Mapping[str, bytes], outcome: _BulkResult) -> IndexerError | None:
        """Send one request and note in `outcome` what became of each document.

        Returns the error if the server was too busy for some of them, which are then not noted.
        """
        try:
            answer = self._send(_bulk_body(operation, lines))
        except elasticsearch.ApiError as error:
            refusal = api_error(self._address, error.status_code, error.body)
            if isinstance(refusal, IndexBusyError):
                return refusal
            raise refusal from error
        # The items of a deletion are looked at even so: a missing document sets no `errors`.
        if not answer["errors"] and operation != "delete":
            outcome.done += lines
            return None
        results = (next(iter(item.values())) for item in answer["items"])
        busy: IndexerError | None = None
        for document_id, result in zip(lines, results, strict=True):
            busy = self._settle(operation, document_id, result, outcome) or busy
        return busy

    def _send(self, body: bytes) -> Mapping[str, Any]:
        """Send one bulk request, once: `_write` repeats what was not done."""
        client = self._client.options(max_retries=0)
        operations: list[Any] = [body]  # the client takes bytes too, though its types do not say so
        # By its name, an index that was deleted meanwhile would be made again, without our mapping.
        answer: Mapping[str, Any] = client.bulk(
            index=write_alias(self._index),
            require_alias=True,
            operations=operations,
            filter_path=_ANSWER,
        ).body
        return answer

    def _settle(
        self, operation: str, document_id: str, result: Mapping[str, Any], outcome: _BulkResult
    ) -> IndexerError | None:
        """Note what became of one document. Returns the error if the server was too busy for it."""
        status = result["status"]
        if status < 300:
            outcome.done.append(document_id)
            return None
        kind = result.get("error", {}).get("type", "")
        if status == 404 and operation == "delete" and not kind:
            outcome.absent.append(document_id)
            return None
        if kind == "index_not_found_exception":
            raise deleted_error(self._address, self._index)
        error = api_error(self._address, status, {"error": result.get("error")})
        if isinstance(error, IndexBusyError):
            return error
        if status == 409:
            outcome.conflicts.append(document_id)
        elif status == 400 and kind != "index_closed_exception":
            outcome.refused[document_id] = _reason(result["error"])
        else:
            raise error
        return None

    def delete(self, image_ids: Iterable[str]) -> int:
        """Remove every caption of these images. Returns how many captions were removed."""
        removed = 0
        for chunk in batches(dict.fromkeys(image_ids), _IDS):
            found = self._retrier.ask(partial(self._documents_of, chunk))
            outcome = self._write("delete", dict.fromkeys(found, b""))
            removed += len(outcome.done)
            if outcome.contact_lost:  # a request whose answer got lost has removed them
                removed += len(outcome.absent)
        return removed

    def remove(self, document_ids: Sequence[str]) -> None:
        """Remove single captions. An id that is not there is no error."""
        self._write("delete", dict.fromkeys(document_ids, b""))

    def _documents_of(self, image_ids: Sequence[str]) -> list[str]:
        refresh(self._client, self._address, self._index)
        with PointInTime(self._client, self._index) as point:
            return [hit["_id"] for hit in point.stream({"terms": {"image_id": image_ids}}, False)]


def _changes(before: Mapping[str, Any] | None, versions: Sequence[Mapping[str, Any]]) -> int:
    """How many of the versions, stored one after the other, change the document; `before` is None if new."""
    if before is None and len(versions) == 1:
        return 1
    return sum(not same_record(one, other) for one, other in pairwise([before or {}, *versions]))


def _bulk_body(operation: str, lines: Mapping[str, bytes]) -> bytes:
    return b"".join(
        b'{"%b":{"_id":"%b"}}\n%b' % (operation.encode(), document_id.encode(), line)
        for document_id, line in lines.items()
    )


def _line(source: Mapping[str, Any]) -> bytes:
    """A document as one line."""
    return orjson.dumps(source, option=orjson.OPT_APPEND_NEWLINE)


def _parts(lines: Mapping[str, bytes]) -> Iterator[Mapping[str, bytes]]:
    """Cut into requests of no more documents and bytes than the server likes."""
    part: dict[str, bytes] = {}
    size = 0
    for document_id, line in lines.items():
        if part and (len(part) == _CHUNK or size + len(line) > _CHUNK_BYTES):
            yield part
            part, size = {}, 0
        part[document_id] = line
        size += len(line)
    if part:
        yield part


def _reason(error: Any) -> str:
    """The innermost reason of a refused document, in one line."""
    if not isinstance(error, Mapping):
        return str(error)
    while isinstance(error.get("caused_by"), Mapping):
        error = error["caused_by"]
    return " ".join(str(error.get("reason", error.get("type", "refused"))).split())[:300]
