"""Which sizes a query looks at, the engine's score of a class, and bounds; pure.

For a query of a tokens and a document of n tokens that share o, the Jaccard similarity o/(a+n-o) rises
with Dice/2 = o/(a+n). So a sum of o equal boosts 1/(a+n) ranks as Jaccard does, and all documents of one
class (o, n) get one score.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from ctypes import c_float
from dataclasses import dataclass

#: Most clauses in one query. The server's limit grows with its heap and is never below 1024.
CLAUSES = 960
#: The engine adds float32 boosts; two classes nearer than this cannot be told apart by their scores.
SLACK = 1.0 + 2.0**-21
#: Twice that, where a rounded number is compared with the engine's: each may be off by the slack.
_SLACK_OF_BOTH = 1.0 + 2.0**-20


def float32(value: float) -> float:
    """The nearest single-precision number, as the engine stores it."""
    return c_float(value).value


def boost(a: int, n: int) -> float:
    return float32(1.0 / (a + n))


def class_score(a: int, n: int, overlap: int) -> float:
    """The engine's `_score` of a document with n tokens that shares `overlap` of the query's a."""
    return float32(overlap * boost(a, n))


def class_potential(score: float) -> float:
    """No class of a Jaccard similarity up to `score` has a higher score of the engine, which is Dice/2."""
    return float32(score / (1.0 + score) * _SLACK_OF_BOTH)


def jaccard(a: int, n: int, overlap: int) -> float:
    """|A∩B| / |A∪B|, correctly rounded (so that comparing these floats is comparing the fractions)."""
    return overlap / (a + n - overlap)


def potential(a: int, n: int) -> float:
    """The most that a document of n tokens can reach: one set contains the other."""
    return min(a, n) / max(a, n)


def least_overlap(a: int, n: int, score: float) -> int | None:
    """The smallest overlap whose Jaccard similarity is `score` or more; None where there is none."""
    if n < 1 or potential(a, n) < score:
        return None
    overlap = max(1, min(min(a, n), int(score * (a + n) / (1.0 + score))))
    while overlap > 1 and jaccard(a, n, overlap - 1) >= score:
        overlap -= 1
    while jaccard(a, n, overlap) < score:
        overlap += 1
    return overlap


def by_potential(a: int, sizes: Iterable[int], min_score: float = 0.0) -> list[int]:
    """The sizes that can reach `min_score`, most promising first."""
    able = [n for n in sizes if n >= 1 and potential(a, n) >= min_score]
    return sorted(able, key=lambda n: (-potential(a, n), n))


def runs_of_sizes(a: int, sizes: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut sizes into runs that one query can hold (one by one where there are more tokens than CLAUSES)."""
    step = max(1, CLAUSES // a)
    for start in range(0, len(sizes), step):
        yield sizes[start : start + step]


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Captions that share `overlap` or more of a query's `a` tokens, as far as their size lets them matter.

    All others reach a Jaccard similarity of `beyond` at most: with one token less in common a caption reaches
    it by having no other; and the potential of a size that is left out is no higher.
    """

    a: int
    overlap: int

    @property
    def beyond(self) -> float:
        return (self.overlap - 1) / self.a

    @property
    def low(self) -> int:
        return self.overlap

    @property
    def high(self) -> int:
        """The last size n with a/n above `beyond`."""
        return (self.a * self.a - 1) // (self.overlap - 1)

    def sizes(self) -> list[int]:
        """Nearest to `a` first: most captions that share much are there."""
        return sorted(range(self.low, self.high + 1), key=lambda n: abs(n - self.a))


def shortlist(a: int, score: float) -> Shortlist | None:
    """Enough to find all captions of a Jaccard similarity of `score` or more; None where it gains nothing."""
    overlap = math.ceil(score * a)
    if overlap and (overlap - 1) / a >= score:  # the product was rounded up
        overlap -= 1
    if overlap < 2 or overlap > a:
        return None
    one = Shortlist(a, overlap)
    return one if a + one.high - one.low + 1 <= CLAUSES else None


class Expectation:
    """The score that an answer's last hit will have or surpass, by those of the answers before.

    Too high a guess costs a second request, too low a one costs the server work.
    """

    FIRST = 0.4
    _REMEMBERED = 64
    #: One in so many answers may end below what is expected.
    _SHARE = 8

    def __init__(self) -> None:
        # What few captions pass a filter says nothing of searches among all, and the other way round.
        self._seen = {filtered: deque[float](maxlen=self._REMEMBERED) for filtered in (False, True)}

    def score(self, *, filtered: bool = False) -> float:
        seen = sorted(self._seen[filtered])
        return seen[len(seen) // self._SHARE] if len(seen) >= self._SHARE else self.FIRST

    def learn(self, score: float, *, filtered: bool = False) -> None:
        self._seen[filtered].append(score)


@dataclass(frozen=True, slots=True)
class Window:
    """The sizes `low`..`high` (none when low > high) that one query looks at."""

    low: int
    high: int

    def sizes(self) -> range:
        return range(self.low, self.high + 1)

    def outside(self, a: int) -> float:
        """The most that a document of any other size can reach."""
        if self.low > self.high:
            return 1.0
        below = potential(a, self.low - 1) if 1 < self.low <= a + 1 else (1.0 if self.low > a + 1 else 0.0)
        above = potential(a, self.high + 1) if self.high + 1 >= a else 1.0
        return max(below, above)


def window(a: int, smallest: int, largest: int, min_score: float) -> Window:
    """The most promising run of sizes between those known to exist, as long as one query can hold."""
    low, high = max(1, smallest), largest
    if low > high or a > CLAUSES:
        return Window(1, 0)
    room = max(1, CLAUSES // a)
    left = right = min(max(a, low), high)
    while right - left + 1 < room:
        more = [n for n in (left - 1, right + 1) if low <= n <= high and potential(a, n) >= min_score]
        if not more:
            break
        best = max(more, key=lambda n: potential(a, n))
        left, right = min(left, best), max(right, best)
    return Window(left, right)


def bound(a: int, sizes: Iterable[int], score: float) -> float:
    """The highest Jaccard similarity of any class whose engine score is not above `score`."""
    limit = score * SLACK
    best = 0.0
    for n in sizes:
        overlap = min(int(limit * (a + n)), min(a, n))
        if overlap > 0:
            best = max(best, jaccard(a, n, overlap))
    return best
