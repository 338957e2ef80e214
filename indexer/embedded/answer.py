"""Token sets in descending score -> the captions that answer: filters, deletions, ties, where to stop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from indexer.embedded.dtypes import Bool, Float64, Int32, Int64, Integers
from indexer.embedded.ranking import Descent, Match
from indexer.embedded.segment import Segment
from indexer.records import Candidate, Candidates, Filters, Position, Query

#: Filters that let at most this share of a segment (or this many rows) pass are resolved to rows first: few
#: overlaps are then counted directly, where going down the scores would meet mostly captions that do not
#: pass.
_SELECTIVE_SHARE, _SELECTIVE_ROWS = 0.01, 2_000


@dataclass(frozen=True, slots=True)
class _Found:
    """A caption: its score, its image, and where it is."""

    score: float
    image_id: str
    segment: int
    row: int


class Selection:
    """Which rows may answer: live, and passing the filters."""

    def __init__(self, segments: Sequence[Segment], filters: Filters) -> None:
        self._segments, self._filters = segments, filters
        self._accepted = [segment.accepted(filters) for segment in segments]
        #: Per segment, whether every row may answer.
        self.all = [
            not accepted and segment.deleted is None
            for segment, accepted in zip(segments, self._accepted, strict=True)
        ]

    def rows(self, number: int, rows: Int64) -> Int64:
        """Those of a segment's rows that may answer."""
        return rows if self.all[number] else rows[self.passes(number, rows)]

    def passes(self, number: int, rows: Int64) -> Bool:
        """Which of a segment's rows may answer."""
        return self._segments[number].passes(rows, self._accepted[number])

    def images(self, number: int) -> Integers:
        """Codes, ascending, of a segment's images that have a caption that may answer."""
        segment, accepted = self._segments[number], self._accepted[number]
        if not accepted:
            return segment.live_images()
        return segment.images_of(segment.all_passing(accepted))

    def restricted(self) -> dict[int, Int32]:
        """Segments whose filters let few rows pass, and the sets of those rows."""
        sets = {}
        for number, (segment, accepted) in enumerate(zip(self._segments, self._accepted, strict=True)):
            few = max(_SELECTIVE_ROWS, int(len(segment) * _SELECTIVE_SHARE))
            if accepted.tables and segment.at_most(accepted) <= few:
                sets[number] = segment.passing_sets(self._filters, accepted)
        return sets


def _images(segment: Segment, rows: Int64) -> Integers:
    return segment.column("image_id").codes(rows)


class _Answer:
    """Collects the captions of one query, step after step."""

    def __init__(self, segments: Sequence[Segment], query: Query, limit: int) -> None:
        self._segments, self._query, self._limit = segments, query, limit
        self._selection = Selection(segments, query.filters)
        self._descent = Descent(segments, query, self._selection.restricted())
        self._found: list[_Found] = []
        self._next: _Found | None = None  # the first caption known to be left out
        self._images: set[str] = set()  # counted only where the query wants so many

    def collect(self) -> Candidates:
        while self._missing() and self._wanted(self._descent.bound):
            by_image = self._query.images is not None
            step = self._descent.step(self._missing(), self._query.min_score, images=by_image)
            self._take([match for one in step if len((match := self._eligible(one)).sets)])
        return Candidates(self._candidates(), self._bound(), self._descent.examined)

    def _missing(self) -> int:
        """How many more captions, or images where these are counted, are wanted."""
        captions = self._limit - len(self._found)
        return (
            captions if self._query.images is None else min(captions, self._query.images - len(self._images))
        )

    def _wanted(self, score: float) -> bool:
        return score > 0.0 and score >= self._query.min_score

    def _bound(self) -> float:
        rest = self._next.score if self._next else self._descent.bound
        return rest if self._wanted(rest) else 0.0

    def _eligible(self, match: Match) -> Match:
        """Without sets whose score is not asked for."""
        ascending = -match.scores
        first = 0 if self._query.after is None else int(ascending.searchsorted(-self._query.after.score))
        last = int(ascending.searchsorted(-self._query.min_score, side="right"))
        return match if last - first == len(match.sets) else match.part(first, last)

    def _take(self, matches: Sequence[Match]) -> None:
        most = self._limit - len(self._found)
        # Ten images seldom need forty captions: so few are tried first, where that is fewer.
        for wanted in dict.fromkeys((min(most, 2 * self._missing()), most)):
            # One more than wanted, to know what is left out.
            captions = [one for match in matches for one in self._captions(match, wanted + 1)]
            if len(matches) > 1:
                captions.sort(key=lambda one: (-one.score, one.image_id, one.segment, one.row))
            taken = self._until_enough(captions[:wanted])
            if len(taken) < wanted or len(captions) <= wanted:
                break
        self._found += taken
        self._images.update(one.image_id for one in taken)
        self._next = captions[len(taken)] if len(captions) > len(taken) else None

    def _until_enough(self, captions: list[_Found]) -> list[_Found]:
        """The beginning, up to the caption that brings the last image wanted."""
        if self._query.images is None:
            return captions
        images = set(self._images)
        for place, one in enumerate(captions, 1):
            images.add(one.image_id)
            if len(images) >= self._query.images:
                return captions[:place]
        return captions

    def _captions(self, match: Match, wanted: int) -> list[_Found]:
        """The `wanted` first captions of a segment's sets, in order."""
        segment, parts, count, end = self._segments[match.segment], [], 0, 0
        while count < wanted and end < len(match.sets):
            # Sets of one score go together: their captions are in order of images. Where few may answer, each
            # turn looks at as many as all before it.
            begin, end = end, match.end_of_score(end + max(wanted - count, end))
            parts.append(self._rows(match.part(begin, end), wanted))
            count += len(parts[-1][0])
        rows, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        images = _images(segment, rows)
        order = np.lexsort((images, -scores))[:wanted]
        names = segment.column("image_id").values.many(images[order])
        found = zip(scores[order].tolist(), names, rows[order].tolist(), strict=True)
        return [_Found(score, name, match.segment, row) for score, name, row in found]

    def _rows(self, match: Match, wanted: int) -> tuple[Int64, Float64]:
        """Rows of the sets that may answer, with their scores: all that can be among the `wanted` first."""
        segment, after = self._segments[match.segment], self._query.after
        free = self._selection.all[match.segment] and after is None
        if free and len(match.sets) > 4 * wanted:
            match = match.of(np.lexsort((segment.first_images(match.sets), -match.scores))[:wanted])
        rows, lengths = segment.token_sets.counted_rows(match.sets, wanted if free else None)
        scores = match.scores if len(rows) == len(match.sets) else np.repeat(match.scores, lengths)
        if free:
            return rows, scores
        passing = self._selection.passes(match.segment, rows)
        if after is not None:
            first = segment.column("image_id").values.rank(after.image_id, after=True)
            passing &= (scores < after.score) | (_images(segment, rows) >= first)
        return rows[passing], scores[passing]

    def _candidates(self) -> tuple[Candidate, ...]:
        documents = {}
        for number, segment in enumerate(self._segments):
            rows = [found.row for found in self._found if found.segment == number]
            if rows:
                texts = segment.documents(np.array(rows, np.int64))
                documents.update({(number, row): document for row, document in zip(rows, texts, strict=True)})
        return tuple(
            Candidate(documents[found.segment, found.row], Position(found.score, found.image_id))
            for found in self._found
        )


