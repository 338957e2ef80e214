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
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from indexer.embedded.segment import Segment
from indexer.embedded.strings import Array

# Cost model, nanoseconds, measured with NumPy 2.4 on one x86 core (docs/design.md); only speed depends on it.
_COUNT_POSTING, _COUNT_SET, _COUNT_CALL = 3.0, 0.3, 12_000.0
_CHECK_SET, _CHECK_TOKEN, _CHECK_CALL = 4.0, 1.7, 14_000.0


def jaccard(overlap: int, query_size: int, size: int) -> float:
    """overlap / union, the correctly rounded quotient."""
    return overlap / (query_size + size - overlap)


class SizeClass:
    """The sets of one size in one segment, against one query."""

    def __init__(self, segment: Segment, place: int, marks: Array, slices: list[Array]) -> None:
        self.size = segment.class_sizes[place]
        self._first, self._last = (int(number) for number in segment.class_sets[place : place + 2])
        self._segment, self._place, self._marks = segment, place, marks
        #: Postings of the query's tokens in this class, the rarest token first.
        self._slices = sorted(slices, key=len)
        self._scanned = 0
        self._checked: list[tuple[Array, Array]] = []  # sets and their overlaps
        self._counts: Array | None = None
        self.top = min(self.size, len(slices))  # no overlap can be above it
        self.examined = 0

    def restrict(self, sets: Array) -> None:
        """Consider only these sets (ascending), all of them now."""
        self._check(sets)
        self._scanned = len(self._slices)

    def with_overlap(self, overlap: int) -> Array:
        """All sets of exactly this overlap, ascending. Ask for descending overlaps, 1 and up."""
        self._complete(len(self._slices) - overlap + 1)
        if self._counts is not None:
            return (np.flatnonzero(self._counts == overlap) + self._first).astype(np.int32)
        parts = [sets[overlaps == overlap] for sets, overlaps in self._checked]
        found = np.sort(np.concatenate(parts))
        # A set that holds two of the rare tokens was met twice.
        return found[np.diff(found, prepend=-1) > 0]

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
        overlaps = marked.sum(axis=0, dtype=np.uint8 if self.size < 256 else np.int32)
        self._checked.append((sets, overlaps))
        self.examined += len(sets)


@dataclass(frozen=True, slots=True)
class Match:
    """Sets of one segment that share one score; ascending, so by smallest image id."""

    segment: int
    sets: Array


def _classes(segment: Segment, tokens: frozenset[str]) -> Iterator[tuple[int, SizeClass]]:
    """(place, class) of every size that holds a token of the query."""
    numbers = [number for token in tokens if (number := segment.token(token)) >= 0]
    if not numbers:
        return
    marks = np.zeros(len(segment.vocabulary), np.uint8)
    marks[numbers] = 1
    postings = [segment.postings(number) for number in numbers]
    cuts = [sets.searchsorted(segment.class_sets).tolist() for sets in postings]
    for place in range(len(segment.class_sizes)):
        slices = [
            sets[cut[place] : cut[place + 1]]
            for sets, cut in zip(postings, cuts, strict=True)
            if cut[place] < cut[place + 1]
        ]
        if slices:
            yield place, SizeClass(segment, place, marks, slices)


class Levels:
    """The levels of a query over segments, best first.

    `restricted` gives, for a segment's number, the only sets to consider (ascending), or None for all.
    """

    def __init__(
        self, segments: list[Segment], tokens: frozenset[str], restricted: dict[int, Array] | None = None
    ) -> None:
        self._size = len(tokens)
        self._classes: list[tuple[int, SizeClass]] = []
        self._queue: list[tuple[float, int, int]] = []  # (-score, class, overlap)
        for number, segment in enumerate(segments):
            only = (restricted or {}).get(number)
            for place, members in _classes(segment, tokens):
                if only is not None:
                    first, last = np.searchsorted(only, segment.class_sets[place : place + 2])
                    if first == last:
                        continue
                    members.restrict(only[first:last])
                self._push(len(self._classes), members, members.top)
                self._classes.append((number, members))
        heapq.heapify(self._queue)

    def _push(self, number: int, members: SizeClass, overlap: int) -> None:
        if overlap > 0:
            entry = (-jaccard(overlap, self._size, members.size), number, overlap)
            heapq.heappush(self._queue, entry)

    @property
    def next_score(self) -> float:
        """The score of the best level not visited yet, and so a bound on everything left; 0.0 at the end."""
        return -self._queue[0][0] if self._queue else 0.0

    @property
    def examined(self) -> int:
        return sum(members.examined for _, members in self._classes)

    def pop(self) -> list[Match]:
        """Visit the best level: every set of that score, in all segments and sizes."""
        score, found = self.next_score, []
        while self._queue and -self._queue[0][0] == score:
            _, number, overlap = heapq.heappop(self._queue)
            segment, members = self._classes[number]
            sets = members.with_overlap(overlap)
            if len(sets):
                found.append(Match(segment, sets))
            self._push(number, members, overlap - 1)
        return found

    def skip(self) -> None:
        """Pass over the best level without looking at it."""
        score = self.next_score
        while self._queue and -self._queue[0][0] == score:
            _, number, overlap = heapq.heappop(self._queue)
            self._push(number, self._classes[number][1], overlap - 1)
