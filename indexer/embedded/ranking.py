"""Token sets in exact descending Jaccard order, over all segments.

For a query of a tokens, a set of n tokens with overlap o scores o / (a + n - o). Each segment gives its best
sets (`kernel`, or `best` where that is not compiled), and the score down to which these are all there are.

Scores are quotients of small integers: correctly rounded, equal quotients are equal floats, and different
ones of unions below 2**26 differ. So comparing floats here is comparing fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nextafter

import numpy as np

from indexer.embedded.best import Best, SegmentQuery, best
from indexer.embedded.dtypes import Float64, Int32, Int64
from indexer.embedded.segment import Segment
from indexer.records import Query

#: The compiled twin of `best`; None where there was no compiler when this was installed.
best_compiled: Best | None
try:
    from indexer.embedded.kernel import best as best_compiled
except ImportError:
    best_compiled = None

#: How a segment's best sets are found here, as `indexer status` tells it.
COUNTING = "NumPy" if best_compiled is None else "compiled"
#: Sets asked for, per image wanted: those of an image crowd together.
_CROWDED = 2
#: Each step asks for so many times as many.
_GROWTH = 4
#: The most known tokens of a query that the kernel counts.
_BYTE = 255

#: The least score of a set that shares anything is more than this.
_NOTHING = nextafter(0.0, 1.0)

_NONE, _NO_SCORES = np.zeros(0, np.int32), np.zeros(0)


@dataclass(frozen=True, slots=True)
class Match:
    """Sets of one segment with their scores; best first, equal ones ascending, so by smallest image id."""

    segment: int
    sets: Int32
    scores: Float64

    def of(self, places: Int64) -> Match:
        return Match(self.segment, self.sets[places], self.scores[places])

    def part(self, first: int, last: int) -> Match:
        return Match(self.segment, self.sets[first:last], self.scores[first:last])

    def end_of_score(self, place: int) -> int:
        """`place`, moved on to where the score before it ends."""
        if place >= len(self.scores):
            return len(self.scores)
        return int((-self.scores).searchsorted(-self.scores[place - 1], side="right"))


def _query_of(segment: Segment, query: Query) -> SegmentQuery:
    # No set that may answer shares a token which keeps it away. Such tokens count in the size alone, as
    # unknown ones do: sets that hold them score less than they would, and do not stand before all others.
    shared = query.tokens - query.filters.without
    known = [posting for token in shared if (posting := segment.posting(token)) is not None]
    known.sort(key=lambda posting: posting.length)
    marks = np.zeros(len(segment.vocabulary), np.uint8)
    marks[[posting.token for posting in known]] = 1
    return SegmentQuery(
        np.array([posting.begin for posting in known], np.int64),
        np.array([posting.cuts for posting in known], np.int32),
        marks,
        len(query.tokens),
        any(one.length == other.length for one, other in pairwise(known)),
    )


class _Scan:
    """One segment against one query."""

    def __init__(self, segment: Segment, query: Query, only: Int32 | None) -> None:
        self._token_sets, self._query = segment.token_sets, _query_of(segment, query)
        countable = len(self._query.begins) <= _BYTE
        self._best = best_compiled if best_compiled and countable else best
        #: The only sets that may answer, and their scores; None where all may.
        self._only = None if only is None else (only, self._scores(only))
        self.examined = 0 if only is None else self._token_sets.captions(only)

    def best(self, wanted: int, floor: float, highest: float) -> tuple[Int32, Float64, float]:
        """Sets that score `floor` to `highest`, their scores, and from where on these are all there are."""
        if self._only is not None:
            return *self._only, floor
        if not len(self._query.begins):
            return _NONE, _NO_SCORES, floor
        sets, scores, complete, looked = self._best(self._token_sets, self._query, wanted, floor, highest)
        # Each step looks once more at what the steps before looked at.
        self.examined = max(self.examined, looked)
        return sets, scores, complete

    def _scores(self, sets: Int32) -> Float64:
        """The scores of these sets (ascending)."""
        overlaps = self._token_sets.overlaps(sets, self._query.marks)
        unions = self._query.size + self._token_sets.sizes_of(sets) - overlaps
        # Nothing at all is like nothing at all by 0.
        scores: Float64 = overlaps / np.maximum(1, unions)
        return scores


class Descent:
    """The sets of a query over segments, best first, in steps down from where its page begins.

    `restricted` gives, for a segment's number, the only sets to consider (ascending); others are free. Sets
    that the query's filters keep away by a token are among those given, with any score.
    """

    def __init__(self, segments: Sequence[Segment], query: Query, restricted: Mapping[int, Int32]) -> None:
        self._scans = [
            _Scan(segment, query, restricted.get(number)) for number, segment in enumerate(segments)
        ]
        self._highest, self._asked = 1.0 if query.after is None else query.after.score, 0
        #: The most that a set not given yet can score; 0.0 at the end.
        self.bound = self._highest if segments else 0.0

    @property
    def examined(self) -> int:
        return sum(scan.examined for scan in self._scans)

    def step(self, wanted: int, lowest: float, *, images: bool) -> list[Match]:
        """Go on down, by preference until the sets of so many images (or so many sets) are given."""
        self._asked = max(self._asked * _GROWTH, wanted * _CROWDED if images else wanted)
        return self._go_down(self._asked, lowest)

    def down_to(self, least: float) -> list[Match]:
        """Every set of `least` or more that was not given before."""
        return self._go_down(0, least)

    def _go_down(self, wanted: int, lowest: float) -> list[Match]:
        """The `wanted` best sets (all if 0) that score `lowest` or more, and what equals the last of them."""
        floor, found = max(lowest, _NOTHING), []
        for scan in self._scans:
            sets, scores, floor = scan.best(wanted, floor, self._highest)
            found.append((sets, scores))
        every = np.concatenate([_NO_SCORES, *(scores for _, scores in found)])
        every = every[every <= self._highest]
        if 0 < wanted <= len(every):
            floor = max(floor, float(np.partition(every, -wanted)[-wanted]))
        matches = [self._match(number, *one, floor) for number, one in enumerate(found)]
        self._highest = self.bound = nextafter(floor, 0.0)
        return [match for match in matches if len(match.sets)]

    def _match(self, number: int, sets: Int32, scores: Float64, floor: float) -> Match:
        places = np.flatnonzero((scores >= floor) & (scores <= self._highest))
        places = places[np.lexsort((sets[places], -scores[places]))]
        return Match(number, sets[places], scores[places])
