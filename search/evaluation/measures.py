"""Measures: rank correlation with its interval, and what pytrec_eval (NIST's trec_eval) computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.evaluation.extra import extra

#: query -> document -> gain, 0 or more; trec_eval takes whole numbers.
Relevance = Mapping[str, Mapping[str, int]]
#: query -> documents, the best first.
Rankings = Mapping[str, Sequence[str]]
#: Samples of a bootstrap.
_DRAWS = 300


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its bootstrap interval of 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def spearman(scores: Sequence[float], ratings: Sequence[float]) -> float:
    """Spearman's rank correlation; equal values share their mean rank."""
    statistics: Any = extra("scipy.stats")
    return float(statistics.spearmanr(scores, ratings).statistic)


def spearman_interval(scores: Sequence[float], ratings: Sequence[float], seed: int) -> Estimate:
    """Spearman with the percentile bootstrap over pairs (B. Efron, 1979)."""
    statistics: Any = extra("scipy.stats")
    generator = np.random.default_rng(seed)
    given, wanted = np.asarray(scores, float), np.asarray(ratings, float)
    drawn = []
    for _ in range(_DRAWS):
        rows = generator.integers(0, len(given), len(given))
        ranks = statistics.rankdata(given[rows]), statistics.rankdata(wanted[rows])
        drawn.append(float(np.corrcoef(*ranks)[0, 1]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(spearman(scores, ratings), float(low), float(high))


def mean_interval(values: Sequence[float], seed: int) -> Estimate:
    """A mean over queries with its percentile bootstrap."""
    given = np.asarray(values, float)
    rows = np.random.default_rng(seed).integers(0, len(given), (_DRAWS, len(given)))
    low, high = np.quantile(given[rows].mean(axis=1), [0.025, 0.975])
    return Estimate(float(given.mean()), float(low), float(high))


def ndcg(rankings: Rankings, relevance: Relevance, k: int = 10) -> dict[str, float]:
    """nDCG@k of each query of `relevance`: gains discounted by log2(rank + 1), over the best order's.

    A query without an answer scores 0. A document that comes twice counts where it comes first, and the
    second place is lost (trec_eval itself forbids it).
    """
    pytrec_eval: Any = extra("pytrec_eval")
    evaluator = pytrec_eval.RelevanceEvaluator(
        {query: dict(gains) for query, gains in relevance.items()}, {f"ndcg_cut.{k}"}
    )
    found = evaluator.evaluate({query: _run(rankings[query]) for query in relevance if rankings.get(query)})
    return {query: found[query][f"ndcg_cut_{k}"] if query in found else 0.0 for query in relevance}


def own_ranks(rankings: Rankings) -> list[float]:
    """The place at which each query finds the document of its own name; infinite where it does not."""
    return [
        float(list(found).index(query) + 1) if query in found else float("inf")
        for query, found in rankings.items()
    ]


def recall(ranks: Sequence[float], k: int) -> float:
    """Share of queries that find their own document among the first k."""
    return sum(rank <= k for rank in ranks) / len(ranks) if ranks else 0.0


def _run(documents: Sequence[str]) -> dict[str, float]:
    """Document -> score, falling from place to place, since trec_eval sorts by score.

    A repeated document is renamed, so that it keeps its place and is relevant to nothing.
    """
    seen: dict[str, float] = {}
    for place, document in enumerate(documents):
        name = document if document not in seen else f"{document}\t{place}"
        seen[name] = float(len(documents) - place)
    return seen
