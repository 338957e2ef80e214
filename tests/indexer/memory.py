"""The contract of CaptionIndex in its simplest form, lists and brute force: the reference for engines."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from captioner.tokens import DEFAULT, analyzer
from indexer.contract import CaptionIndex, Draft, View
from indexer.corrections import corrections
from indexer.given import listed
from indexer.records import (
    NO_FILTERS,
    AddReport,
    Allowed,
    Candidate,
    Candidates,
    CaptionRecord,
    Document,
    Filters,
    IndexStatus,
    Position,
    Query,
)
from tests.jaccard import jaccard


class MemoryIndex(CaptionIndex):
    """Answers every question by looking at everything."""

    engine = "memory"
    # What the contract lets engines look up, tests set.
    analyzer = "english/1"
    known_count: int | None = None

    def __init__(self, records: Iterable[CaptionRecord] = (), analyzer_name: str = analyzer) -> None:
        self.where = "memory"
        self.analyzer = analyzer_name
        self.documents: dict[str, Document] = {}
        self.asked = 0
        self.add(records)

    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        return self.store(self.documents, records, self.analyzer)

    def store(
        self, documents: dict[str, Document], records: Iterable[CaptionRecord], analyzer_name: str
    ) -> AddReport:
        """Into the documents of the index, or of a draft."""
        added = unchanged = updated = 0
        for record in records:
            document = Document(record, analyzer(analyzer_name)(record.caption))
            before = documents.get(record.document_id)
            same = before == document
            added, unchanged = added + (not same), unchanged + same
            updated += before is not None and not same
            documents[record.document_id] = document
        return AddReport(added, unchanged, updated=updated)

    def delete(self, image_ids: Iterable[str]) -> int:
        gone, before = set(listed(image_ids)), len(self.documents)
        self.documents = {
            key: document for key, document in self.documents.items() if document.record.image_id not in gone
        }
        return before - len(self.documents)

    def replace(self, old: Iterable[Document], records: Iterable[CaptionRecord]) -> AddReport:
        for document in old:
            self.documents.pop(document.record.document_id, None)
        return self.add(records)

    def matching(self, query: Query) -> Iterator[Candidate]:
        """Every answer to a query, in order."""
        return brute_force(self.documents.values(), query)

    def view(self) -> View:
        return self

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        self.asked += 1
        return [self._answer(list(self.matching(query)), limit) for query in queries]

    def _answer(self, matching: list[Candidate], limit: int) -> Candidates:
        left_out = matching[limit:]
        bound = left_out[0].position.score if left_out else 0.0
        return Candidates(tuple(matching[:limit]), bound, len(matching))

    def captions(self, image_ids: Iterable[str]) -> Mapping[str, Sequence[Document]]:
        found: dict[str, list[Document]] = {}
        wanted = set(listed(image_ids))
        for document in self.documents.values():
            if document.record.image_id in wanted:
                found.setdefault(document.record.image_id, []).append(document)
        return found

    def records(self, filters: Allowed = NO_FILTERS) -> Iterator[CaptionRecord]:
        allowed = Filters(filters)
        return (one.record for one in [*self.documents.values()] if allowed.passes(one))

    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        records = (document.record for document in self.documents.values())
        return ((one.image_id, one.image) for one in records if one.image.startswith(beginning))

    def count(self, queries: Sequence[Query], excluded: Iterable[str] = ()) -> int:
        reached = [self.matching(query) for query in queries]
        return len({one.document.record.image_id for each in reached for one in each} - {*excluded})

    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        held = frozenset[str]().union(*(document.tokens for document in self.documents.values()))
        return held.intersection(listed(tokens, "tokens"))

    def corrections(self, tokens: Iterable[str]) -> Mapping[str, Sequence[str]]:
        held = Counter(token for document in self.documents.values() for token in document.tokens)
        found = {
            token: corrections(token, held, held.__getitem__)
            for token in listed(tokens, "tokens")
            if token not in held
        }
        return {token: near for token, near in found.items() if near}

    def random(self, size: int, filters: Allowed = NO_FILTERS, seed: int | None = None) -> Sequence[Document]:
        allowed = Filters(filters)
        one_each = {
            document.record.image_id: document
            for document in self.documents.values()
            if allowed.passes(document)
        }
        return random.Random(seed).sample(sorted(one_each.values(), key=repr), min(size, len(one_each)))

    def status(self) -> IndexStatus:
        records = [document.record for document in self.documents.values()]
        images, size = {one.image_id for one in records}, sum(len(one.caption) for one in records)
        sources, kinds, models = (
            Counter(filter(None, map(attrgetter(name), records))) for name in ("source", "kind", "model")
        )
        return IndexStatus(
            "memory", self.where, self.analyzer, 1, len(records), len(images), size, sources, kinds, models
        )

    def draft(self, key: str, analyzer: str = DEFAULT) -> Draft:
        raise NotImplementedError("the reference is filled by its constructor")

    def close(self) -> None:
        pass


def brute_force(documents: Iterable[Document], query: Query) -> Iterator[Candidate]:
    """Every caption that answers, in the contract's order."""
    found = [
        Candidate(document, Position(score, document.record.image_id))
        for document in documents
        if (score := jaccard(query.tokens, document.tokens)) > 0
        and score >= query.min_score
        and query.filters.passes(document)
    ]
    found.sort(key=lambda one: (order_of(one.position), one.document.record.document_id))
    return (one for one in found if query.after is None or order_of(one.position) > order_of(query.after))


def best_of_images(
    index: MemoryIndex, sets: Sequence[frozenset[str]], allowed: Filters = NO_FILTERS, least: float = 0.0
) -> dict[str, float]:
    """Image -> the best similarity of any of its captions to any of the sets."""
    best: dict[str, float] = {}
    for tokens in sets:
        for one in brute_force(index.documents.values(), Query(tokens, allowed, least)):
            image = one.position.image_id
            best[image] = max(one.position.score, best.get(image, 0.0))
    return best


def order_of(position: Position) -> tuple[float, str]:
    return -position.score, position.image_id
