"""The best sets of a segment, found with NumPy: where `kernel` is not compiled.

Of a set that shares o of a query's k known tokens, the p rarest tokens' postings miss k - p at most; so with
p = k - o + h it is met h times or more in them, or o times if that is less. Sets met so often are few, and
their overlaps are counted in their own tokens. (Prefix filter: Chaudhuri, Ganti and Kaushik, ICDE 2006; met
more than once: Li, Lu and Lu, ICDE 2008.) Each slice of postings, of one token at one size, is needed for
sets down to some score only: the slice's *reach*. Once every slice that reaches t is read, every set of t or
more is known.

Slices are read in few steps, all sizes at once: first some cheap ones, whose sets tell how deep the answer
lies, then all that reach so far. Where counting every posting of the query costs less, that is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from indexer.embedded.dtypes import Bool, Float64, Int32, Int64, UInt8
from indexer.embedded.token_sets import TokenSets

# Cost model, nanoseconds, measured with NumPy 2.4 on one x86 core (docs/design.md); only speed depends on it.
_COUNT_POSTING, _COUNT_SET, _SORT_POSTING = 3.0, 1.0, 8.0
#: Postings read in the first step, and how many times as many in each step after, unless what was found tells
#: how deep to go.
_FIRST_POSTINGS, _GROWTH = 12_000, 8
#: How often a set must be met, for queries of so many known tokens.
_HITS, _TWICE_FROM = 2, 4


@dataclass(frozen=True, slots=True)
class SegmentQuery:
    """A query as a segment knows it: the tokens that occur there, the rarest first.

    Token t is held by the sets `postings[begins[t] + cuts[t, c] : begins[t] + cuts[t, c + 1]]` of class c.
    `marks` is 1 for each of them, and 0 for the rest of the vocabulary.
    """

    begins: Int64
    cuts: Int32
    marks: UInt8
    size: int  # how many tokens the query has, known or not
    together: bool  # whether some of the known ones have the same sets


#: A way to find the best sets, such as `best`.
Best = Callable[[TokenSets, SegmentQuery, int, float, float], tuple[Int32, Float64, float, int]]


def best(
    token_sets: TokenSets, query: SegmentQuery, wanted: int, floor: float, highest: float
) -> tuple[Int32, Float64, float, int]:
    """Sets that score `floor` (above 0) to `highest`: the `wanted` best and what equals them, or all if 0.

    Gives sets, in any order, their scores, the score from which on these are all there are (some below it
    may be among them), and how many captions were looked at. Raises ValueError or IndexError for arrays that
    do not fit each other.
    """
    slices = _Slices(token_sets, query)
    least = slices.affordable(0)
    while True:
        least = max(min(least, highest), floor)
        place, bound = slices.below(least)
        sets, overlaps = slices.met(least, bound)
        scores = overlaps / (query.size + token_sets.sizes_of(sets) - overlaps)
        inside = (scores <= highest) & (scores >= floor)
        last = float(np.partition(scores[inside], -wanted)[-wanted]) if 0 < wanted <= inside.sum() else 0.0
        if last > bound or bound < floor or bound == 0.0:
            # What was looked at before was looked at once more: the last step tells of all.
            return sets[inside], scores[inside], max(last, floor), token_sets.captions(sets)
        least = last or slices.affordable(place)


class _Slices:
    """The postings of a query by token and class, and what has to be read of them for which score."""

    def __init__(self, token_sets: TokenSets, query: SegmentQuery) -> None:
        self._token_sets, self._query = token_sets, query
        self._edges = edges = query.begins[:, None] + query.cuts
        known, sizes = len(edges), token_sets.sizes
        self._hits = 1 if known < _TWICE_FROM else _HITS + query.together
        rest = np.arange(known, 0, -1)[:, None] + (self._hits - 1)
        overlaps = np.minimum(rest, np.minimum(sizes, known))
        #: Shape (tokens, classes). Along sizes it rises and then falls: what reaches a score is one stretch.
        self._reach = overlaps / (query.size + sizes - overlaps)
        lengths = edges[:, 1:] - edges[:, :-1]
        held = lengths > 0
        reaches = self._reach[held]
        order = np.argsort(-reaches, kind="stable")
        #: Of all slices, best first: what they reach, and the postings up to and with each.
        self._reaches, self._costs = reaches[order], lengths[held][order].cumsum()

    def affordable(self, place: int) -> float:
        """How low the step after `place` slices comes for a few times the postings read so far."""
        if not len(self._reaches):
            return 0.0
        spent = int(self._costs[place - 1]) * _GROWTH if place else _FIRST_POSTINGS
        last = max(place, int(self._costs.searchsorted(spent, side="right")) - 1)
        return float(self._reaches[min(last, len(self._reaches) - 1)])

    def below(self, least: float) -> tuple[int, float]:
        """How many slices reach `least`, and what the next one reaches."""
        place = int((-self._reaches).searchsorted(-least, side="right"))
        return place, float(self._reaches[place]) if place < len(self._reaches) else 0.0

    def met(self, least: float, bound: float) -> tuple[Int32, Int32]:
        """Every set that scores more than `bound`, and others, ascending; and their overlaps."""
        reaching = self._reach >= least
        parts = self._read(reaching)
        read, sets = sum(map(len, parts)), int(self._token_sets.class_sets[-1])
        if read * _SORT_POSTING > len(self._every) * _COUNT_POSTING + sets * _COUNT_SET:
            counts = np.bincount(self._every, minlength=sets)
            found = np.flatnonzero(counts).astype(np.int32)
            return found, counts[found].astype(np.int32)
        found = _merged(parts, self._times(reaching, bound) if parts else 1)
        return found, self._token_sets.overlaps(found, self._query.marks)

    @cached_property
    def _every(self) -> Int32:
        lists = [self._token_sets.postings[edges[0] : edges[-1]] for edges in self._edges]
        return np.concatenate([np.zeros(0, np.int32), *lists])

    def _read(self, reaching: Bool) -> list[Int32]:
        """The postings of these slices, a stretch for each token."""
        postings, first = self._token_sets.postings, reaching.argmax(axis=1)
        last = first + reaching.sum(axis=1)
        row = np.arange(len(first))
        begins, ends = self._edges[row, first].tolist(), self._edges[row, last].tolist()
        return [postings[begin:end] for begin, end in zip(begins, ends, strict=True) if begin < end]

    def _times(self, reaching: Bool, bound: float) -> int:
        """How often every set above `bound` is met in these slices."""
        size = int(self._token_sets.sizes[reaching.any(axis=0)].min())
        # The least overlap that scores more than `bound`; rounding may make it one less, which is safe.
        overlap = int(bound * (self._query.size + size) / (1.0 + bound)) + 1
        return max(1, min(self._hits, overlap))


def _merged(parts: list[Int32], times: int) -> Int32:
    """The sets that stand in so many of these postings or more, ascending."""
    sets = np.concatenate([np.zeros(0, np.int32), *parts])
    # Ascending runs one after another: a merge sort has little to do.
    sets.sort(kind="stable")
    if times > 1:
        sets = sets[times - 1 :][sets[times - 1 :] == sets[: 1 - times]]
    new = np.ones(len(sets), bool)
    np.not_equal(sets[1:], sets[:-1], out=new[1:])
    return sets[new]
