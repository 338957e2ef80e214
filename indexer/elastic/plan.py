"""Which sizes a query looks at, the engine's score of a class, and bounds; pure.

A query of a tokens and a document of n tokens that share o of them make the class (o, n). Two measures:

* Jaccard similarity, o/(a+n-o), is what is wanted. Names that end in `_jaccard` hold it; `Query.min_score`
  is one, too.
* Half of Dice, o/(a+n), is what the engine can compute: a sum of o equal boosts 1/(a+n), in float32. Names
  that end in `_half_dice` hold it; the engine's `_score` and `Position.score` are such.

They rank alike: Jaccard is D/(1-D) with D = o/(a+n), which rises with D. So the score of a hit tells the
Jaccard similarity of its class, and no hit behind it has a higher one. That is so but for rounding: classes
nearer than SLACK have the same float32. Hence two translations, which err on the safe side only:

* `jaccard_bound`: the highest Jaccard similarity of a hit whose engine score is so much or less.
* `highest_half_dice`: the highest engine score of a hit whose Jaccard similarity is so much or less.

What was not looked at is bounded by its size: o is min(a, n) at most, so documents of n tokens reach
min(a, n)/max(a, n) at most, their potential.
"""

from __future__ import annotations

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


def half_dice(a: int, n: int, overlap: int) -> float:
    """The engine's `_score` of a document with n tokens that shares `overlap` of the query's a."""
    return float32(overlap * boost(a, n))


def jaccard(a: int, n: int, overlap: int) -> float:
    """|A∩B| / |A∪B|, correctly rounded (so that comparing these floats is comparing the fractions)."""
    return overlap / (a + n - overlap)


def highest_half_dice(most_jaccard: float) -> float:
    """No class of a Jaccard similarity up to `most_jaccard` has a higher score of the engine."""
    return float32(most_jaccard / (1.0 + most_jaccard) * _SLACK_OF_BOTH)


def jaccard_bound(a: int, sizes: Iterable[int], most_half_dice: float) -> float:
    """The highest Jaccard similarity of any class whose engine score is `most_half_dice` at most."""
    limit_half_dice = most_half_dice * SLACK
    best_jaccard = 0.0
    for n in sizes:
        overlap = min(int(limit_half_dice * (a + n)), min(a, n))
        best_jaccard = max(best_jaccard, jaccard(a, n, overlap))
    return best_jaccard


def potential_jaccard(a: int, n: int) -> float:
    """The most that a document of n tokens can reach: one set contains the other."""
    return min(a, n) / max(a, n)


def least_overlap(a: int, n: int, min_jaccard: float) -> int | None:
    """The smallest overlap whose Jaccard similarity is `min_jaccard` or more; None where there is none."""
    if n < 1 or potential_jaccard(a, n) < min_jaccard:
        return None
    # Rounding may make this one too low, never too high: it is rounded down from what overlaps must reach.
    overlap = max(1, int(min_jaccard * (a + n) / (1.0 + min_jaccard)))
    while jaccard(a, n, overlap) < min_jaccard:
        overlap += 1
    return overlap


def by_potential(a: int, sizes: Iterable[int], min_jaccard: float = 0.0) -> list[int]:
    """The sizes that can reach `min_jaccard`, most promising first."""
    able = [n for n in sizes if n >= 1 and potential_jaccard(a, n) >= min_jaccard]
    return sorted(able, key=lambda n: (-potential_jaccard(a, n), n))


def runs_of_sizes(a: int, sizes: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut sizes into runs that one query can hold (one by one where there are more tokens than CLAUSES)."""
    step = max(1, CLAUSES // a)
    for start in range(0, len(sizes), step):
        yield sizes[start : start + step]


@dataclass(frozen=True, slots=True)
class Window:
    """The sizes `low`..`high` (none when low > high) that one query looks at."""

    low: int
    high: int

    def sizes(self) -> range:
        return range(self.low, self.high + 1)

    def outside_jaccard(self, a: int) -> float:
        """The most that a document of any other size can reach."""
        if self.low > self.high:
            return 1.0
        return max(self._below_jaccard(a), self._above_jaccard(a))

    def _below_jaccard(self, a: int) -> float:
        if self.low > a + 1:  # the size a is among those below
            return 1.0
        return potential_jaccard(a, self.low - 1)

    def _above_jaccard(self, a: int) -> float:
        return potential_jaccard(a, self.high + 1) if self.high + 1 >= a else 1.0


def plan_window(a: int, smallest: int, largest: int, min_jaccard: float) -> Window:
    """The most promising run of sizes between those known to exist, as long as one query can hold."""
    low, high = max(1, smallest), largest
    if low > high or a > CLAUSES:
        return Window(1, 0)
    room = max(1, CLAUSES // a)
    left = right = min(max(a, low), high)
    while right - left + 1 < room:
        able = [
            n for n in (left - 1, right + 1) if low <= n <= high and potential_jaccard(a, n) >= min_jaccard
        ]
        if not able:
            break
        best = max(able, key=lambda n: potential_jaccard(a, n))
        left, right = min(left, best), max(right, best)
    return Window(left, right)
