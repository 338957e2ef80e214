"""The view of an index that one search has: a single generation, whatever a writer commits meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from indexer.contract import View
from indexer.embedded.answer import answer, count_images, random_rows
from indexer.embedded.checks import reading
from indexer.embedded.misspelt import corrections
from indexer.embedded.snapshot import Snapshot
from indexer.embedded.status import ENGINE
from indexer.given import listed, seed_of, whole
from indexer.records import NO_FILTERS, Allowed, Candidates, CaptionRecord, Document, Filters, Query


class EmbeddedView(View):
    """Keeps its generation's files open as long as it exists."""

    engine = ENGINE

    def __init__(self, where: str, snapshot: Snapshot) -> None:
        self.where = where
        self._manifest, self._segments = snapshot.manifest, snapshot.segments

    @property
    def analyzer(self) -> str:
        return self._manifest.analyzer

    @property
    def known_count(self) -> int:
        return self._manifest.captions

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        limit = whole(limit)
        with reading(self.where, self._segments):
            return [answer(self._segments, query, limit) for query in queries]

    def count(self, queries: Sequence[Query], excluded: Iterable[str] = ()) -> int:
        not_counted = listed(excluded)
        with reading(self.where, self._segments):
            return count_images(self._segments, queries, not_counted)

    def captions(self, image_ids: Iterable[str]) -> Mapping[str, Sequence[Document]]:
        wanted = listed(image_ids)
        found: dict[str, list[Document]] = {}
        with reading(self.where, self._segments):
            for segment in self._segments:
                rows = segment.rows_of_images(segment.column("image_id").codes_of(wanted))
                for document in segment.documents(rows):
                    found.setdefault(document.record.image_id, []).append(document)
        return found

    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        wanted = listed(tokens, "tokens")
        with reading(self.where, self._segments):
            return frozenset(
                token for token in wanted if any(segment.has_live(token) for segment in self._segments)
            )

    def corrections(self, tokens: Iterable[str]) -> dict[str, Sequence[str]]:
        wanted = listed(tokens, "tokens")
        with reading(self.where, self._segments):
            return corrections(self._segments, wanted)

    def records(self, filters: Filters) -> Iterator[CaptionRecord]:
        with reading(self.where, self._segments):
            for segment in self._segments:
                for rows in segment.row_batches(filters):
                    yield from segment.records(rows)

    def random(self, size: int, filters: Allowed = NO_FILTERS, seed: int | None = None) -> Sequence[Document]:
        size, allowed = whole(size, "size is the number of images wanted"), Filters(filters)
        seed = seed_of(seed)
        with reading(self.where, self._segments):
            chosen = random_rows(self._segments, size, allowed, seed)
            return [self._segments[number].documents(np.array([row]))[0] for number, row in chosen]
