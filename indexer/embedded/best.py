"""The best sets of a segment, found with NumPy: used where `kernel` is not compiled.

Prefix filter with a count: of a set that shares o of a query's k known tokens, at most k - p of these are
outside the p rarest. So with p = k - o + h it occurs in h of their posting lists or more (or in o, if that is
less): it has h *hits*. Sets with so many hits are few, and their overlaps are counted token by token.
(Chaudhuri, Ganti and Kaushik, ICDE 2006; with more than one hit: Li, Lu and Lu, ICDE 2008.)

A *slice* is the part of a token's posting list that holds the sets of one size. Its *reach* is the lowest
score that it must be read for: once all slices with a reach of t or more are read, every set that scores t or
more is known.

Slices are read in few steps, each over all sizes: first some with the highest reach, whose sets tell how deep
the answer lies, then all that reach that deep. Where counting every posting of the query is cheaper, that is
done instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from indexer.embedded.dtypes import Bool, Float64, Int32, Int64, UInt8
from indexer.embedded.token_sets import TokenSets

# Cost model, nanoseconds, measured with NumPy 2.4 on one x86 core; only speed depends on it.
_COUNT_POSTING, _COUNT_SET, _SORT_POSTING = 3.0, 1.0, 8.0
#: Postings read in the first step. Each step after it reads so many times as many, unless the scores found
#: tell how deep to go.
_FIRST_POSTINGS, _GROWTH = 12_000, 8
#: Hits that make a set a candidate, for queries of so many known tokens; for shorter queries one hit does.
_HITS, _LONG_QUERY = 2, 4


@dataclass(frozen=True, slots=True)
class SegmentQuery:
    """A query as a segment knows it: the tokens that occur there, the rarest first.

    The sets of size class c that hold token t are those in `TokenSets.postings` from `edges[t, c]` up to
    `edges[t, c + 1]`. `marks` is 1 for each of the query's tokens, and 0 for the rest of the
    vocabulary.
    """

    edges: Int64
    marks: UInt8
    size: int  # how many tokens the query has, known or not
    together: bool  # whether some known tokens probably occur in the same sets: one more hit is wanted then


def class_edges(token_sets: TokenSets, begin: int, end: int) -> Int64:
    """Where each size class begins in the posting list from `begin` up to `end`, and where the last one ends.

    Raises IndexError for a list that does not lie within the postings.
    """
    if not 0 <= begin <= end <= len(token_sets.postings):
        raise IndexError("a posting list does not lie within the postings")
    return begin + token_sets.postings[begin:end].searchsorted(token_sets.class_sets)


#: A way to find the best sets, such as `find_best`.
FindBest = Callable[[TokenSets, SegmentQuery, int, float, float], tuple[Int32, Float64, float, int]]


def find_best(
    token_sets: TokenSets, query: SegmentQuery, wanted: int, floor: float, highest: float
) -> tuple[Int32, Float64, float, int]:
    """The `wanted` best sets that score `floor` (above 0) to `highest`, and equal ones; all if `wanted` is 0.

    Gives the sets, best first and equal ones ascending; their scores; the score from which on none is
    missing; and how many captions were examined. Raises ValueError or IndexError for arrays that do not fit
    each other.
    """
    slices = _Slices(token_sets, query)
    least = slices.affordable_reach(0)
    while True:
        least = max(min(least, highest), floor)
        read, bound = slices.count_reaching(least)
        sets, overlaps = slices.candidates(least, bound)
        scores = overlaps / (query.size + token_sets.sizes_of(sets) - overlaps)
        found, their_scores, last = best_of(sets, scores, wanted, floor, highest)
        enough = 0 < wanted <= len(found)
        if (enough and last > bound) or bound < floor or bound == 0.0:
            # Each step reads again what the steps before it read: the last one counts all that was examined.
            return found, their_scores, last, token_sets.count_captions(sets)
        least = last if enough else slices.affordable_reach(read)


def best_of(
    sets: Int32, scores: Float64, wanted: int, floor: float, highest: float
) -> tuple[Int32, Float64, float]:
    """Return the best of `sets` (ascending) as `find_best` does, their scores, the lowest complete score."""
    inside = (scores <= highest) & (scores >= floor)
    sets, scores = sets[inside], scores[inside]
    if 0 < wanted <= len(sets):
        floor = float(np.partition(scores, -wanted)[-wanted])
    best = np.argsort(-scores, kind="stable")[: np.count_nonzero(scores >= floor)]
    return sets[best], scores[best], floor


class _Slices:
    """The slices of a query's posting lists, by token and size class, and the reach of each."""

    def __init__(self, token_sets: TokenSets, query: SegmentQuery) -> None:
        self._token_sets, self._query = token_sets, query
        self._edges = edges = query.edges
        known = len(edges)
        self._hits = 1 if known < _LONG_QUERY else _HITS + query.together
        #: Shape (tokens, classes). Along the classes it rises and then falls, so those that reach a score are
        #: neighbours.
        self._reach = self._reach_of_slices(known)
        lengths = edges[:, 1:] - edges[:, :-1]
        filled = lengths > 0
        reaches = self._reach[filled]
        order = np.argsort(-reaches, kind="stable")
        #: Of all slices that hold postings, highest reach first: the reach, and the postings read with it.
        self._descending, self._postings = reaches[order], lengths[filled][order].cumsum()

    def _reach_of_slices(self, known: int) -> Float64:
        sizes = self._token_sets.sizes
        # The largest overlap for which a token is in the prefix; a set cannot share more than all its tokens.
        largest = np.arange(known, 0, -1)[:, None] + (self._hits - 1)
        overlaps = np.minimum(largest, np.minimum(sizes, known))
        reach: Float64 = overlaps / (self._query.size + sizes - overlaps)
        return reach

    def affordable_reach(self, read: int) -> float:
        """How low a reach the next step can afford: it may read some times the postings of `read` slices."""
        if not len(self._descending):
            return 0.0
        budget = int(self._postings[read - 1]) * _GROWTH if read else _FIRST_POSTINGS
        last = max(read, int(self._postings.searchsorted(budget, side="right")) - 1)
        return float(self._descending[min(last, len(self._descending) - 1)])

    def count_reaching(self, least: float) -> tuple[int, float]:
        """How many slices have a reach of `least` or more, and the reach of the next one."""
        count = int((-self._descending).searchsorted(-least, side="right"))
        return count, float(self._descending[count]) if count < len(self._descending) else 0.0

    def candidates(self, least: float, bound: float) -> tuple[Int32, Int32]:
        """Every set that scores more than `bound`, and others, ascending; and their overlaps.

        Found in the slices with a reach of `least` or more; `bound` is the highest reach of the rest.
        """
        reaching = self._reach >= least
        parts = self._read(reaching)
        postings, sets = sum(map(len, parts)), int(self._token_sets.class_sets[-1])
        if postings * _SORT_POSTING > len(self._all_postings) * _COUNT_POSTING + sets * _COUNT_SET:
            counts = np.bincount(self._all_postings, minlength=sets)
            found = np.flatnonzero(counts).astype(np.int32)
            return found, counts[found].astype(np.int32)
        found = _repeated(parts, self._least_hits(reaching, bound) if parts else 1)
        return found, self._token_sets.overlaps(found, self._query.marks)

    @cached_property
    def _all_postings(self) -> Int32:
        lists = [self._token_sets.postings[edges[0] : edges[-1]] for edges in self._edges]
        return np.concatenate([np.zeros(0, np.int32), *lists])

    def _read(self, reaching: Bool) -> list[Int32]:
        """The postings of these slices, one stretch for each token."""
        postings, first = self._token_sets.postings, reaching.argmax(axis=1)
        last = first + reaching.sum(axis=1)
        row = np.arange(len(first))
        begins, ends = self._edges[row, first].tolist(), self._edges[row, last].tolist()
        return [postings[begin:end] for begin, end in zip(begins, ends, strict=True) if begin < end]

    def _least_hits(self, reaching: Bool, bound: float) -> int:
        """How many hits every set that scores more than `bound` has in these slices at least."""
        size = int(self._token_sets.sizes[reaching.any(axis=0)].min())
        # The least overlap that scores more than `bound`; rounding may make it one less, which is safe.
        overlap = int(bound * (self._query.size + size) / (1.0 + bound)) + 1
        return max(1, min(self._hits, overlap))


def _repeated(parts: list[Int32], times: int) -> Int32:
    """The sets that occur `times` times or more in these postings, ascending."""
    sets = np.concatenate([np.zeros(0, np.int32), *parts])
    # Each part ascends, and a stable sort merges such runs at little cost.
    sets.sort(kind="stable")
    if times > 1:
        sets = sets[times - 1 :][sets[times - 1 :] == sets[: 1 - times]]
    new = np.ones(len(sets), bool)
    np.not_equal(sets[1:], sets[:-1], out=new[1:])
    return sets[new]
