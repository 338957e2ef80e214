"""Token sets in exact descending Jaccard order, from the postings of segments.

For a query of a tokens, a set of n tokens with overlap o scores o / (a + n - o). The query's tokens are
taken from the rarest on. Of a set that shares o of the k known ones, the first p tokens' postings miss k
- p at most; so with p = k - o + h it is met h times or more in them, or o times if that is less. Sets met
so often are few, and their overlaps are counted in their own tokens. Each slice of postings, of one token
at one size, is needed for sets down to some score only: the slice's *reach*. Once every slice that
reaches t is read, every set of t or more is known; what is left scores at most the next reach: that is
the certificate's bound. (Prefix filter: Chaudhuri, Ganti and Kaushik, ICDE 2006; met more than once: Li,
Lu and Lu, ICDE 2008.)

Slices are read in few steps, all sizes and segments at once: first some cheap ones, whose sets tell how deep
the answer lies, then all that reach so far. Where counting every posting of the query costs less, that is
done.

Scores are quotients of small integers: correctly rounded, equal quotients are equal floats, and different
ones of unions below 2**26 differ. So comparing floats here is comparing fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from indexer.embedded.segment import Segment
from indexer.embedded.strings import Array

# Cost model, nanoseconds, measured with NumPy 2.4 on one x86 core (docs/design.md); only speed depends on it.
_COUNT_POSTING, _COUNT_SET, _SORT_POSTING = 3.0, 1.0, 8.0

#: Postings read in the first step, and how many times as many in each step after, unless what was found tells
#: how deep to go.
_FIRST_POSTINGS, _GROWTH = 12_000, 8
#: How often a set must be met, for queries of so many known tokens; once more where tokens come together, as
#: those of one word do in weighted analyzers.
_TWICE_FROM = 4
#: Overlaps of fewer sets than this are counted all at once.
_FEW_SETS = 2_000
#: Captions among the best for each image.
_CROWDED = 3

_NONE = np.zeros(0, np.int32)
_NO_SCORES = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Match:
    """Sets of one segment with their scores; best first, equal ones ascending, so by smallest image id."""

    segment: int
    sets: Array
    scores: Array

    def of(self, places: Array) -> Match:
        return Match(self.segment, self.sets[places], self.scores[places])

    def part(self, first: int, last: int) -> Match:
        return Match(self.segment, self.sets[first:last], self.scores[first:last])

    def end_of_score(self, place: int) -> int:
        """`place`, moved on to where the score before it ends."""
        if place >= len(self.scores):
            return len(self.scores)
        return int((-self.scores).searchsorted(-self.scores[place - 1], side="right"))


class _Scan:
    """One segment against one query: slices of postings by token and size, and the sets met in them."""

    def __init__(self, segment: Segment, tokens: frozenset[str], restricted: Array | None) -> None:
        self._segment, self._query_size, self._restricted = segment, len(tokens), restricted
        known = [posting for token in tokens if (posting := segment.posting(token)) is not None]
        known.sort(key=lambda posting: len(posting.sets))
        self._postings = [posting.sets for posting in known]
        self._marks = np.zeros(len(segment.vocabulary), np.uint8)
        self._marks[[posting.token for posting in known]] = 1
        #: Shape (tokens, classes + 1): the postings of token t in class c are [cuts[t, c], cuts[t, c + 1]).
        self._cuts = np.array([posting.cuts for posting in known], np.int32)
        self._cuts = self._cuts.reshape(len(known), len(segment.class_sets))
        self._hits = _hits([len(sets) for sets in self._postings])
        rest = np.arange(len(known), 0, -1)[:, None] + (self._hits - 1)
        self._sizes = segment.sizes
        overlaps = np.minimum(rest, np.minimum(segment.sizes, len(known)))
        #: Shape (tokens, classes). Along sizes it rises and then falls: what reaches a score is one stretch.
        self.reach = overlaps / (self._query_size + segment.sizes - overlaps)
        self.lengths = self._cuts[:, 1:] - self._cuts[:, :-1]
        #: Slices that have to be read.
        self.held = self.lengths > (0 if restricted is None else len(segment))
        self._read = (0, 0)  # how many postings, and how often a set was to be met in them
        self._given_to = np.inf
        self._sets, self._scores = _NONE, _NO_SCORES  # met, and not given
        self._complete = False
        self.examined = 0

    def read(self, least: float, bound: float) -> None:
        """Meet every set of score `least` or more; `bound` is the next reach below in any segment."""
        if self._complete:
            return
        if self._restricted is not None:
            self._complete = True
            self._meet(self._restricted)
            return
        reaching = self.reach >= least
        parts = self._slices(reaching)
        read = sum(map(len, parts)), self._needed(reaching, bound) if parts else 0
        if read == self._read:
            return
        self._read = read
        postings, sets = sum(map(len, self._postings)), int(self._segment.class_sets[-1])
        if read[0] * _SORT_POSTING > postings * _COUNT_POSTING + sets * _COUNT_SET:
            self._count()
        else:
            self._meet(_met(parts, read[1]))

    def take(self, bound: float) -> tuple[Array, Array]:
        """The sets met above `bound`, best first, and their scores; they are forgotten here."""
        self._given_to = bound
        ready = self._scores > bound
        sets, scores = self._sets[ready], self._scores[ready]
        self._sets, self._scores = self._sets[~ready], self._scores[~ready]
        order = np.argsort(-scores, kind="stable")
        return sets[order], scores[order]

    def best(self, wanted: int) -> tuple[Array, Array]:
        """About `wanted` of the best sets met and not taken, and their scores, in any order."""
        if len(self._scores) <= wanted:
            return self._sets, self._scores
        lowest = np.partition(self._scores, -wanted)[-wanted]
        places = np.flatnonzero(self._scores >= lowest)[: 2 * wanted]
        return self._sets[places], self._scores[places]

    def _slices(self, reaching: Array) -> list[Array]:
        """The postings of these slices, a stretch for each token."""
        first = reaching.argmax(axis=1)
        last = first + reaching.sum(axis=1)
        row = np.arange(len(first))
        begins, ends = self._cuts[row, first].tolist(), self._cuts[row, last].tolist()
        spans = zip(self._postings, begins, ends, strict=True)
        return [sets[begin:end] for sets, begin, end in spans if begin < end]

    def _needed(self, reaching: Array, bound: float) -> int:
        """How often every set above `bound` is met in these slices."""
        sizes = self._sizes[reaching.any(axis=0)]
        # The least overlap that scores more than `bound`; rounding may make it one less, which is safe.
        overlap = int(np.floor(bound * (self._query_size + int(sizes.min())) / (1.0 + bound) - 1e-9)) + 1
        return max(1, min(self._hits, overlap))

    def _meet(self, sets: Array) -> None:
        """Count the overlaps of these sets, ascending, in their own tokens."""
        sets = sets[sets.searchsorted(self._segment.first_filled) :]
        edges = sets.searchsorted(self._segment.class_sets)
        counts = edges[1:] - edges[:-1]
        sizes = np.repeat(self._sizes, counts)
        few = len(sets) < _FEW_SETS
        overlaps = self._checked(sets, sizes, counts) if few else self._checked_by_class(sets, edges)
        self._keep(sets, overlaps, sizes)
        self.examined += len(sets)

    def _checked(self, sets: Array, sizes: Array, counts: Array) -> Array:
        """Overlaps of few sets, all at once."""
        if not len(sets):
            return _NONE
        ends = sizes.cumsum()
        begins = ends - sizes
        starts = np.repeat(self._segment.class_offsets, counts) + sets * sizes.astype(np.int64)
        places = np.repeat(starts - begins, sizes) + np.arange(int(ends[-1]))
        marked = self._marks.take(self._segment.set_tokens.take(places))
        overlaps: Array = np.add.reduceat(marked, begins, dtype=np.int32)
        return overlaps

    def _checked_by_class(self, sets: Array, edges: Array) -> Array:
        """Overlaps of many sets, those of one size at a time: less work for each set."""
        overlaps, cuts = np.empty(len(sets), np.int32), edges.tolist()
        for place in np.flatnonzero(edges[1:] > edges[:-1]).tolist():
            begin, end = cuts[place], cuts[place + 1]
            tokens = self._segment.matrix(place).take(
                sets[begin:end] - self._segment.class_sets[place], axis=0
            )
            # Transposed, so that the sum runs along the long axis.
            kind = np.uint8 if tokens.shape[1] < 256 else np.int32
            overlaps[begin:end] = np.add.reduce(self._marks.take(tokens.T), axis=0, dtype=kind)
        return overlaps

    def _count(self) -> None:
        """Count all postings of the query."""
        counts = np.bincount(np.concatenate(self._postings), minlength=int(self._segment.class_sets[-1]))
        sets = np.flatnonzero(counts).astype(np.int32)
        sizes = np.repeat(self._sizes, np.diff(sets.searchsorted(self._segment.class_sets)))
        self._keep(sets, counts[sets], sizes)
        self._complete = True
        self.examined += len(sets)

    def _keep(self, sets: Array, overlaps: Array, sizes: Array) -> None:
        scores = overlaps / (self._query_size + sizes - overlaps)
        new = scores <= self._given_to
        self._sets, self._scores = sets[new], scores[new]


def _hits(lengths: Sequence[int]) -> int:
    """How often sets are to be met, by the lengths of the postings, ascending; only speed depends on it."""
    if len(lengths) < _TWICE_FROM:
        return 1
    return 3 if any(one == other for one, other in pairwise(lengths)) else 2


def _met(parts: Sequence[Array], times: int) -> Array:
    """The sets that stand in so many of these postings or more, ascending."""
    sets = np.concatenate(parts)
    # Ascending runs one after another: a merge sort has little to do.
    sets.sort(kind="stable")
    if times > 1:
        sets = sets[times - 1 :][sets[times - 1 :] == sets[: 1 - times]]
    new = np.ones(len(sets), bool)
    np.not_equal(sets[1:], sets[:-1], out=new[1:])
    return sets[new]


class Descent:
    """The sets of a query over segments, best first, in steps down from `highest`.

    `restricted` gives, for a segment's number, the only sets to consider (ascending); others are free.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        tokens: frozenset[str],
        restricted: Mapping[int, Array],
        highest: float = 1.0,
    ) -> None:
        self._segments, self._highest = segments, highest
        self._scans = [
            _Scan(segment, tokens, restricted.get(number)) for number, segment in enumerate(segments)
        ]
        reaches = np.concatenate([*(scan.reach[scan.held] for scan in self._scans), _NO_SCORES])
        lengths = np.concatenate([*(scan.lengths[scan.held] for scan in self._scans), _NONE])
        order = np.argsort(-reaches, kind="stable")
        #: Of all slices, best first: what they reach, and the postings up to and with each.
        self._reaches, self._costs = reaches[order], lengths[order].cumsum()
        self._place = 0  # how many of these are read
        #: The most that a set not given yet can score; 0.0 at the end.
        self.bound = 1.0 if restricted or len(reaches) else 0.0

    @property
    def examined(self) -> int:
        return sum(scan.examined for scan in self._scans)

    def step(self, wanted: int, lowest: float, *, images: bool) -> list[Match]:
        """Go on down, by preference until the sets of so many images (or so many sets) are given."""
        least = max(self._promised(wanted, images), self._affordable(), lowest)
        return self.down_to(min(least, self._highest))

    def down_to(self, least: float) -> list[Match]:
        """Every set of `least` or more that was not given before, and those below that are certain."""
        self._place = max(self._place, int((-self._reaches).searchsorted(-least, side="right")))
        self.bound = float(self._reaches[self._place]) if self._place < len(self._reaches) else 0.0
        matches = []
        for number, scan in enumerate(self._scans):
            scan.read(least, self.bound)
            sets, scores = scan.take(self.bound)
            if len(sets):
                matches.append(Match(number, sets, scores))
        return matches

    def _affordable(self) -> float:
        """How low the next step comes for a few times the postings read so far."""
        if not len(self._reaches):
            return 0.0
        spent = int(self._costs[self._place - 1]) * _GROWTH if self._place else _FIRST_POSTINGS
        last = max(self._place, int(self._costs.searchsorted(spent, side="right")) - 1)
        return float(self._reaches[min(last, len(self._reaches) - 1)])

    def _promised(self, wanted: int, images: bool) -> float:
        """How low the answer lies at most, by the sets met so far; 0.0 if they are too few."""
        if not self._place:
            return 0.0
        best: list[tuple[float, int, int]] = []
        for number, (segment, scan) in enumerate(zip(self._segments, self._scans, strict=True)):
            sets, scores = scan.best(_CROWDED * wanted if images else wanted)
            keys = segment.first_images(sets) if images else sets
            best += zip(scores.tolist(), [number] * len(sets), keys.tolist(), strict=True)
        seen: set[tuple[int, int]] = set()
        for score, number, key in sorted(best, reverse=True):
            seen.add((number, key))
            if len(seen) == wanted:
                return score
        return 0.0
