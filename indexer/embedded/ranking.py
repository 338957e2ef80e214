"""Token sets in exact descending Jaccard order, from the postings of segments.

For a query of a tokens, a set of n tokens with overlap o scores o / (a + n - o). So scores come in
*levels*, one for each pair (n, o), and levels are visited from the best down, in all segments at once,
until enough was found. What is left scores at most the next level: that is the certificate's bound.

To complete level o of size n, only sets that hold one of the (known tokens - o + 1) rarest query tokens can
have overlap o; for these the overlap is counted in their own tokens. Where that would cost more than
counting every posting of the size, all are counted at once. (Prefix filter: Chaudhuri, Ganti and Kaushik,
ICDE 2006.)

Scores are quotients of small integers: correctly rounded, equal quotients are equal floats, and different
ones of unions below 2**26 differ. So comparing floats here is comparing fractions.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from indexer.embedded.segment import Segment
from indexer.embedded.strings import Array

# Cost model, nanoseconds, measured with NumPy 2.4 on one x86 core (docs/design.md); only speed depends on it.
_COUNT_POSTING, _COUNT_SET, _COUNT_CALL = 3.0, 0.3, 12_000.0
_CHECK_SET, _CHECK_TOKEN, _CHECK_CALL = 4.0, 1.7, 14_000.0


_NONE = np.zeros(0, np.int32)


def jaccard(overlap: int, query_size: int, size: int) -> float:
    """overlap / union, the correctly rounded quotient."""
    return overlap / (query_size + size - overlap)


class SizeClass:
    """The sets of one size in one segment, against one query."""

    def __init__(self, segment: Segment, place: int, marks: Array, slices: list[Array]) -> None:
        self.size = segment.class_sizes[place]
        self._first, self._last = segment.class_sets[place : place + 2].tolist()
        self._segment, self._place, self._marks = segment, place, marks
        #: Postings of the query's tokens in this class, the rarest token first.
        self._slices = sorted(slices, key=len)
        self._scanned = 0
        self._checked: list[tuple[Array, Array, int]] = []  # sets, their overlaps, the highest of these
        self._counts: Array | None = None
        self.examined = 0

    def restrict(self, sets: Array) -> None:
        """Consider only these sets (ascending), all of them now."""
        self._check(sets)
        self._scanned = len(self._slices)

    def with_overlap(self, overlap: int) -> Array:
        """All sets of exactly this overlap, ascending. Ask for descending overlaps, 1 and up."""
        self._complete(len(self._slices) - overlap + 1)
        if self._counts is not None:
            counted: Array = np.flatnonzero(self._counts == overlap) + self._first
            return counted.astype(np.int32)
        parts = [sets[overlaps == overlap] for sets, overlaps, highest in self._checked if highest >= overlap]
        if not parts:
            return _NONE
        found = np.concatenate(parts)
        found.sort()
        # A set that holds two of the rare tokens was met twice.
        new = np.ones(len(found), bool)
        np.not_equal(found[1:], found[:-1], out=new[1:])
        return found[new]

    def _complete(self, prefix: int) -> None:
        if self._counts is not None or prefix <= self._scanned:
            return
        waiting = self._slices[self._scanned : prefix]
        check = sum(map(len, waiting)) * (_CHECK_SET + _CHECK_TOKEN * self.size) + _CHECK_CALL
        count = sum(map(len, self._slices)) * _COUNT_POSTING + (self._last - self._first) * _COUNT_SET
        if check > count + _COUNT_CALL:
            self._count()
        else:
            self._check(np.concatenate(waiting) if len(waiting) > 1 else waiting[0])
            self._scanned = prefix

    def _count(self) -> None:
        every = np.concatenate(self._slices) - self._first
        counts = np.bincount(every, minlength=self._last - self._first)
        self._counts = counts.astype(np.uint8 if len(self._slices) < 256 else np.int32)
        self.examined = int(np.count_nonzero(self._counts))

    def _check(self, sets: Array) -> None:
        tokens = self._segment.matrix(self._place).take(sets - self._first, axis=0)
        # Transposed, so that the sum runs along the long axis.
        marked = self._marks.take(tokens.T)
        overlaps = np.add.reduce(marked, axis=0, dtype=np.uint8 if self.size < 256 else np.int32)
        self._checked.append((sets, overlaps, int(overlaps.max())))
        self.examined += len(sets)


class _Scan:
    """One segment against one query: where the postings of the query's tokens lie, by size."""

    def __init__(self, segment: Segment, tokens: frozenset[str], restricted: Array | None) -> None:
        self._segment, self._restricted = segment, restricted
        numbers = [number for token in tokens if (number := segment.token(token)) >= 0]
        self._marks = np.zeros(len(segment.vocabulary), np.uint8)
        self._marks[numbers] = 1
        self._postings = [segment.postings(number) for number in numbers]
        edges = segment.class_sets
        # Shape (tokens, classes + 1): the postings of token t in class c are [cuts[t, c], cuts[t, c + 1]).
        self._cuts = np.array([sets.searchsorted(edges) for sets in self._postings]).reshape(-1, len(edges))
        #: For every class, how many of the query's tokens occur in it.
        self.known: list[int] = (self._cuts[:, 1:] > self._cuts[:, :-1]).sum(axis=0).tolist()
        if restricted is not None:
            bounds = restricted.searchsorted(edges).tolist()
            self.known = [
                known if bounds[place] < bounds[place + 1] else 0 for place, known in enumerate(self.known)
            ]

    def members(self, place: int) -> SizeClass:
        """The class at this place, of which some token is known."""
        begins, ends = self._cuts[:, place].tolist(), self._cuts[:, place + 1].tolist()
        cut = zip(self._postings, begins, ends, strict=True)
        slices = [sets[begin:end] for sets, begin, end in cut if begin < end]
        members = SizeClass(self._segment, place, self._marks, slices)
        if self._restricted is not None:
            first, last = self._restricted.searchsorted(self._segment.class_sets[place : place + 2])
            members.restrict(self._restricted[first:last])
        return members


