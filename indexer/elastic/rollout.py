"""Build beside what readers see, check, move the alias in one step."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import elasticsearch
from elasticsearch import Elasticsearch

from indexer.contract import Draft
from indexer.elastic.bulk import BulkWriter
from indexer.elastic.connection import Address
from indexer.elastic.documents import filter_clauses, findable, to_document
from indexer.elastic.generations import (
    Generation,
    create_generation,
    generations,
    let_write,
    lineage,
    live_generation,
    refresh,
    serving_settings,
)
from indexer.elastic.live import LiveGeneration
from indexer.elastic.lock import BuildLock
from indexer.elastic.names import draft_alias
from indexer.elastic.point_in_time import PointInTime
from indexer.elastic.retries import Retrier, RetryPolicy
from indexer.elastic.searches import count_documents
from indexer.elastic.status import status_of
from indexer.errors import (
    IndexClosedError,
    IndexDamagedError,
    IndexerError,
    IndexIncompleteError,
    IndexMismatchError,
    IndexUnavailableError,
)
from indexer.given import listed
from indexer.photo_files.places import places_by_image
from indexer.records import AddReport, CaptionRecord, Document, IndexStatus, generated_by, now
from indexer.storable import Storable

_log = logging.getLogger("indexer.elastic")

#: Above this size (bytes) merging into one segment costs more than it gives.
_MERGE_UP_TO = 20 * 1024**3


class ElasticDraft(Draft):
    """The index NAME-<time> that a build loads. Its key is kept in its mapping, so that a build can go on."""

    def __init__(
        self,
        client: Elasticsearch,
        address: Address,
        key: str,
        analyzer: str,
        *,
        keep: int | None,
        retry: RetryPolicy,
        live: LiveGeneration,
    ) -> None:
        self._client = client
        self._address = address
        self._keep = keep
        self._retry = retry
        self._ask = Retrier(address, retry).ask
        self._live = live
        self._closed = False
        self._lock = self._ask(BuildLock(client, address, f"build {key}").acquire)
        try:
            found = self._look_up()  # refuses what is not ours before any work
            self._draft, self._count_before = self._open(key, analyzer, found)
        except BaseException:
            self._lock.release()
            raise
        self._begin_writing()

    def _begin_writing(self) -> None:
        self._writer = BulkWriter(self._client, self._address, self._draft, self._retry)
        self._failed = False  # the last addition did not end, and nobody knows how far it went

    def _open(self, key: str, analyzer: str, live: Generation | None) -> tuple[Generation, int]:
        """The draft that an earlier build of this key left and what it holds, or a new one beside `live`.

        One that is closed, has lost its shard, or does not take documents as one that is made now does, stays
        until a build is published: it may come back, or its captions be taken over (`left_by_others`). One
        that holds nothing is deleted.
        """
        for one in reversed(self._ask(partial(generations, self._client, self._address))):
            if one.draft_key != key or one.closed:
                continue
            if one.analyzer != analyzer:
                raise IndexMismatchError(
                    f"{self._address.where}: the unfinished build was begun with the analyzer "
                    f"{one.analyzer}, not {analyzer}"
                )
            held = self._count_or_lost(one)
            if held and one.as_made:
                self._ask(partial(let_write, self._client, one))
                return one, held
            if held == 0:
                self._ask(partial(self._delete, one.index))
        create = partial(create_generation, self._client, self._address, analyzer, draft=key)
        return self._ask(partial(create, before=live)), 0

    def _look_up(self) -> Generation | None:
        """What is live now, whatever schema it has."""
        return self._ask(partial(live_generation, self._client, self._address, any_schema=True))

    def _count_or_lost(self, one: Generation) -> int | None:
        """How many captions a draft holds; None where its shard is lost, as far as retries can tell."""
        try:
            # First, since a refresh waits a minute for a shard that is lost.
            self._ask(partial(count_documents, self._client, one.index))
            return self._ask(partial(self._count, one.index))
        except IndexIncompleteError:
            return None

    def _delete(self, index: str) -> None:
        self._client.indices.delete(index=index, ignore_unavailable=True)

    def begin_anew(self) -> None:
        """Delete what an earlier run stored: the index that it was copied from may have changed since."""
        while self._count_before:
            key, analyzer = self._draft.meta["build"], self._draft.analyzer
            self._ask(partial(self._delete, self._draft.index))
            self._draft, self._count_before = self._open(key, analyzer, self._look_up())
        self._begin_writing()

    def _check_open(self) -> None:
        """Raises IndexerError once closed: without the lock, it may be live or deleted by another build."""
        if self._closed:
            raise IndexClosedError.of(self._address.where, "draft")

    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        storable = Storable(records)
        return storable.reported(self.add_dated((record, "") for record in storable))

    def add_dated(self, dated: Iterable[tuple[CaptionRecord, str]]) -> AddReport:
        """Store captions with the time that they were first indexed ("" is now)."""
        self._check_open()
        if self._failed:
            self._count_before, self._writer.created = self._ask(self._count), 0
        self._failed = True
        report = self._writer.add_dated(dated)
        self._failed = False
        return report

    def _count(self, index: str = "") -> int:
        index = index or self._draft.index
        refresh(self._client, self._address, index)
        return count_documents(self._client, index)

    def known_places(self, model: str) -> dict[str, Sequence[str]]:
        self._check_open()
        return self._ask(partial(self._places, model))

    def _places(self, model: str) -> dict[str, Sequence[str]]:
        refresh(self._client, self._address, self._draft.index)
        with PointInTime(self._client, self._draft.index) as point:
            clauses = filter_clauses(generated_by(model))
            return places_by_image(point.places_of({"bool": {"filter": clauses}}))

    def left_by_others(self, image_ids: Iterable[str]) -> Sequence[Mapping[str, Sequence[Document]]]:
        self._check_open()
        wanted = findable(listed(image_ids))
        return self._ask(partial(self._left, wanted)) if wanted and self._others else []

    def _left(self, wanted: Sequence[str]) -> Sequence[Mapping[str, Sequence[Document]]]:
        found: dict[str, dict[str, list[Document]]] = {index: {} for index in self._others}
        with PointInTime(self._client, ",".join(self._others)) as point:
            for hit in point.captions_of(wanted):
                document = to_document(hit["_source"])
                found[hit["_index"]].setdefault(document.record.image_id, []).append(document)
        return [*found.values()]

    @cached_property
    def _others(self) -> tuple[str, ...]:
        """The other drafts that can be read. Since the lock is held, nobody is writing them."""
        every = self._ask(partial(generations, self._client, self._address))
        drafts = (one for one in every if one.draft and one.index != self._draft.index)
        return tuple(one.index for one in drafts if not one.closed and self._count_or_lost(one))

    def publish(self) -> IndexStatus:
        self._check_open()
        self._check_count()
        self._try_to_merge()
        live = self._look_up()
        self._ask(partial(self._serve, live))
        self._ask(partial(self._record_origin, live))
        # Asked before it is live: what comes after that cannot fail the build.
        status = self._ask(lambda: status_of(self._client, self._address.where, self._draft))
        superseded = self._ask(self._superseded)
        self._ask(self._lock.confirm)
        self._ask(self._go_live)
        self._live.remember(replace(self._draft, live=True, draft=False))
        self._remove(superseded)
        self.close()
        return status

    def _check_count(self) -> None:
        """Raises IndexDamagedError where captions were lost, or others wrote."""
        count, expected = self._ask(self._count), self._count_before + self._writer.created
        if count != expected:
            raise IndexDamagedError(
                f"{self._address.where}: {self._draft.index} holds {count} captions instead of {expected}; "
                "readers keep the old index; build again"
            )

    def _try_to_merge(self) -> None:
        """A gateway may not wait so long (the server merges on) or not offer it; unmerged, it serves, too."""
        try:
            self._ask(self._merge)
        except IndexUnavailableError as error:
            told = "%s is not known to be merged into one segment, and searches may be slower (%s)"
            _log.warning(told, self._draft.index, error)

    def _merge(self) -> None:
        """One segment answers about twice as fast as the dozens that loading leaves."""
        stats = self._client.indices.stats(index=self._draft.index, metric="store")
        if stats["_all"]["primaries"]["store"]["size_in_bytes"] <= _MERGE_UP_TO:
            waiting = self._client.options(request_timeout=3600)
            waiting.indices.forcemerge(index=self._draft.index, max_num_segments=1)

    def _serve(self, live: Generation | None) -> None:
        settings = {"index": serving_settings(live)}
        self._client.indices.put_settings(index=self._draft.index, settings=settings)

    def _record_origin(self, live: Generation | None) -> None:
        """Note in the mapping what was live before, when this was built and by which models.

        Before the alias moves: a build that is killed in between loses nothing.
        """
        with PointInTime(self._client, self._draft.index) as point:
            models = [model for model, _ in point.values("model")]
        made = {"built_at": now(), "models": models}
        meta = {**self._draft.meta, "before": live.index if live else "", **made}
        self._client.indices.put_mapping(index=self._draft.index, meta=meta)
        self._draft = replace(self._draft, meta=meta)

    def _superseded(self) -> list[str]:
        """Left-over drafts and, beyond `keep`, generations, once this one is live.

        Those that were live last are kept first.
        """
        if self._keep is None:
            return []
        found = generations(self._client, self._address)
        every = [replace(one, live=one.index == self._draft.index) for one in found]
        others = [one for one in every if not one.live]
        published = [one for one in reversed(others) if not one.draft]
        kept = list(dict.fromkeys(one.index for one in (*lineage(every), *published)))[: self._keep]
        return [one.index for one in others if one.index not in kept]

    def _go_live(self) -> None:
        """Move the name here and drop the draft's alias, in one call: it is never both, nor neither."""
        index = self._draft.index
        no_draft = {"remove": {"index": index, "alias": draft_alias(index)}}
        move_alias(self._client, self._address, index, no_draft)

    def _remove(self, indices: Iterable[str]) -> None:
        """Delete old ones. What a snapshot reads, say, cannot be deleted now; the next build tries again."""
        left: dict[str, IndexerError] = {}
        for index in indices:
            try:
                self._ask(partial(self._delete, index))
            except IndexerError as error:
                left[index] = error
        if left:
            told = "the new index is live; %s could not be deleted, the next build tries again (%s)"
            _log.warning(told, ", ".join(left), next(iter(left.values())))

    def close(self) -> None:
        self._closed = True
        self._lock.release()


def move_alias(client: Elasticsearch, address: Address, index: str, *also: Mapping[str, Any]) -> None:
    """Let the name stand for this index and no other, and change other aliases, in one atomic call.

    Safe to repeat where the answer got lost: to remove an alias that is gone is no error among other changes.
    """
    carried = [old for old in _indices_of_alias(client, address) if old != index]
    actions: list[Mapping[str, Any]] = [{"remove": {"index": old, "alias": address.name}} for old in carried]
    actions += [{"add": {"index": index, "alias": address.name}}, *also]
    client.indices.update_aliases(actions=actions)


def _indices_of_alias(client: Elasticsearch, address: Address) -> list[str]:
    """The indices that the alias names, whatever state they are in."""
    try:
        return list(client.indices.get_alias(name=address.name))
    except elasticsearch.NotFoundError:
        return []


def create_first(client: Elasticsearch, address: Address, analyzer: str, retrier: Retrier) -> Generation:
    """Make the first index of a name, with its alias, unless another process has made it meanwhile."""

    def create() -> Generation:
        return live_generation(client, address) or create_generation(client, address, analyzer)

    with retrier.ask(BuildLock(client, address, "create").acquire):
        return retrier.ask(create)
