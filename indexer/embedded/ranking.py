"""Token sets in exact descending Jaccard order, over all segments.

For a query of a tokens, a set of n tokens with overlap o scores o / (a + n - o). Each segment gives its best
sets (found by `kernel`, or by `best` where that is not compiled), and the score from which on none is
missing.

Scores are quotients of small integers. Correctly rounded, equal quotients are equal floats, and different
quotients are different floats as long as unions are below 2**26. So floats can be compared here as fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nextafter
from operator import attrgetter

import numpy as np

from indexer.embedded.best import FindBest, SegmentQuery, best_of, find_best
from indexer.embedded.dtypes import Float64, Int32
from indexer.embedded.segment import Segment
from indexer.records import Query

#: The compiled twin of `find_best`; None where there was no compiler when this was installed.
find_best_compiled: FindBest | None
try:
    from indexer.embedded.kernel import find_best as find_best_compiled
except ImportError:
    find_best_compiled = None

#: How overlaps are counted here, as `indexer status` shows it.
COUNTING = "NumPy" if find_best_compiled is None else "compiled"
#: Sets asked for, per image wanted: several captions of one image are often among the best.
_SETS_PER_IMAGE = 2
#: Each step asks for so many times as many sets as the one before.
_GROWTH = 4
#: The most known tokens of a query that the kernel takes, since it counts in bytes.
_KERNEL_TOKENS = 255

#: The floor for all sets that share anything: they score at least this.
_ABOVE_ZERO = nextafter(0.0, 1.0)

_NO_SETS, _NO_SCORES = np.zeros(0, np.int32), np.zeros(0)


@dataclass(frozen=True, slots=True)
class Match:
    """Sets of one segment with their scores: best first, equal ones ascending (so by smallest image id)."""

    segment: int
    sets: Int32
    scores: Float64

    def part(self, first: int, last: int) -> Match:
        return Match(self.segment, self.sets[first:last], self.scores[first:last])

    def down_to(self, score: float) -> Match:
        """The sets that score so much or more."""
        return self.part(0, int((-self.scores).searchsorted(-score, side="right")))

    def end_of_score(self, place: int) -> int:
        """The first place from `place` on whose score differs from the one before `place`."""
        if place >= len(self.scores) or self.scores[place - 1] == self.scores[-1]:
            return len(self.scores)
        return int((-self.scores).searchsorted(-self.scores[place - 1], side="right"))


def _query_of(segment: Segment, query: Query) -> SegmentQuery:
    # A set that holds an excluded token never answers. So these tokens are treated as unknown ones, which
    # count in the query's size alone: else the sets that hold them would have the highest scores.
    shared = query.tokens - query.filters.excluded_tokens
    known = [posting for token in shared if (posting := segment.posting(token)) is not None]
    known.sort(key=attrgetter("length"))
    marks = bytearray(len(segment.vocabulary))  # for so few marks faster than NumPy
    for posting in known:
        marks[posting.token] = 1
    return SegmentQuery(
        np.array([posting.edges for posting in known], np.int64),
        np.frombuffer(marks, np.uint8),
        len(query.tokens),
        # Posting lists of equal length are most often those of tokens that an analyzer adds together.
        len({posting.length for posting in known}) < len(known),
    )


class _Scan:
    """One segment against one query."""

    def __init__(self, segment: Segment, query: Query, only: Int32 | None) -> None:
        self._token_sets, self._query = segment.token_sets, _query_of(segment, query)
        countable = len(self._query.edges) <= _KERNEL_TOKENS
        self._find_best = find_best_compiled if find_best_compiled and countable else find_best
        #: The only sets that may answer, and their scores; None where all may.
        self._only = None if only is None else (only, self._scores(only))
        self.examined = 0 if only is None else self._token_sets.count_captions(only)

    def best(self, wanted: int, floor: float, highest: float) -> tuple[Int32, Float64, float]:
        """Sets that score `floor` to `highest`, their scores, and the score from which on none is missing."""
        if self._only is not None:
            return best_of(*self._only, wanted, floor, highest)
        if not len(self._query.edges):
            return _NO_SETS, _NO_SCORES, floor
        sets, scores, complete, examined = self._find_best(
            self._token_sets, self._query, wanted, floor, highest
        )
        # Each step examines again what the steps before it examined.
        self.examined = max(self.examined, examined)
        return sets, scores, complete

    def _scores(self, sets: Int32) -> Float64:
        """The scores of these sets, which ascend."""
        overlaps = self._token_sets.overlaps(sets, self._query.marks)
        unions = self._query.size + self._token_sets.sizes_of(sets) - overlaps
        # Two empty sets have no similarity: 0, not 0 / 0.
        scores: Float64 = overlaps / np.maximum(1, unions)
        return scores


class Descent:
    """The sets of all segments for a query, best first, in steps down from the score where its page begins.

    `restricted` maps a segment's number to the only sets that may answer (ascending); in other segments all
    may. Sets that hold an excluded token may be given too, with a score that means nothing.
    """

    def __init__(self, segments: Sequence[Segment], query: Query, restricted: Mapping[int, Int32]) -> None:
        self._scans = [
            _Scan(segment, query, restricted.get(number)) for number, segment in enumerate(segments)
        ]
        self._highest, self._asked = 1.0 if query.after is None else query.after.score, 0
        #: The highest score that a set not given yet can have; 0.0 at the end.
        self.bound = self._highest if segments else 0.0

    @property
    def examined(self) -> int:
        return sum(scan.examined for scan in self._scans)

    def step(self, wanted: int, lowest: float, *, images: bool) -> list[Match]:
        """The next best sets: about as many as `wanted`, or as many as so many images are likely to have."""
        self._asked = max(self._asked * _GROWTH, wanted * _SETS_PER_IMAGE if images else wanted)
        return self._go_down(self._asked, lowest)

    def down_to(self, least: float) -> list[Match]:
        """Every set not given yet that scores `least` or more."""
        return self._go_down(0, least)

    def _go_down(self, wanted: int, lowest: float) -> list[Match]:
        """The `wanted` best sets (all if 0) that score `lowest` or more, and those equal to the last."""
        floor, matches = max(lowest, _ABOVE_ZERO), []
        for number, scan in enumerate(self._scans):
            sets, scores, floor = scan.best(wanted, floor, self._highest)
            matches.append(Match(number, sets, scores))
        if len(matches) > 1:
            floor = _common_floor(matches, wanted, floor)
            matches = [match.down_to(floor) for match in matches]
        self._highest = self.bound = nextafter(floor, 0.0)
        return [match for match in matches if len(match.sets)]


def _common_floor(matches: Sequence[Match], wanted: int, floor: float) -> float:
    """The score of the `wanted`-th best of all sets; `floor` where there are fewer, or all are wanted."""
    scores = np.concatenate([match.scores for match in matches])
    return max(floor, float(np.partition(scores, -wanted)[-wanted])) if 0 < wanted <= len(scores) else floor
