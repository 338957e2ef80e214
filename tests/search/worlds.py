"""Small worlds of captions, odd engines, a captioner that reads file names, and searchers of them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st
from PIL import Image
from typing_extensions import Unpack

from captioner.tokens import analyzer
from indexer.contract import CaptionIndex
from indexer.records import Candidate, Candidates, CaptionRecord, Filters, Position, Query
from search.hits import Results
from search.searcher import Searcher
from search.wanted import Options
from tests.captioners import WithoutModel
from tests.indexer.memory import MemoryIndex, best_of_images, order_of
from tests.indexer.oracle import WORDS

ANALYZER = "words/1"
# What an analyzer imports at its first use draws random numbers, which no strategy may do.
analyzer("english/1")("dogs")

captions = st.lists(st.sampled_from(WORDS), max_size=7).map(lambda few: " ".join(few) or "…")
records = st.builds(
    CaptionRecord,
    image_id=st.sampled_from([f"i{number}" for number in range(9)]),
    caption=captions,
    source=st.sampled_from(["coco", "folder"]),
)
#: Several captions of one image with the same words: an engine's answer may end between them.
crowded = st.builds(
    CaptionRecord,
    image_id=st.sampled_from(["i0", "i1", "i2", "i3"]),
    caption=st.sampled_from(["dog", "dog cat", "cat"]),
    source=st.sampled_from(["coco", "folder"]),
    model=st.sampled_from(["", "m1", "m2", "m3"]),
)
worlds = st.lists(records, max_size=40) | st.lists(crowded, max_size=40)
queries = st.lists(st.sampled_from((*WORDS, "unknown")), max_size=6).map(frozenset)
filters = st.sampled_from(
    [
        Filters(),
        Filters({"source": ("coco",)}),
        Filters({"source": ("coco",)}, ["cat"]),
        Filters(excluded_tokens=["dog", "egg"]),
    ]
)


class RoundingIndex(MemoryIndex):
    """An engine whose scores are a little wrong, as sums of float32 are, and whose bound allows for that."""

    engine = "rounding"
    SLACK = 1e-6

    def matching(self, query: Query) -> Iterator[Candidate]:
        free = Query(query.tokens, query.filters, query.min_score)
        found = (self._noisy(one) for one in super().matching(free))
        noisy = sorted(found, key=lambda one: order_of(one.position))
        return (one for one in noisy if query.after is None or order_of(one.position) > order_of(query.after))

    def _noisy(self, candidate: Candidate) -> Candidate:
        key = candidate.document.record.document_id.encode()
        noise = (zlib.crc32(key) / 2**32 - 0.5) * self.SLACK
        position = Position(candidate.position.score + noise, candidate.position.image_id)
        return Candidate(candidate.document, position)

    def _answer(self, matching: list[Candidate], limit: int) -> Candidates:
        answer = super()._answer(matching, limit)
        return Candidates(
            answer.found, answer.bound + self.SLACK if matching[limit:] else 0.0, answer.examined
        )


class HastyIndex(MemoryIndex):
    """An engine that stops as soon as it has so many images as are wanted."""

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        self.asked += 1
        return [self._hasty(query, list(self.matching(query)), limit) for query in queries]

    def _hasty(self, query: Query, matching: list[Candidate], limit: int) -> Candidates:
        images: set[str] = set()
        for count, one in enumerate(matching[:limit], 1):
            images.add(one.document.record.image_id)
            if len(images) == query.images:
                return self._answer(matching, count)
        return self._answer(matching, limit)


class EvasiveIndex(MemoryIndex):
    """An engine that says it left something out and never gives it."""

    def _answer(self, matching: list[Candidate], limit: int) -> Candidates:
        return Candidates(tuple(matching[:1]), 1.0, len(matching))


class NamingCaptioner(WithoutModel):
    """Captions a real, readable photo by its file's name: "a-dog+an-egg.png" is "a dog", and "an egg"."""

    def __init__(self) -> None:
        super().__init__("naming")

    def texts(self, name: str, image: Image.Image) -> Iterable[str]:
        return name.rpartition("/")[2].rpartition(".")[0].replace("-", " ").split("+")


#: The smallest first question makes the loop work even in a small world.
engines = st.sampled_from([MemoryIndex, RoundingIndex, HastyIndex])
Engine = Callable[[list[CaptionRecord], str], MemoryIndex]


@dataclass(frozen=True, slots=True)
class Case:
    """A search of a small world."""

    index: MemoryIndex
    query: frozenset[str]
    k: int
    allowed: Filters
    least: float

    @property
    def truth(self) -> dict[str, float]:
        """Every image that answers, with its similarity."""
        return best_of_images(self.index, [self.query], self.allowed, self.least)


cases = st.builds(
    Case,
    st.builds(lambda engine, world: engine(world, ANALYZER), engines, worlds),
    queries,
    st.integers(1, 6),
    filters,
    st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0]),
)


def searcher(index: CaptionIndex) -> Searcher:
    return Searcher(index, NamingCaptioner)


def searcher_of(*captions: str) -> Searcher:
    """A searcher over images i0, i1, ... with one caption each."""
    return searcher(MemoryIndex([CaptionRecord(f"i{number}", text) for number, text in enumerate(captions)]))


def pages(search: Searcher, tokens: frozenset[str], k: int, **options: Unpack[Options]) -> list[Results]:
    found = [search.tokens(tokens, k, **options)]
    while cursor := found[-1].cursor:
        options["after"] = cursor
        found.append(search.tokens(tokens, k, **options))
    return found


def check_all_pages(found: Sequence[Results], truth: Mapping[str, float]) -> None:
    """They are the whole answer: every image of `truth` with its similarity, once, the best first."""
    hits = [hit for page in found for hit in page.hits]
    assert {hit.image_id: hit.jaccard for hit in hits} == truth
    assert [hit.jaccard for hit in hits] == sorted(truth.values(), reverse=True)
    assert [hit.rank for hit in hits] == list(range(1, len(truth) + 1))
    assert all(page.exact for page in found)


def dog_and(length: int) -> str:
    return " ".join(["dog", *(f"x{number}" for number in range(length))])
