"""What the server is asked, as request bodies; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from indexer.corrections import edits
from indexer.elastic.documents import SOURCE, filter_clauses, findable, sized
from indexer.elastic.plan import Shortlist, Window, boost, least_overlap
from indexer.records import Filters, Query

_NEARLY_NOTHING = 1e-9
#: Tokens alike that the server gives: those with another first letter are among them, and left out later.
_SUGGESTED = 500
#: So many documents may hold a token; the server takes no share of all of them for that.
_ANY_NUMBER = 1_000_000_000


def shortlisted(query: Query, one: Shortlist, size: int) -> dict[str, Any]:
    """Return a body like `ranked` for the captions on the shortlist, with a fraction of the clauses.

    The server skips postings of the commonest tokens (it needs so many to match). What is left has its
    overlap divided by a + n, by a function for each size; other sizes come last, with nearly no weight (to
    filter them out takes longer).
    """
    tokens = findable(sorted(query.tokens))
    shared: dict[str, Any] = {
        "should": _one_of({"constant_score": {"filter": {"term": {"tokens": token}}}} for token in tokens),
        "minimum_should_match": one.overlap,
    }
    if query.filters:
        shared["filter"] = filter_clauses(query.filters)
    weights: list[dict[str, Any]] = [
        {"filter": {"term": {"token_count": n}}, "weight": boost(one.a, n)} for n in one.sizes()
    ]
    weights.append({"weight": _NEARLY_NOTHING})
    scored = {"query": {"bool": shared}, "functions": weights, "score_mode": "first"}
    return _best(query, {"function_score": scored}, size)


def ranked(query: Query, sizes: Iterable[int], size: int) -> dict[str, Any]:
    """A search whose scores are Dice/2, best first, equal scores by image id."""
    a = len(query.tokens)
    tokens = sorted(query.tokens)
    by_size = [
        {
            "bool": {
                "should": _one_of(
                    {
                        "constant_score": {
                            "filter": {"term": {"sized_tokens": term}},
                            "boost": boost(a, n),
                        }
                    }
                    for term in findable(sized(n, token) for token in tokens)
                )
            }
        }
        for n in sizes
    ]
    best: dict[str, Any] = {"dis_max": {"queries": by_size}}
    if query.filters:
        best = {"bool": {"must": [best], "filter": filter_clauses(query.filters)}}
    return _best(query, best, size)


def _one_of(clauses: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """To match any of these: the server takes no clause at all for everything."""
    return [*clauses] or [{"match_none": {}}]


def _best(query: Query, scored: dict[str, Any], size: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "query": scored,
        "size": size,
        "sort": [{"_score": "desc"}, {"image_id": "asc"}],
        "_source": SOURCE,
        "track_total_hits": False,
    }
    if query.after is not None:
        body["search_after"] = [query.after.score, query.after.image_id]
    return body


def other_sizes(one: Window) -> dict[str, Any]:
    """Whether there is any set of a size that the window leaves out; the index's ends tell the server."""
    beyond = [
        {"range": {"token_count": {"gt": one.high}}},
        {"range": {"token_count": {"gte": 1, "lt": one.low}}},
    ]
    return {"query": {"bool": {"should": beyond}}, "size": 0, "track_total_hits": 1}


def any_with(token: str) -> dict[str, Any]:
    """Whether there is any document with the token; the server reads it off without visiting others."""
    return {"query": {"term": {"tokens": token}}, "size": 0, "track_total_hits": 1}


def misspelt(tokens: Sequence[str]) -> dict[str, Any]:
    """Which tokens are so few edits away from each of these; the answer to token n is called n.

    One edit is all that counts for a short token, and less work for the server than two.
    """
    alike = {
        "field": "tokens",
        "analyzer": "keyword",
        "suggest_mode": "always",
        "prefix_length": 0,
        "min_word_length": 1,
        "accuracy": 0.0,
        "max_term_freq": _ANY_NUMBER,  # else words of deleted captions would be taken for sound ones
        "size": _SUGGESTED,
        "shard_size": _SUGGESTED,
    }
    asked = {
        str(number): {"text": token, "term": alike | {"max_edits": edits(token)}}
        for number, token in enumerate(tokens)
    }
    return {"size": 0, "track_total_hits": False, "suggest": asked}


def with_each(tokens: Sequence[str]) -> dict[str, Any]:
    """How many documents have each of these tokens, in their order."""
    counts = {"filters": {"filters": [{"term": {"tokens": token}} for token in tokens]}}
    return {"size": 0, "track_total_hits": False, "aggs": {"tokens": counts}}


def at_least(
    tokens: frozenset[str], sizes: Sequence[int], min_score: float, filters: Filters
) -> dict[str, Any]:
    """Documents of these sizes whose Jaccard similarity is `min_score` or more."""
    a = len(tokens)
    by_size = [
        {
            "bool": {
                "should": _one_of(
                    {"term": {"sized_tokens": term}}
                    for term in findable(sized(n, token) for token in sorted(tokens))
                ),
                "minimum_should_match": overlap,
            }
        }
        for n in sizes
        if (overlap := least_overlap(a, n, min_score)) is not None
    ]
    return {"bool": {"filter": [{"bool": {"should": by_size}}, *filter_clauses(filters)]}}
