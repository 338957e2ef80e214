"""Candidates in the order of their Jaccard similarity, and exact counts.

Most queries are one round trip, a shortlist: of the captions that share as many tokens as the best ones are
expected to, enough stand above all that others could reach. If not, all captions of the sizes known to exist
are asked for in one query; if that may not be all, a search tells whether there are other sizes. Only then
are all sizes visited on one point in time, the most promising first, until no other can reach what was found.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from indexer.elastic import bodies
from indexer.elastic.connection import Address
from indexer.elastic.documents import SOURCE, filter_clauses, findable, to_document
from indexer.elastic.plan import (
    CLAUSES,
    Expectation,
    Shortlist,
    Window,
    bound,
    by_potential,
    class_potential,
    class_score,
    float32,
    jaccard,
    potential,
    runs_of_sizes,
    shortlist,
    window,
)
from indexer.elastic.point_in_time import PointInTime
from indexer.elastic.searches import search_many
from indexer.records import Candidate, Candidates, Filters, Position, Query

#: The server answers no search with more hits than this in one go.
MOST_HITS = 10_000
#: Values in one `terms` query or aggregation; the server's limit is 65,536 for either.
_TERMS = 65_000
_LAST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates, and the concrete indices that they came from."""

    candidates: Candidates
    indices: frozenset[str]


@dataclass(frozen=True, slots=True)
class _LocatedCandidate:
    candidate: Candidate
    index: str

    @property
    def key(self) -> tuple[float, str]:
        return (-self.candidate.position.score, self.candidate.position.image_id)


@dataclass(slots=True)
class _PendingQuery:
    """A query on its way to an answer, and the score that its last hit is expected to have or surpass."""

    query: Query
    expected: float  # 0.0 where nothing is known
    ranked: Ranked | None = None


