"""Candidates in the order of their Jaccard similarity, and exact counts.

Most queries are one round trip: the first hits of each shard, in an order that the server finds fast, prove
that enough of them are the best. If not, more of these hits may do so. If not, all captions of the sizes
known to exist are asked for in one query, in their exact order; if that may not be all, a search tells if
there are other sizes. Only then are all sizes visited on one point in time, the most promising first, until
no other can reach what was found.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from elasticsearch import Elasticsearch

from indexer.elastic import bodies
from indexer.elastic.best_hits import (
    LocatedCandidate,
    Ranked,
    all_above,
    from_sizes,
    located,
    located_hits,
)
from indexer.elastic.connection import Address
from indexer.elastic.documents import SOURCE, filter_clauses, findable, to_document
from indexer.elastic.plan import (
    CLAUSES,
    Window,
    by_potential,
    half_dice,
    jaccard,
    plan_window,
    potential_jaccard,
    runs_of_sizes,
)
from indexer.elastic.point_in_time import PointInTime
from indexer.elastic.searches import MOST_HITS, search, search_many
from indexer.elastic.shard_ranking import ShardRanking
from indexer.records import Candidate, Candidates, Filters, Position, Query

#: Values in one `terms` query or aggregation; the server's limit is 65,536 for either.
_TERMS = 65_000
_LAST = 2**63 - 1
#: One way to answer queries; None for those that it cannot answer.
_Step = Callable[[Sequence[Query], int], Sequence[Ranked | None]]
#: So many more hits than needed, as a share, are asked for at first and, if these prove too little, again.
_SPARE = (0.25, 4.0)


class Ranking:
    """Searches of one index."""

    def __init__(self, client: Elasticsearch, address: Address, by_shards: ShardRanking) -> None:
        self._client = client
        self._address = address
        shares: list[_Step] = [partial(by_shards.candidates_many, spare=spare) for spare in _SPARE]
        self._steps: Sequence[_Step] = [*shares, self._by_windows, self._by_all_sizes]

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Ranked]:
        answers = dict[int, Ranked]()
        for step in self._steps:
            open_ones = [number for number in range(len(queries)) if number not in answers]
            ranked = step([queries[number] for number in open_ones], limit)
            answers |= {number: one for number, one in zip(open_ones, ranked, strict=True) if one}
        return [answers[number] for number in range(len(queries))]

    def _by_windows(self, queries: Sequence[Query], limit: int) -> list[Ranked | None]:
        """The answers for which the sizes known to exist are enough."""
        ranked: list[Ranked | None] = [None for _ in queries]
        windows = {
            number: window
            for number, query in enumerate(queries)
            if (window := self._window(query, limit)) is not None
        }
        answers = self._search_many(
            [bodies.ranked(queries[number], window.sizes(), limit + 1) for number, window in windows.items()]
        )
        doubtful: list[int] = []
        for (number, window), answer in zip(windows.items(), answers, strict=True):
            query, hits = queries[number], located_hits(answer)
            ranked[number] = from_sizes(query, hits, limit, window.sizes())
            outside_jaccard = window.outside_jaccard(len(query.tokens))
            if outside_jaccard >= query.min_score and not all_above(hits, limit, outside_jaccard):
                doubtful.append(number)
        others = self._search_many([bodies.other_sizes(windows[number]) for number in doubtful])
        for number, answer in zip(doubtful, others, strict=True):
            if answer["hits"]["total"]["value"] > 0:
                ranked[number] = None
        return ranked

    def _window(self, query: Query, limit: int) -> Window | None:
        """The sizes to ask for in one round trip; None where they cannot be enough."""
        if not query.tokens or limit >= MOST_HITS:
            return None
        window = plan_window(len(query.tokens), *self._known_sizes, query.min_score)
        return window if window.sizes() else None

    @cached_property
    def _known_sizes(self) -> tuple[int, int]:
        """The smallest and the largest in the index, as it was: a hint, for speed alone.

        The server need visit no document for them; most searches do not need them either.
        """
        ends = {"low": {"min": {"field": "token_count"}}, "high": {"max": {"field": "token_count"}}}
        answer = search(self._client, index=self._address.name, size=0, aggs=ends)["aggregations"]
        low, high = answer["low"]["value"], answer["high"]["value"]
        return (1, 0) if high is None else (int(low), int(high))

    def _by_all_sizes(self, queries: Sequence[Query], limit: int) -> list[Ranked]:
        return [self._all_sizes(query, limit) for query in queries]

    def _all_sizes(self, query: Query, limit: int) -> Ranked:
        a = len(query.tokens)
        hits: list[LocatedCandidate] = []
        if a == 0:
            return Ranked(Candidates((), 0.0, 0), frozenset())
        with PointInTime(self._client, self._address.name) as point:
            sizes = by_potential(a, _sizes(point, query.filters), query.min_score)
            for run in runs_of_sizes(a, sizes):
                if all_above(hits, limit, potential_jaccard(a, run[0])):
                    break
                more = _scan(point, query, run) if a > CLAUSES else _pages(point, query, run, limit + 1)
                hits = heapq.nsmallest(limit + 1, [*hits, *more], key=lambda hit: hit.key)
        return from_sizes(query, hits, limit, sizes)

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


def _pages(point: PointInTime, query: Query, sizes: Sequence[int], want: int) -> Iterator[LocatedCandidate]:
    body = bodies.ranked(query, sizes, min(want, MOST_HITS))
    body["sort"] = [*body["sort"], "_shard_doc"]
    body["source"] = body.pop("_source")
    if query.after is not None:
        # Behind every other caption of that image with that score.
        body["search_after"] = [query.after.score, query.after.image_id, _LAST]
    while want > 0:
        hits = point.search(**body)["hits"]["hits"]
        yield from (located(hit) for hit in hits)
        want -= len(hits)
        if len(hits) < body["size"]:
            return
        body |= {"size": min(want, MOST_HITS), "search_after": hits[-1]["sort"]}


def _scan(point: PointInTime, query: Query, sizes: Sequence[int]) -> Iterator[LocatedCandidate]:
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
        position = Position(half_dice(a, n, overlap), document.record.image_id)
        candidate = LocatedCandidate(Candidate(document, position), hit["_index"])
        behind = query.after is None or candidate.key > (-query.after.score, query.after.image_id)
        if behind and jaccard(a, n, overlap) >= query.min_score:
            yield candidate
