"""Candidates in the order of their Jaccard similarity, and exact counts.

Most queries are one round trip: the sizes known to exist fit into one query, and what it finds stands above
all that other sizes could reach. If it does not, a second search tells whether there are other sizes at all.
Only then are all sizes visited on one point in time, the most promising first, until no other can reach what
was found.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from indexer.elastic.connection import Place, api_error
from indexer.elastic.documents import SOURCE, filter_clauses, sized, to_document
from indexer.elastic.plan import (
    CLAUSES,
    Window,
    batches,
    boost,
    bound,
    by_potential,
    class_score,
    float32,
    jaccard,
    least_overlap,
    potential,
    window,
)
from indexer.elastic.snapshot import Snapshot
from indexer.records import Candidate, Candidates, Filters, Position, Query

#: The server answers no search with more hits than this in one go.
MOST_HITS = 10_000
#: Values in one `terms` query; the server's limit is 65,536.
_TERMS = 65_000
_LAST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates, and the concrete indices that they came from."""

    candidates: Candidates
    indices: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Found:
    candidate: Candidate
    index: str

    @property
    def key(self) -> tuple[float, str]:
        return (-self.candidate.position.score, self.candidate.position.image_id)


class Ranking:
    """Searches of one index. `smallest` and `largest` known size are a hint, for speed alone."""

    def __init__(self, client: Elasticsearch, place: Place, smallest: int, largest: int) -> None:
        self._client = client
        self._place = place
        self._smallest = smallest
        self._largest = largest

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Ranked]:
        windows = [self._window(query, limit) for query in queries]
        answers = self._many(
            [
                _ranked(query, one.sizes(), limit + 1)
                for query, one in zip(queries, windows, strict=True)
                if one
            ]
        )
        rest = iter(answers)
        found = [[_found(hit) for hit in next(rest)["hits"]["hits"]] if one else [] for one in windows]
        open_ = [
            number
            for number, (query, one) in enumerate(zip(queries, windows, strict=True))
            if one and not _settled(query, one, found[number], limit)
        ]
        others = self._many([_outside(one) for number in open_ if (one := windows[number])])
        unsettled = {
            number
            for number, answer in zip(open_, others, strict=True)
            if answer["hits"]["total"]["value"] > 0
        }
        return [
            _result(query, found[number], limit, one.sizes())
            if (one := windows[number]) and number not in unsettled
            else self._all_sizes(query, limit)
            for number, query in enumerate(queries)
        ]

    def _window(self, query: Query, limit: int) -> Window | None:
        """The sizes for the one round trip; None where it cannot be enough."""
        if not query.tokens or limit < 1 or limit >= MOST_HITS:
            return None
        one = window(len(query.tokens), self._smallest, self._largest, query.min_score)
        return one if one.sizes() else None

    def _all_sizes(self, query: Query, limit: int) -> Ranked:
        a = len(query.tokens)
        found: list[_Found] = []
        if a == 0 or limit < 1:
            return Ranked(Candidates((), 0.0, 0), frozenset())
        with Snapshot(self._client, self._place.name) as snapshot:
            sizes = by_potential(a, _sizes(snapshot, query.filters), query.min_score)
            for batch in batches(a, sizes):
                if _above(found, limit, class_potential(a, potential(a, batch[0]))):
                    break
                more = (
                    _scan(snapshot, query, batch)
                    if a > CLAUSES
                    else _pages(snapshot, query, batch, limit + 1)
                )
                found = heapq.nsmallest(limit + 1, [*found, *more], key=lambda one: one.key)
        return _result(query, found, limit, sizes)

    def _many(self, bodies: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        if not bodies:
            return []
        searches: list[Mapping[str, Any]] = []
        for body in bodies:
            searches += [{}, body]
        answers = self._client.msearch(index=self._place.name, searches=searches)["responses"]
        for answer in answers:
            if "error" in answer:
                raise api_error(self._place, int(answer.get("status", 500)), answer)
        return list(answers)

    def count(self, tokens: frozenset[str], min_score: float, filters: Filters) -> int:
        """How many images have a caption of Jaccard similarity `min_score` or more."""
        a = len(tokens)
        if a == 0:
            return 0
        images: set[str] = set()
        with Snapshot(self._client, self._place.name) as snapshot:
            sizes = by_potential(a, _sizes(snapshot, filters), min_score)
            for batch in batches(a, sizes):
                if a > CLAUSES:
                    reached = _scan(snapshot, Query(tokens, filters, min_score), batch)
                    images |= {one.candidate.position.image_id for one in reached}
                else:
                    images.update(snapshot.images(_at_least(tokens, batch, min_score, filters)))
        return len(images)


def class_potential(a: int, score: float) -> float:
    """The highest engine score of a class whose Jaccard similarity is at most `score`, with slack."""
    return float32(score / (1.0 + score) * (1.0 + 2.0**-20)) if a else 0.0


def _settled(query: Query, one: Window, found: Sequence[_Found], limit: int) -> bool:
    """Whether no set of a size outside the window can matter, even if there are some."""
    beyond = one.outside(len(query.tokens))
    return beyond < query.min_score or _above(found, limit, class_potential(len(query.tokens), beyond))


def _above(found: Sequence[_Found], limit: int, score: float) -> bool:
    """Whether enough was found that all stands before everything of engine score `score` or less."""
    return len(found) > limit and found[limit].candidate.position.score > score


def _result(query: Query, found: Sequence[_Found], limit: int, sizes: Iterable[int]) -> Ranked:
    """Cut to `limit`; what comes next gives the bound on all that is left out."""
    a = len(query.tokens)
    kept = [one for one in found[:limit] if _similarity(query.tokens, one) >= query.min_score]
    rest = 0.0
    if len(found) > limit and len(kept) == limit:
        rest = bound(a, sizes, found[limit].candidate.position.score)
        rest = rest if rest >= query.min_score else 0.0
    candidates = Candidates(tuple(one.candidate for one in kept), rest, len(found))
    return Ranked(candidates, frozenset(one.index for one in found))


def _similarity(tokens: frozenset[str], one: _Found) -> float:
    document = one.candidate.document
    return jaccard(len(tokens), len(document.tokens), len(tokens & document.tokens))


def _found(hit: Mapping[str, Any]) -> _Found:
    position = Position(float32(hit["sort"][0]), hit["sort"][1])
    return _Found(Candidate(to_document(hit["_source"]), position), hit["_index"])


def _ranked(query: Query, sizes: Iterable[int], size: int) -> dict[str, Any]:
    """A search whose scores are Dice/2, best first, equal scores by image id."""
    a = len(query.tokens)
    tokens = sorted(query.tokens)
    by_size = [
        {
            "bool": {
                "should": [
                    {
                        "constant_score": {
                            "filter": {"term": {"sized_tokens": sized(n, token)}},
                            "boost": boost(a, n),
                        }
                    }
                    for token in tokens
                ]
            }
        }
        for n in sizes
    ]
    ranked: dict[str, Any] = {"dis_max": {"queries": by_size}}
    if query.filters:
        ranked = {"bool": {"must": [ranked], "filter": filter_clauses(query.filters)}}
    body: dict[str, Any] = {
        "query": ranked,
        "size": size,
        "sort": [{"_score": "desc"}, {"image_id": "asc"}],
        "_source": SOURCE,
        "track_total_hits": False,
    }
    if query.after is not None:
        body["search_after"] = [query.after.score, query.after.image_id]
    return body


def _outside(one: Window) -> dict[str, Any]:
    """Whether there is any set of a size that the window leaves out; the index's ends tell the server."""
    beyond = [
        {"range": {"token_count": {"gt": one.high}}},
        {"range": {"token_count": {"gte": 1, "lt": one.low}}},
    ]
    return {"query": {"bool": {"should": beyond}}, "size": 0, "track_total_hits": 1}


def _sizes(snapshot: Snapshot, filters: Filters) -> list[int]:
    """Every size of a set among the documents that pass the filters."""
    answer = snapshot.search(
        query={"bool": {"filter": filter_clauses(filters)}},
        size=0,
        aggs={"sizes": {"terms": {"field": "token_count", "size": 65_000}}},
        track_total_hits=False,
    )
    return [int(bucket["key"]) for bucket in answer["aggregations"]["sizes"]["buckets"]]


def _pages(snapshot: Snapshot, query: Query, sizes: Sequence[int], want: int) -> Iterator[_Found]:
    body = _ranked(query, sizes, min(want, MOST_HITS))
    body["sort"] = [*body["sort"], "_shard_doc"]
    body["source"] = body.pop("_source")
    if query.after is not None:
        # Behind every other caption of that image with that score.
        body["search_after"] = [query.after.score, query.after.image_id, _LAST]
    while want > 0:
        hits = snapshot.search(**body)["hits"]["hits"]
        yield from (_found(hit) for hit in hits)
        want -= len(hits)
        if len(hits) < body["size"]:
            return
        body |= {"size": min(want, MOST_HITS), "search_after": hits[-1]["sort"]}


def _scan(snapshot: Snapshot, query: Query, sizes: Sequence[int]) -> Iterator[_Found]:
    """As `_pages`, for more tokens than a query can have clauses: overlaps are counted here."""
    a = len(query.tokens)
    tokens = sorted(query.tokens)
    shared = [{"terms": {"tokens": tokens[start : start + _TERMS]}} for start in range(0, a, _TERMS)]
    clauses = [
        {"terms": {"token_count": list(sizes)}},
        {"bool": {"should": shared}},
        *filter_clauses(query.filters),
    ]
    for hit in snapshot.stream({"bool": {"filter": clauses}}, SOURCE):
        document = to_document(hit["_source"])
        n, overlap = len(document.tokens), len(document.tokens & query.tokens)
        position = Position(class_score(a, n, overlap), document.record.image_id)
        one = _Found(Candidate(document, position), hit["_index"])
        behind = query.after is None or one.key > (-query.after.score, query.after.image_id)
        if behind and jaccard(a, n, overlap) >= query.min_score:
            yield one


def _at_least(
    tokens: frozenset[str], sizes: Iterable[int], min_score: float, filters: Filters
) -> dict[str, Any]:
    """Documents of these sizes whose Jaccard similarity is `min_score` or more."""
    a = len(tokens)
    by_size = [
        {
            "bool": {
                "should": [{"term": {"sized_tokens": sized(n, token)}} for token in sorted(tokens)],
                "minimum_should_match": overlap,
            }
        }
        for n in sizes
        if (overlap := least_overlap(a, n, min_score)) is not None
    ]
    return {"bool": {"filter": [{"bool": {"should": by_size}}, *filter_clauses(filters)]}}
