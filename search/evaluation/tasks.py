"""The three tasks: people's ratings, photo to photo, caption to photo."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from search.evaluation.data import Captions, RatedPair
from search.evaluation.measures import (
    Estimate,
    Relevance,
    mean_interval,
    ndcg,
    own_ranks,
    recall,
    spearman_interval,
)
from search.evaluation.rankers import EvaluationQuery, Ranker, weighted_jaccard
from search.evaluation.rows import Row


@dataclass(frozen=True, slots=True)
class Agreement:
    """Spearman with people's ratings."""

    one: Estimate  # one caption (the first) against the best of the other photo's
    five: Estimate  # each caption of both against the best of the other's, averaged


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Photo to photo."""

    ndcg: Estimate
    milliseconds: float  # median time of a query
    rankings: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """A written caption finds its own photo: recall, and the median rank (infinite beyond `DEPTH`)."""

    recall: Mapping[int, float]
    median_rank: float


DEPTH = 1000
RECALL_AT = (1, 5, 10)
_HITS = 10  # of a photo: as nDCG@10 is named in table and report


def agree_with_people(
    row: Row, pairs: Sequence[RatedPair], captions: Captions, seed: int
) -> Agreement | None:
    """None for a row that does not compare captions."""
    if row.tokens is None:
        return None
    images = {image for pair in pairs for image in (pair.one, pair.other)}
    tokens = row.tokens
    sets = {image: [tokens(caption) for caption in captions[image]] for image in images}
    firsts = {image: group[:1] for image, group in sets.items()}
    if row.union:
        sets = {image: [frozenset[str]().union(*group)] for image, group in sets.items()}
    ratings = [pair.rating for pair in pairs]
    one = [_best_of(row, firsts[pair.one], sets[pair.other]) for pair in pairs]
    five = [
        (_best_of(row, sets[pair.one], sets[pair.other]) + _best_of(row, sets[pair.other], sets[pair.one]))
        / 2
        for pair in pairs
    ]
    return Agreement(spearman_interval(one, ratings, seed), spearman_interval(five, ratings, seed))


def _best_of(row: Row, mine: Sequence[frozenset[str]], theirs: Sequence[frozenset[str]]) -> float:
    """Each of my sets against the best of theirs, averaged."""
    return fmean(max(weighted_jaccard(one, other, row.weight) for other in theirs) for one in mine)


def find_similar(
    ranker: Ranker, queries: Sequence[EvaluationQuery], relevance: Relevance, seed: int
) -> Retrieval:
    """nDCG@10 over the queries that have relevant photos."""
    rankings, times = {}, []
    for query in queries:
        started = time.perf_counter()
        rankings[query.image] = ranker.rank(query, _HITS)
        times.append((time.perf_counter() - started) * 1000.0)
    judged = {query.image: relevance[query.image] for query in queries if relevance.get(query.image)}
    return Retrieval(
        mean_interval(list(ndcg(rankings, judged, _HITS).values()), seed), median(times), rankings
    )


def find_own_photo(ranker: Ranker, queries: Sequence[EvaluationQuery]) -> Finding:
    """`queries`: a written caption of each photo, under the photo's name."""
    ranks = own_ranks({query.image: ranker.rank(query, DEPTH) for query in queries})
    return Finding({k: recall(ranks, k) for k in RECALL_AT}, median(ranks))
