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

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from indexer.embedded.strings import Array

# Cost model, nanoseconds, measured with NumPy 2.4 on one x86 core (docs/design.md); only speed depends on it.
_COUNT_POSTING, _COUNT_SET, _SORT_POSTING = 3.0, 1.0, 8.0
#: Postings read in the first step, and how many times as many in each step after, unless what was found tells
#: how deep to go.
_FIRST_POSTINGS, _GROWTH = 12_000, 8
#: How often a set must be met, for queries of so many known tokens.
_HITS, _TWICE_FROM = 2, 4
#: Overlaps of fewer sets than this are counted all at once.
_FEW_SETS = 2_000


def best(
    postings: Array,
    begins: Array,
    cuts: Array,
    sizes: Array,
    class_sets: Array,
    class_tokens: Array,
    set_tokens: Array,
    set_rows: Array,
    marks: Array,
    query_size: int,
    together: bool,
    wanted: int,
    floor: float,
    highest: float,
) -> tuple[Array, Array, float, int]:
    """Sets that score `floor` (above 0) to `highest`: the `wanted` best and what equals them, or all if 0.

    Token t of the query, the rarest first, is held by the sets `postings[begins[t] + cuts[t, c] : begins[t] +
    cuts[t, c + 1]]` of class c, ascending. Class c has the sets from `class_sets[c]` on, each of `sizes[c]`
    tokens in `set_tokens`, from `class_tokens[c]` on. Set s stands for the captions from `set_rows[s]` to
    `set_rows[s + 1]`. `marks` is 1 for each token of the query; it has `query_size` tokens, known or not, and
    `together` says that some have the same sets.

    Gives sets, in any order, their scores, the score from which on these are all there are (some below it
    may be among them), and how many captions were looked at. Raises ValueError or IndexError for arrays that
    do not fit each other.
    """
    classes = _Classes(sizes, class_sets, class_tokens, set_tokens)
    hits = 1 if len(begins) < _TWICE_FROM else _HITS + together
    slices = _Slices(postings, begins[:, None] + cuts, classes, marks, query_size, hits)
    least = slices.affordable(0)
    while True:
        least = max(min(least, highest), floor)
        place, bound = slices.below(least)
        sets, overlaps = slices.met(least, bound)
        scores = slices.scores(sets, overlaps)
        inside = (scores <= highest) & (scores >= floor)
        last = float(np.partition(scores[inside], -wanted)[-wanted]) if 0 < wanted <= inside.sum() else 0.0
        if last > bound or bound < floor or bound == 0.0:
            # What was looked at before was looked at once more: the last step tells of all.
            return sets[inside], scores[inside], max(last, floor), captions_of(sets, set_rows)
        least = last or slices.affordable(place)


def captions_of(sets: Array, set_rows: Array) -> int:
    """How many captions these sets stand for."""
    return int(set_rows[sets + 1].sum(dtype=np.int64) - set_rows[sets].sum(dtype=np.int64))


def overlaps_of(
    sets: Array, sizes: Array, class_sets: Array, class_tokens: Array, set_tokens: Array, marks: Array
) -> Array:
    """How many tokens each of these sets, ascending, shares with the query."""
    return _Classes(sizes, class_sets, class_tokens, set_tokens).overlaps(sets, marks)


