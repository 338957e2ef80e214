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

from indexer.embedded import best
from indexer.embedded.segment import Segment
from indexer.embedded.strings import Array

try:
    from indexer.embedded.kernel import best as best_compiled
except ImportError:  # there was no compiler when this was installed
    best_compiled = None  # type: ignore[assignment]

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
    """One segment against one query."""

    def __init__(self, segment: Segment, tokens: frozenset[str], only: Array | None) -> None:
        self._segment, self._query_size = segment, len(tokens)
        known = [posting for token in tokens if (posting := segment.posting(token)) is not None]
        known.sort(key=lambda posting: posting.length)
        self._marks = np.zeros(len(segment.vocabulary), np.uint8)
        self._marks[[posting.token for posting in known]] = 1
        self._begins = np.array([posting.begin for posting in known], np.int64)
        self._cuts = np.array([posting.cuts for posting in known], np.int32)
        self._together = any(one.length == other.length for one, other in pairwise(known))
        self._best = best.best if best_compiled is None or len(known) > _BYTE else best_compiled
        #: The only sets that may answer, and their scores; None where all may.
        self._only = None if only is None else (only, self._scores(only))
        self.examined = 0 if only is None else best.captions_of(only, segment.set_rows)

    def best(self, wanted: int, floor: float, highest: float) -> tuple[Array, Array, float]:
        """Sets that score `floor` to `highest`, their scores, and from where on these are all there are."""
        if self._only is not None:
            return *self._only, floor
        if not len(self._begins):
            return _NONE, _NO_SCORES, floor
        segment = self._segment
        sets, scores, complete, looked = self._best(
            segment.postings,
            self._begins,
            self._cuts,
            segment.sizes,
            segment.class_sets,
            segment.class_tokens,
            segment.set_tokens,
            segment.set_rows,
            self._marks,
            self._query_size,
            self._together,
            wanted,
            floor,
            highest,
        )
        # Each step looks once more at what the steps before looked at.
        self.examined = max(self.examined, looked)
        return sets, scores, complete

    def _scores(self, sets: Array) -> Array:
        """The scores of these sets (ascending)."""
        one = self._segment
        overlaps = best.overlaps_of(
            sets, one.sizes, one.class_sets, one.class_tokens, one.set_tokens, self._marks
        )
        sizes = one.sizes[one.class_sets.searchsorted(sets, side="right") - 1]
        # Nothing at all is like nothing at all by 0.
        scores: Array = overlaps / np.maximum(1, self._query_size + sizes - overlaps)
        return scores


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
        self._scans = [
            _Scan(segment, tokens, restricted.get(number)) for number, segment in enumerate(segments)
        ]
        self._highest, self._asked = highest, 0
        #: The most that a set not given yet can score; 0.0 at the end.
        self.bound = highest if segments else 0.0

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

    def _match(self, number: int, sets: Array, scores: Array, floor: float) -> Match:
        places = np.flatnonzero((scores >= floor) & (scores <= self._highest))
        places = places[np.lexsort((sets[places], -scores[places]))]
        return Match(number, sets[places], scores[places])
