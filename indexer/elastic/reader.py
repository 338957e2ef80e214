"""What a search asks of the captions behind a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from elasticsearch import Elasticsearch

from indexer.contract import View
from indexer.elastic.connection import Address
from indexer.elastic.documents import findable, to_document
from indexer.elastic.draw import draw_images
from indexer.elastic.faults import clear_errors
from indexer.elastic.live import LiveGeneration, came_from
from indexer.elastic.misspelt import corrections
from indexer.elastic.point_in_time import PointInTime
from indexer.elastic.retries import Retrier
from indexer.elastic.status import ENGINE
from indexer.given import listed, seed_of, whole
from indexer.records import NO_FILTERS, Allowed, Candidates, Document, Filters, Query


class ElasticReader(View):
    """Every answer is of its own moment, of whatever generation is live then."""

    engine = ENGINE

    def __init__(
        self, client: Elasticsearch, address: Address, live: LiveGeneration, retrier: Retrier
    ) -> None:
        self.where = address.where
        self._client, self._address, self._live, self._retrier = client, address, live, retrier

    @property
    def analyzer(self) -> str:
        """Of the live generation as last seen. Any answer that comes from another generation updates it."""
        return self._live.analyzer

    @property
    def known_count(self) -> int | None:
        """0 where the server had no index when it was last asked; None (unknown) where it had one."""
        return 0 if self._live.seen is None else None

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        limit = whole(limit)
        with clear_errors(self._address):
            if self._live.never_built():
                return [Candidates((), 0.0, 0) for _ in queries]
            before = self._live.seen
            ranked = self._live.ranking.candidates_many(queries, limit)
            indices = frozenset[str]().union(*(one.indices for one in ranked))
            if not came_from(before, indices) and self._live.has_changed_since(before):
                self._live.check_analyzer(before)
                ranked = self._live.ranking.candidates_many(queries, limit)
        return [one.candidates for one in ranked]

    def count(self, queries: Sequence[Query], excluded: Iterable[str] = ()) -> int:
        with clear_errors(self._address):
            if self._live.never_built():
                return 0
            before = self._live.seen
            images = self._live.ranking.count(queries, listed(excluded))
            self._live.look_up()  # a number does not tell what index it comes from
            self._live.check_analyzer(before)
            return images

    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        wanted = listed(tokens, "tokens")
        with clear_errors(self._address):
            return frozenset() if self._live.never_built() else self._live.ranking.known(wanted)

    def corrections(self, tokens: Iterable[str]) -> Mapping[str, Sequence[str]]:
        wanted = listed(tokens, "tokens")
        with clear_errors(self._address):
            return {} if self._live.never_built() else corrections(self._client, self._address, wanted)

    def captions(self, image_ids: Iterable[str]) -> Mapping[str, Sequence[Document]]:
        wanted = findable(dict.fromkeys(listed(image_ids)))
        return self._retrier.ask(partial(self._captions, wanted))

    def _captions(self, wanted: Sequence[str]) -> Mapping[str, Sequence[Document]]:
        found = dict[str, list[tuple[str, Document]]]()
        if self._live.never_built():
            return {}
        before, indices = self._live.seen, set()
        with PointInTime(self._client, self._address.name) as point:
            for hit in point.captions_of(wanted):
                document = to_document(hit["_source"])
                found.setdefault(document.record.image_id, []).append((hit["_id"], document))
                indices.add(hit["_index"])
            if indices and not came_from(before, indices):
                self._live.look_up()
        return {
            image_id: [document for _, document in sorted(pairs, key=lambda pair: pair[0])]
            for image_id, pairs in found.items()
        }

    def random(self, size: int, filters: Allowed = NO_FILTERS, seed: int | None = None) -> Sequence[Document]:
        size = whole(size, "size is the number of images wanted")
        return self._retrier.ask(partial(self._random, size, Filters(filters), seed_of(seed)))

    def _random(self, size: int, filters: Filters, seed: int | None) -> Sequence[Document]:
        live = self._live.look_up()
        hits = draw_images(self._client, live.index, size, filters, seed) if live else []
        return [to_document(hit["_source"]) for hit in hits]
