"""The engine's own score, which ranks nearly as Dice does, and what its order proves; pure.

A search engine skips most captions where it adds up scores of single tokens, and the score that it knows best
is BM25 (Robertson and Zaragoza, 2009): a token that a caption of n tokens has once is worth

    idf / (1 + k1 * (1 - b + b * n / mean)),  mean being the mean of n.

With b = 1 and one idf for all tokens, a caption that shares o tokens with the query gets w * o / (K + n),
with K = mean / k1. That is the order of Dice, but for K in the place of the query's number of tokens a. So
the same tokens are indexed several times, with K in `PERCENTS` of the mean; a query takes the K that fits it.

The order proves something for any K: a caption that comes after the last hit, of the class (o', n'), has
o / (K + n) <= o' / (K + n'). Which classes those are, and the best of them, tells `unseen`. K itself is not
told by the server (it changes with every caption that is written), but follows from two hits of different
sizes. All that holds within one shard, since each has a mean and an idf of its own.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from indexer.elastic.plan import jaccard

#: K of each field, in percent of the mean number of tokens of a caption; ascending. As in the index template.
PERCENTS = (30, 50, 70, 100, 140, 200)
#: A K that is lower than this share of a puts short captions too far in front; one up to 1.4 a does well.
_FITTING, _TOLERABLE = 0.97, 0.7
#: Of so many queries that no field is near enough for, one tells whether that is still so.
_TRIED_AGAIN = 100
#: Of a sentence about a photo, by most analyzers.
_USUAL_MEAN = 10.0
#: The engine keeps shorter sizes than this as they are, longer ones to four binary digits.
_EXACT_SIZES = 40


@dataclass(frozen=True, slots=True)
class ScoredClass:
    """A hit as far as its rank goes: the engine's score, and the class (overlap, size) that has it."""

    score: float
    overlap: int
    size: int


@dataclass(frozen=True, slots=True)
class Unseen:
    """What the captions behind the last hit can be: their best Jaccard similarity, 0.0 if there are none.

    With `as_last`, those that reach it are of the last hit's class, and so come after it by their image ids.
    """

    jaccard: float
    as_last: bool


#: Two numbers that K lies between.
Between = tuple[float, float]
#: Behind the hits of a shard that has given all it has.
NOTHING = Unseen(0.0, as_last=False)


class MeanSize:
    """The mean number of tokens of a caption in one index, as the last answers tell it."""

    def __init__(self) -> None:
        self._mean = _USUAL_MEAN
        self._learnt = False
        self._refused = 0

    def percent(self, a: int) -> int | None:
        """The field for a query of a tokens; None where the order of none is near enough.

        Who asks no field learns nothing, so one is tried now and then: others may write longer captions.
        """
        fitting = (percent for percent in PERCENTS if self._mean * percent >= 100 * _FITTING * a)
        tolerable = not self._learnt or self._mean * PERCENTS[-1] >= 100 * _TOLERABLE * a
        return next(fitting, PERCENTS[-1] if tolerable or self._is_tried_again() else None)

    def _is_tried_again(self) -> bool:
        self._refused += 1
        return self._refused % _TRIED_AGAIN == 0

    def learn(self, percent: int, k: Between) -> None:
        """From K, as the hits of a field told it."""
        low, high = k
        if high < math.inf:
            self._mean, self._learnt = 50 * (low + high) / percent, True


def indexed_size(n: int) -> int:
    """The size that the engine takes for n (Lucene's `SmallFloat.intToByte4`), n or a little less."""
    if n < _EXACT_SIZES:
        return n
    beyond = n - 24
    dropped = beyond.bit_length() - 4
    return 24 + (beyond >> dropped << dropped)


def damping(hits: Sequence[ScoredClass]) -> Between:
    """Between which numbers K is; (0, infinity) where all hits are of one size, or contradict the formula."""
    small = min(hits, key=lambda hit: hit.size, default=None)
    large = max(hits, key=lambda hit: hit.size, default=None)
    if small is None or large is None or indexed_size(small.size) == indexed_size(large.size):
        return 0.0, math.inf
    n, beyond = indexed_size(small.size), indexed_size(large.size) - indexed_size(small.size)
    ratio, slack = _told_ratio(large, small), _slack(large.size)
    low = beyond / (ratio * slack - 1.0) - n if ratio * slack > 1.0 else 0.0
    high = beyond / (ratio / slack - 1.0) - n if ratio > slack else math.inf
    return (max(0.0, low), high) if high > 0.0 else (0.0, math.inf)


def contradicts(hits: Sequence[ScoredClass], k: Between) -> bool:
    """Whether some score is not what the formula gives, as of what another program wrote it may be."""
    if not hits:
        return False
    low, high = k
    small = min(hits, key=lambda hit: hit.size)

    def fits(hit: ScoredClass) -> bool:
        ratio, slack = _told_ratio(hit, small), _slack(hit.size)
        n, least = indexed_size(hit.size), indexed_size(small.size)
        return _ratio(high, n, least) <= ratio * slack and ratio <= _ratio(low, n, least) * slack

    return not all(map(fits, hits))


def unseen(a: int, hits: Sequence[ScoredClass], k: Between) -> Unseen:
    """What the first hits leave out, for a query of a tokens; K is what they tell of it."""
    if not hits or contradicts(hits, k):
        return Unseen(1.0, as_last=False)
    last, (low, high) = hits[-1], k

    def most(n: int) -> int:
        """The greatest overlap that the order leaves to captions of n tokens; it rises with n."""
        factor = _ratio(low if n > last.size else high, indexed_size(n), indexed_size(last.size))
        return int(last.overlap * factor * _slack(max(n, last.size)))

    best, as_last = jaccard(a, last.size, last.overlap), True
    for overlap in range(1, a + 1):
        # Of captions that share so many tokens the smallest is the best; larger than this it is none.
        sizes = range(overlap, int(overlap / best) - a + overlap + 2)
        n = overlap + bisect_left(sizes, overlap, key=most)
        reached = jaccard(a, n, overlap) if n - overlap < len(sizes) else 0.0
        if reached >= best and (overlap, n) != (last.overlap, last.size):
            best, as_last = reached, False
    return Unseen(best, as_last)


def _told_ratio(one: ScoredClass, other: ScoredClass) -> float:
    """(K + n of the one) / (K + n of the other), as their scores tell it."""
    return other.score * one.overlap / (one.score * other.overlap)


def _ratio(k: float, n: int, other: int) -> float:
    """(k + n) / (k + other)"""
    return 1.0 if k == math.inf else (k + n) / (k + other)


def _slack(n: int) -> float:
    """By what factor two scores of captions of n tokens at most can differ in ratio from their formula.

    The engine computes w - w / (1 + K / n) in single precision: its relative error is that of single
    precision times n / K, and K is no less than the least share of a mean of 1.
    """
    return 1.0 + 2.0**-21 * (1 + 100 * n / PERCENTS[0])