@dataclass(frozen=True, slots=True)
class Match:
    """Sets of one segment that share one score; ascending, so by smallest image id."""

    segment: int
    sets: Array


class Levels:
    """The levels of a query over segments, best first.

    `restricted` gives, for a segment's number, the only sets to consider (ascending); others are free.
    """

    def __init__(
        self, segments: Sequence[Segment], tokens: frozenset[str], restricted: Mapping[int, Array]
    ) -> None:
        self._size = len(tokens)
        self._scans = [
            _Scan(segment, tokens, restricted.get(number)) for number, segment in enumerate(segments)
        ]
        # Classes are looked at when their first level is visited; most never are.
        self._classes: dict[tuple[int, int], SizeClass] = {}
        self._queue = [
            (-jaccard(min(size, known), self._size, size), number, place, min(size, known), size)
            for number, (segment, scan) in enumerate(zip(segments, self._scans, strict=True))
            for place, (size, known) in enumerate(zip(segment.class_sizes, scan.known, strict=True))
            if known
        ]
        heapq.heapify(self._queue)

    @property
    def next_score(self) -> float:
        """The score of the best level not visited yet, and so a bound on everything left; 0.0 at the end."""
        return -self._queue[0][0] if self._queue else 0.0

    @property
    def examined(self) -> int:
        return sum(members.examined for members in self._classes.values())

    def skip(self) -> list[tuple[int, int, int]]:
        """Pass over the best level: its (segment, class, overlap) triples, not looked at."""
        score, passed = self.next_score, []
        while self._queue and -self._queue[0][0] == score:
            _, number, place, overlap, size = self._queue[0]
            passed.append((number, place, overlap))
            if overlap > 1:
                lower = -jaccard(overlap - 1, self._size, size)
                heapq.heapreplace(self._queue, (lower, number, place, overlap - 1, size))
            else:
                heapq.heappop(self._queue)
        return passed

    def pop(self) -> list[Match]:
        """Visit the best level: every set of that score, in all segments and sizes."""
        found = []
        for number, place, overlap in self.skip():
            members = self._classes.get((number, place))
            if members is None:
                members = self._classes[number, place] = self._scans[number].members(place)
            sets = members.with_overlap(overlap)
            if len(sets):
                found.append(Match(number, sets))
        return found