def answer(segments: Sequence[Segment], query: Query, limit: int) -> Candidates:
    """`CaptionIndex.candidates` over these segments."""
    return _Answer(segments, query, limit).collect()


def distinct_images(segments: Sequence[Segment], images: Iterable[Integers]) -> int:
    """How many images these are, given the codes in each segment; an image in two segments counts once."""
    codes = [np.unique(part) for part in images]
    held = [(segment, part) for segment, part in zip(segments, codes, strict=True) if len(part)]
    if len(held) < 2:
        return sum(len(part) for _, part in held)
    names: set[str] = set()
    for segment, part in held:
        names.update(segment.column("image_id").values.many(part.astype(np.int64)))
    return len(names)


def count_images(segments: Sequence[Segment], queries: Iterable[Query], excluded: Sequence[str] = ()) -> int:
    """Images but `excluded` ones with a caption that passes a query's filters and reaches its `min_score`."""
    found: list[list[Integers]] = [[np.zeros(0, np.int64)] for _ in segments]
    for query in queries:
        selection = Selection(segments, query.filters)
        descent = Descent(segments, query, selection.restricted())
        for match in descent.down_to(query.min_score):
            segment = segments[match.segment]
            sets = match.sets[match.scores >= query.min_score]
            rows = selection.rows(match.segment, segment.token_sets.counted_rows(sets)[0])
            found[match.segment].append(_images(segment, rows))
    left_out = [segment.column("image_id").places(excluded) for segment in segments]
    return distinct_images(
        segments,
        [np.setdiff1d(np.concatenate(parts), gone) for parts, gone in zip(found, left_out, strict=True)],
    )


def random_rows(
    segments: Sequence[Segment], size: int, filters: Filters, seed: int | None
) -> list[tuple[int, int]]:
    """(segment, row) of one caption each of up to `size` distinct images, every image equally likely."""
    chance = np.random.default_rng(seed)
    selection = Selection(segments, filters)
    images = [selection.images(number) for number in range(len(segments))]
    ends = np.cumsum([len(part) for part in images])
    chosen: list[tuple[int, int]] = []
    for draw in chance.permutation(int(ends[-1]) if len(ends) else 0).tolist():
        if len(chosen) >= size:
            break
        number = int(np.searchsorted(ends, draw, side="right"))
        code = int(images[number][draw - (int(ends[number - 1]) if number else 0)])
        name = segments[number].column("image_id").values[code]
        # An image in several segments stands for itself once, in the first: else it would be drawn more
        # often.
        if not any(_drawable(segments[earlier], images[earlier], name) for earlier in range(number)):
            own = selection.rows(number, segments[number].rows_of_images(np.array([code])))
            chosen.append((number, int(chance.choice(own))))
    return chosen


def _drawable(segment: Segment, images: Integers, name: str) -> bool:
    """Whether an image is among these codes (ascending) of a segment."""
    code = segment.column("image_id").values.find(name)
    place = int(np.searchsorted(images, code))
    return code >= 0 and place < len(images) and int(images[place]) == code