@dataclass(frozen=True)
class _Classes:
    """The sets of a segment by size, and their tokens."""

    sizes: Array
    sets: Array
    starts: Array
    tokens: Array

    def overlaps(self, sets: Array, marks: Array) -> Array:
        edges = sets.searchsorted(self.sets)
        few = len(sets) < _FEW_SETS
        return self._all_at_once(sets, edges, marks) if few else self._by_class(sets, edges, marks)

    def _all_at_once(self, sets: Array, edges: Array, marks: Array) -> Array:
        """Less work for each call, more for each set."""
        counts = np.diff(edges)
        lengths = np.repeat(self.sizes, counts)
        overlaps = np.zeros(len(sets), np.int32)
        # Sets without tokens come first; `reduceat` would give them their neighbour's.
        filled = int(np.searchsorted(lengths, 1))
        if filled == len(sets):
            return overlaps
        ends = lengths.cumsum()
        begins = ends - lengths
        offsets = self.starts[:-1] - self.sets[:-1].astype(np.int64) * self.sizes
        starts = np.repeat(offsets, counts) + sets * lengths.astype(np.int64)
        places = np.repeat(starts - begins, lengths) + np.arange(int(ends[-1]))
        marked = marks.take(self.tokens.take(places))
        overlaps[filled:] = np.add.reduceat(marked, begins[filled:], dtype=np.int32)
        return overlaps

    def _by_class(self, sets: Array, edges: Array, marks: Array) -> Array:
        """Those of one size at a time: less work for each set."""
        overlaps, cuts = np.empty(len(sets), np.int32), edges.tolist()
        for number in np.flatnonzero(edges[1:] > edges[:-1]).tolist():
            begin, end, size = cuts[number], cuts[number + 1], int(self.sizes[number])
            matrix = self.tokens[self.starts[number] : self.starts[number + 1]].reshape(-1, size)
            tokens = matrix.take(sets[begin:end] - self.sets[number], axis=0)
            # Transposed, so that the sum runs along the long axis.
            kind = np.uint8 if size < 256 else np.int32
            overlaps[begin:end] = np.add.reduce(marks.take(tokens.T), axis=0, dtype=kind)
        return overlaps


class _Slices:
    """The postings of a query by token and class, and what has to be read of them for which score."""

    def __init__(
        self, postings: Array, edges: Array, classes: _Classes, marks: Array, query_size: int, hits: int
    ) -> None:
        self._postings, self._edges, self._classes = postings, edges, classes
        self._marks, self._query_size, self._hits = marks, query_size, hits
        known, sizes = len(edges), classes.sizes
        rest = np.arange(known, 0, -1)[:, None] + (hits - 1)
        overlaps = np.minimum(rest, np.minimum(sizes, known))
        #: Shape (tokens, classes). Along sizes it rises and then falls: what reaches a score is one stretch.
        self._reach = overlaps / (query_size + sizes - overlaps)
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

    def met(self, least: float, bound: float) -> tuple[Array, Array]:
        """Every set that scores more than `bound`, and others, ascending; and their overlaps."""
        reaching = self._reach >= least
        parts = self._read(reaching)
        read, sets = sum(map(len, parts)), int(self._classes.sets[-1])
        if read * _SORT_POSTING > len(self._every) * _COUNT_POSTING + sets * _COUNT_SET:
            counts = np.bincount(self._every, minlength=sets)
            found = np.flatnonzero(counts).astype(np.int32)
            return found, counts[found].astype(np.int32)
        found = _merged(parts, self._times(reaching, bound) if parts else 1)
        return found, self._classes.overlaps(found, self._marks)

    def scores(self, sets: Array, overlaps: Array) -> Array:
        sizes = np.repeat(self._classes.sizes, np.diff(sets.searchsorted(self._classes.sets)))
        scores: Array = overlaps / (self._query_size + sizes - overlaps)
        return scores

    @cached_property
    def _every(self) -> Array:
        lists = [self._postings[edges[0] : edges[-1]] for edges in self._edges]
        return np.concatenate([np.zeros(0, np.int32), *lists])

    def _read(self, reaching: Array) -> list[Array]:
        """The postings of these slices, a stretch for each token."""
        first = reaching.argmax(axis=1)
        last = first + reaching.sum(axis=1)
        row = np.arange(len(first))
        begins, ends = self._edges[row, first].tolist(), self._edges[row, last].tolist()
        return [self._postings[begin:end] for begin, end in zip(begins, ends, strict=True) if begin < end]

    def _times(self, reaching: Array, bound: float) -> int:
        """How often every set above `bound` is met in these slices."""
        size = int(self._classes.sizes[reaching.any(axis=0)].min())
        # The least overlap that scores more than `bound`; rounding may make it one less, which is safe.
        overlap = int(np.floor(bound * (self._query_size + size) / (1.0 + bound) - 1e-9)) + 1
        return max(1, min(self._hits, overlap))


def _merged(parts: list[Array], times: int) -> Array:
    """The sets that stand in so many of these postings or more, ascending."""
    sets = np.concatenate([np.zeros(0, np.int32), *parts])
    # Ascending runs one after another: a merge sort has little to do.
    sets.sort(kind="stable")
    if times > 1:
        sets = sets[times - 1 :][sets[times - 1 :] == sets[: 1 - times]]
    new = np.ones(len(sets), bool)
    np.not_equal(sets[1:], sets[:-1], out=new[1:])
    return sets[new]