class Ranking:
    """Searches of one index. `smallest` and `largest` known size are a hint, for speed alone."""

    def __init__(
        self, client: Elasticsearch, address: Address, smallest: int, largest: int, expectation: Expectation
    ) -> None:
        self._client = client
        self._address = address
        self._smallest = smallest
        self._largest = largest
        self._expectation = expectation

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Ranked]:
        expected = self._expectation.score
        searches = [_PendingQuery(query, expected(filtered=bool(query.filters))) for query in queries]
        for _ in range(2):  # where the first shortlist was not enough, it tells what is
            self._by_shortlists(_unranked(searches), limit)
        self._by_windows(_unranked(searches), limit)
        ranked = [one.ranked or self._all_sizes(one.query, limit) for one in searches]
        for query, answer in zip(queries, ranked, strict=True):
            if not (query.after or query.min_score):
                score = _last_score(query, answer.candidates.found, limit)
                self._expectation.learn(score, filtered=bool(query.filters))
        return ranked

    def _by_shortlists(self, searches: Sequence[_PendingQuery], limit: int) -> None:
        """Rank the queries for which a shortlist is enough; others then expect the score that it reached."""
        tried = [
            (search, one, size)
            for search in searches
            if (size := _captions_needed(search.query, limit))
            and (one := self._shortlist(search, size)) is not None
        ]
        answers = self._search_many(
            [bodies.shortlisted(search.query, one, size) for search, one, size in tried]
        )
        for (search, one, size), answer in zip(tried, answers, strict=True):
            found = _located_hits(answer)
            search.ranked = _from_shortlist(search.query, one, found, size)
            reached = _last_score(search.query, [hit.candidate for hit in found], size)
            # Where all hits stand above what was not seen, a second one would find the same (few) images.
            search.expected = 0.0 if reached > one.beyond else reached

    def _shortlist(self, search: _PendingQuery, size: int) -> Shortlist | None:
        """The captions to look at; None where they cannot be enough.

        They never are for a later page, which begins below the score that is expected of the first.
        """
        query = search.query
        if not query.tokens or size < 2 or size > MOST_HITS or query.after is not None:
            return None
        return shortlist(len(query.tokens), max(query.min_score, search.expected))

    def _by_windows(self, searches: Sequence[_PendingQuery], limit: int) -> None:
        """Rank the queries for which the sizes known to exist are enough."""
        tried = [
            (search, one) for search in searches if (one := self._window(search.query, limit)) is not None
        ]
        answers = self._search_many(
            [bodies.ranked(search.query, one.sizes(), limit + 1) for search, one in tried]
        )
        doubtful: list[tuple[_PendingQuery, Window]] = []
        for (search, one), answer in zip(tried, answers, strict=True):
            found = _located_hits(answer)
            search.ranked = _cut(search.query, found, limit, one.sizes())
            if not _is_enough(search.query, one, found, limit):
                doubtful.append((search, one))
        others = self._search_many([bodies.other_sizes(one) for _, one in doubtful])
        for (search, _), answer in zip(doubtful, others, strict=True):
            if answer["hits"]["total"]["value"] > 0:
                search.ranked = None

    def _window(self, query: Query, limit: int) -> Window | None:
        """The sizes to ask for in one round trip; None where they cannot be enough."""
        if not query.tokens or limit >= MOST_HITS:
            return None
        one = window(len(query.tokens), self._smallest, self._largest, query.min_score)
        return one if one.sizes() else None

    def _all_sizes(self, query: Query, limit: int) -> Ranked:
        a = len(query.tokens)
        found: list[_LocatedCandidate] = []
        if a == 0:
            return Ranked(Candidates((), 0.0, 0), frozenset())
        with PointInTime(self._client, self._address.name) as point:
            sizes = by_potential(a, _sizes(point, query.filters), query.min_score)
            for run in runs_of_sizes(a, sizes):
                if _above(found, limit, class_potential(potential(a, run[0]))):
                    break
                more = _scan(point, query, run) if a > CLAUSES else _pages(point, query, run, limit + 1)
                found = heapq.nsmallest(limit + 1, [*found, *more], key=lambda one: one.key)
        return _cut(query, found, limit, sizes)

    def _search_many(self, asked: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return search_many(self._client, self._address, asked)

    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        """Those of the tokens that some document has."""
        asked = findable(tokens)
        answers = self._search_many([bodies.any_with(token) for token in asked])
        return frozenset(
            token
            for token, answer in zip(asked, answers, strict=True)
            if answer["hits"]["total"]["value"] > 0
        )

    def count(self, queries: Sequence[Query], excluded: Iterable[str]) -> int:
        """How many images but these have a caption that answers one of the queries."""
        asked = [query for query in queries if query.tokens]
        if not asked:
            return 0
        with PointInTime(self._client, self._address.name) as point:
            sizes = {filters: _sizes(point, filters) for filters in {query.filters for query in asked}}
            images = (_matching_images(point, query, sizes[query.filters]) for query in asked)
            return len(set[str]().union(*images) - {*excluded})


def _unranked(searches: Iterable[_PendingQuery]) -> list[_PendingQuery]:
    return [one for one in searches if one.ranked is None]


def _from_shortlist(
    query: Query, one: Shortlist, found: Sequence[_LocatedCandidate], size: int
) -> Ranked | None:
    """Those of the first `size` captions that stand above all that was not seen; None if they are too few."""
    nothing_else = one.beyond < query.min_score
    beyond = 0.0 if nothing_else else one.beyond
    floor = class_potential(beyond)
    certain = sum(each.candidate.position.score > floor for each in found)
    given = min(certain, size - 1)
    if query.images:
        enough = len({each.candidate.position.image_id for each in found[:given]}) >= query.images
    else:
        enough = certain == size
    if not enough and not (nothing_else and len(found) < size):
        return None
    kept = [each for each in found[:given] if _similarity(query.tokens, each) >= query.min_score]
    rest = max([beyond, *(_similarity(query.tokens, each) for each in found[given : given + 1])])
    rest = rest if rest >= query.min_score else 0.0
    candidates = Candidates(tuple(each.candidate for each in kept), rest, len(found))
    return Ranked(candidates, frozenset(each.index for each in found))


def _captions_needed(query: Query, limit: int) -> int:
    """How many captions to ask a shortlist for; the last one only tells what is left out."""
    return 1 + (min(limit, 2 * query.images) if query.images else limit)


def _last_score(query: Query, found: Sequence[Candidate], number: int) -> float:
    """The score of the last caption that was needed; 0.0 where there were not so many."""
    images: set[str] = set()
    for count, one in enumerate(found, 1):
        images.add(one.position.image_id)
        if count == number or len(images) == query.images:
            return _jaccard(query.tokens, one.document.tokens)
    return 0.0


def _is_enough(query: Query, one: Window, found: Sequence[_LocatedCandidate], limit: int) -> bool:
    """Whether no caption of a size outside the window can matter, even if there are such sizes."""
    beyond = one.outside(len(query.tokens))
    return beyond < query.min_score or _above(found, limit, class_potential(beyond))


def _above(found: Sequence[_LocatedCandidate], limit: int, score: float) -> bool:
    """Whether more than `limit` were found, and the engine scores all of these above `score`."""
    return len(found) > limit and found[limit].candidate.position.score > score


def _cut(query: Query, found: Sequence[_LocatedCandidate], limit: int, sizes: Iterable[int]) -> Ranked:
    """The first `limit` of what was found, with a bound on all that is left out, by the next one."""
    a = len(query.tokens)
    kept = [one for one in found[:limit] if _similarity(query.tokens, one) >= query.min_score]
    rest = 0.0
    if len(found) > limit and len(kept) == limit:
        rest = bound(a, sizes, found[limit].candidate.position.score)
        rest = rest if rest >= query.min_score else 0.0
    candidates = Candidates(tuple(one.candidate for one in kept), rest, len(found))
    return Ranked(candidates, frozenset(one.index for one in found))


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return jaccard(len(one), len(other), len(one & other))


def _similarity(tokens: frozenset[str], one: _LocatedCandidate) -> float:
    return _jaccard(tokens, one.candidate.document.tokens)


def _located_hits(answer: Mapping[str, Any]) -> list[_LocatedCandidate]:
    return [_located(hit) for hit in answer["hits"]["hits"]]


def _located(hit: Mapping[str, Any]) -> _LocatedCandidate:
    position = Position(float32(hit["sort"][0]), hit["sort"][1])
    return _LocatedCandidate(Candidate(to_document(hit["_source"]), position), hit["_index"])


def _sizes(point: PointInTime, filters: Filters) -> list[int]:
    """Every size of a set among the documents that pass the filters."""
    answer = point.search(
        query={"bool": {"filter": filter_clauses(filters)}},
        size=0,
        aggs={"sizes": {"terms": {"field": "token_count", "size": _TERMS}}},
        track_total_hits=False,
    )
    return [int(bucket["key"]) for bucket in answer["aggregations"]["sizes"]["buckets"]]


def _matching_images(point: PointInTime, query: Query, sizes: Sequence[int]) -> Iterator[str]:
    """The images of every caption of `min_score` or more; one may come several times."""
    a = len(query.tokens)
    for run in runs_of_sizes(a, by_potential(a, sizes, query.min_score)):
        if a > CLAUSES:
            yield from (one.candidate.position.image_id for one in _scan(point, query, run))
        else:
            at_least = bodies.at_least(query.tokens, run, query.min_score, query.filters)
            yield from point.images(at_least)


def _pages(point: PointInTime, query: Query, sizes: Sequence[int], want: int) -> Iterator[_LocatedCandidate]:
    body = bodies.ranked(query, sizes, min(want, MOST_HITS))
    body["sort"] = [*body["sort"], "_shard_doc"]
    body["source"] = body.pop("_source")
    if query.after is not None:
        # Behind every other caption of that image with that score.
        body["search_after"] = [query.after.score, query.after.image_id, _LAST]
    while want > 0:
        hits = point.search(**body)["hits"]["hits"]
        yield from (_located(hit) for hit in hits)
        want -= len(hits)
        if len(hits) < body["size"]:
            return
        body |= {"size": min(want, MOST_HITS), "search_after": hits[-1]["sort"]}


def _scan(point: PointInTime, query: Query, sizes: Sequence[int]) -> Iterator[_LocatedCandidate]:
    """As `_pages`, for more tokens than a query can have clauses: overlaps are counted here."""
    a = len(query.tokens)
    tokens = findable(sorted(query.tokens))
    shared = [{"terms": {"tokens": tokens[start : start + _TERMS]}} for start in range(0, a, _TERMS)]
    clauses = [
        {"terms": {"token_count": list(sizes)}},
        {"bool": {"should": shared}},
        *filter_clauses(query.filters),
    ]
    for hit in point.stream({"bool": {"filter": clauses}}, SOURCE):
        document = to_document(hit["_source"])
        n, overlap = len(document.tokens), len(document.tokens & query.tokens)
        position = Position(class_score(a, n, overlap), document.record.image_id)
        one = _LocatedCandidate(Candidate(document, position), hit["_index"])
        behind = query.after is None or one.key > (-query.after.score, query.after.image_id)
        if behind and jaccard(a, n, overlap) >= query.min_score:
            yield one
