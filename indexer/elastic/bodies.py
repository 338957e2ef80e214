"""What the server is asked, as request bodies; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from indexer.corrections import edits
from indexer.elastic.documents import SOURCE, filter_clauses, findable, sized
from indexer.elastic.plan import Window, boost, least_overlap
from indexer.records import Filters, Query

#: Characters of the longest pattern that the server takes (index.max_regex_length).
_LONGEST_PATTERN = 1_000
#: What means something in a pattern is among these.
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
#: Tokens alike that the server gives: those with another first letter are among them, and left out later.
_SUGGESTED = 500
#: So many documents may hold a token; the server takes no share of all of them for that.
_ANY_NUMBER = 1_000_000_000


def nearly_ranked(query: Query, percent: int, size: int) -> dict[str, Any] | None:
    """A body like `ranked` whose scores rank nearly as Dice does; None where the server may not take it.

    Of all queries for several words only those for a pattern of words can give them one idf (`rewrite`).
    """
    pattern = "|".join(_literally(token) for token in sorted(query.tokens))
    if len(pattern.encode("utf-16-le", "surrogatepass")) > 2 * _LONGEST_PATTERN:
        return None
    matching = {
        "value": pattern,
        "flags": "NONE",
        "rewrite": f"top_terms_blended_freqs_{len(query.tokens)}",
    }
    return _best(query, {"regexp": {f"tokens.dice_{percent}": matching}}, size)


def _literally(token: str) -> str:
    """A pattern that only the token matches."""
    return _PUNCTUATION.sub(r"\\\g<0>", token) or "()"


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
    return _best(query, {"dis_max": {"queries": by_size}}, size)


def _one_of(clauses: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """To match any of these: the server takes no clause at all for everything."""
    return [*clauses] or [{"match_none": {}}]


def _best(query: Query, scored: dict[str, Any], size: int) -> dict[str, Any]:
    if query.filters:
        scored = {"bool": {"must": [scored], "filter": filter_clauses(query.filters)}}
    body: dict[str, Any] = {
        "query": scored,
        "size": size,
        # One that is missing is "" to us, which comes before all others.
        "sort": [{"_score": "desc"}, {"image_id": {"order": "asc", "missing": "_first"}}],
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
