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
from indexer.elastic.best_hits import (
    LocatedCandidate,
    Ranked,
    all_above,
    captions_needed,
    from_shortlist,
    from_sizes,
    last_jaccard,
    located,
    located_hits,
)
from indexer.elastic.connection import Address
from indexer.elastic.documents import SOURCE, filter_clauses, findable, to_document
from indexer.elastic.plan import (
    CLAUSES,
    Expectation,
    Shortlist,
    Window,
    by_potential,
    half_dice,
    jaccard,
    plan_shortlist,
    plan_window,
    potential_jaccard,
    runs_of_sizes,
)
from indexer.elastic.point_in_time import PointInTime
from indexer.elastic.searches import search_many
from indexer.records import Candidate, Candidates, Filters, Position, Query

#: The server answers no search with more hits than this in one go.
MOST_HITS = 10_000
#: Values in one `terms` query or aggregation; the server's limit is 65,536 for either.
_TERMS = 65_000
_LAST = 2**63 - 1


@dataclass(slots=True)
class _PendingQuery:
    """A query on its way to an answer, and what its last hit is expected to have or surpass."""

    query: Query
    expected_jaccard: float  # 0.0 where nothing is known
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
        expected = self._expectation.last_jaccard
        searches = [_PendingQuery(query, expected(filtered=bool(query.filters))) for query in queries]
        for _ in range(2):  # where the first shortlist was not enough, it tells what is
            self._by_shortlists(_unranked(searches), limit)
        self._by_windows(_unranked(searches), limit)
        ranked = [one.ranked or self._all_sizes(one.query, limit) for one in searches]
        self._learn(zip(queries, ranked, strict=True), limit)
        return ranked

    def _learn(self, answered: Iterable[tuple[Query, Ranked]], limit: int) -> None:
        """Learn from answers to queries for which there might have been a shortlist.

        For one token there is none, and its hits tell nothing: the captions of a rare one are few.
        """
        for query, answer in answered:
            if len(query.tokens) > 1 and not (query.after or query.min_score):
                reached = last_jaccard(query, answer.candidates.found, limit)
                self._expectation.learn(reached, filtered=bool(query.filters))

    def _by_shortlists(self, searches: Sequence[_PendingQuery], limit: int) -> None:
        """Rank the queries for which a shortlist is enough; others then expect what it reached."""
        tried = [
            (search, shortlist, asked)
            for search in searches
            if (asked := captions_needed(search.query, limit))
            and (shortlist := self._shortlist(search, asked)) is not None
        ]
        answers = self._search_many(
            [bodies.shortlisted(search.query, shortlist, asked) for search, shortlist, asked in tried]
        )
        for (search, shortlist, asked), answer in zip(tried, answers, strict=True):
            hits = located_hits(answer)
            search.ranked = from_shortlist(search.query, shortlist, hits, asked)
            reached = last_jaccard(search.query, [hit.candidate for hit in hits], asked)
            # Where all hits stand above what was not seen, a second one would find the same (few) images.
            search.expected_jaccard = 0.0 if reached > shortlist.beyond_jaccard else reached

    def _shortlist(self, search: _PendingQuery, asked: int) -> Shortlist | None:
        """The captions to look at; None where they cannot be enough.

        They never are for a later page, which begins below what is expected of the first.
        """
        query = search.query
        if not query.tokens or asked < 2 or asked > MOST_HITS or query.after is not None:
            return None
        return plan_shortlist(len(query.tokens), max(query.min_score, search.expected_jaccard))

    def _by_windows(self, searches: Sequence[_PendingQuery], limit: int) -> None:
        """Rank the queries for which the sizes known to exist are enough."""
        tried = [
            (search, window)
            for search in searches
            if (window := self._window(search.query, limit)) is not None
        ]
        answers = self._search_many(
            [bodies.ranked(search.query, window.sizes(), limit + 1) for search, window in tried]
        )
        doubtful: list[tuple[_PendingQuery, Window]] = []
        for (search, window), answer in zip(tried, answers, strict=True):
            hits = located_hits(answer)
            search.ranked = from_sizes(search.query, hits, limit, window.sizes())
            outside_jaccard = window.outside_jaccard(len(search.query.tokens))
            if outside_jaccard >= search.query.min_score and not all_above(hits, limit, outside_jaccard):
                doubtful.append((search, window))
        others = self._search_many([bodies.other_sizes(window) for _, window in doubtful])
        for (search, _), answer in zip(doubtful, others, strict=True):
            if answer["hits"]["total"]["value"] > 0:
                search.ranked = None

    def _window(self, query: Query, limit: int) -> Window | None:
        """The sizes to ask for in one round trip; None where they cannot be enough."""
        if not query.tokens or limit >= MOST_HITS:
            return None
        window = plan_window(len(query.tokens), self._smallest, self._largest, query.min_score)
        return window if window.sizes() else None

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


def _unranked(searches: Iterable[_PendingQuery]) -> list[_PendingQuery]:
    return [one for one in searches if one.ranked is None]


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
