"""From token sets in descending score to captions: filters, deleted rows, ties, and where to stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import repeat
from typing import NamedTuple

import numpy as np

from indexer.embedded.dtypes import Bool, Float64, Int32, Int64, Integers
from indexer.embedded.ranking import Descent, Match
from indexer.embedded.segment import Segment
from indexer.records import Candidate, Candidates, Document, Filters, Position, Query

try:
    from indexer.embedded.decoder import unfold
except ImportError:  # there was no compiler when this was installed
    from indexer.embedded.decoding import unfold

#: Filters that let at most this share of a segment (or this many rows) pass are selective: the sets of these
#: rows are all scored. To go down the scores would be slower, since most captions there do not pass.
_SELECTIVE_SHARE, _SELECTIVE_ROWS = 0.01, 2_000


class _Found(NamedTuple):
    """A caption that answers, and where it is stored."""

    position: Position
    segment: int
    set: int
    row: int


class Selection:
    """Which rows may answer: those that are not deleted and pass the filters."""

    def __init__(self, segments: Sequence[Segment], filters: Filters) -> None:
        self._segments, self._filters = segments, filters
        self._resolved = [segment.resolve(filters) for segment in segments]
        #: For each segment, whether every row may answer.
        self.unrestricted = [
            not resolved and segment.deleted is None
            for segment, resolved in zip(segments, self._resolved, strict=True)
        ]

    def rows(self, number: int, rows: Int64) -> Int64:
        """Those of a segment's rows that may answer."""
        return rows if self.unrestricted[number] else rows[self.passes(number, rows)]

    def passes(self, number: int, rows: Int64) -> Bool:
        """Which of a segment's rows may answer."""
        return self._segments[number].passes(rows, self._resolved[number])

    def images(self, number: int) -> Integers:
        """The images of a segment that have a caption which may answer; codes, ascending."""
        segment, resolved = self._segments[number], self._resolved[number]
        if not resolved:
            return segment.live_images()
        return segment.images_of(segment.all_passing(resolved))

    def selected_sets(self) -> dict[int, Int32]:
        """For each segment of which few rows pass, by its number: the sets of these rows."""
        sets = {}
        for number, (segment, resolved) in enumerate(zip(self._segments, self._resolved, strict=True)):
            few = max(_SELECTIVE_ROWS, int(len(segment) * _SELECTIVE_SHARE))
            if resolved.allowed and segment.most_passing(resolved) <= few:
                sets[number] = segment.passing_sets(self._filters, resolved)
        return sets


class _Answer:
    """Collects the captions that answer one query, in steps down the scores."""

    def __init__(self, segments: Sequence[Segment], query: Query, limit: int) -> None:
        self._segments, self._query, self._limit = segments, query, limit
        self._selection = Selection(segments, query.filters)
        self._descent = Descent(segments, query, self._selection.selected_sets())
        self._found: list[_Found] = []
        self._next: _Found | None = None  # the best caption that is left out, where one is known
        self._images: set[str] = set()  # of `_found`

    def collect(self) -> Candidates:
        by_image = self._query.images is not None
        while (missing := self._missing()) and self._reaches_min_score(self._descent.bound):
            self._take(self._descent.step(missing, self._query.min_score, images=by_image))
        return Candidates(self._candidates(), self._bound(), self._descent.examined)

    def _missing(self) -> int:
        """How many more captions are wanted, or images where the query counts these."""
        captions = self._limit - len(self._found)
        return (
            captions if self._query.images is None else min(captions, self._query.images - len(self._images))
        )

    def _reaches_min_score(self, score: float) -> bool:
        return score > 0.0 and score >= self._query.min_score

    def _bound(self) -> float:
        """An upper bound on the score of all that is left out."""
        bound = self._next.position.score if self._next else self._descent.bound
        return bound if self._reaches_min_score(bound) else 0.0

    def _take(self, matches: Sequence[Match]) -> None:
        """Take captions until none is missing, and look at one more to know the best that is left out."""
        captions, images = self._limit - len(self._found), self._query.images or self._limit
        found = map(self._captions, matches)
        for one in merge(*found, key=lambda one: (-one.position.score, one.position.image_id)):
            if not captions or len(self._images) >= images:
                self._next = one
                break
            self._found.append(one)
            self._images.add(one.position.image_id)
            captions -= 1

    def _captions(self, match: Match) -> Iterator[_Found]:
        """The captions of a segment's sets that answer, by descending score, then by image.

        They are read as they are asked for: as many as can be missing then, and one more.
        """
        turn, end = 2 * self._missing(), 0
        while end < len(match.sets):
            # Sets of equal score are read together, since their captions are ordered by image. A turn reads
            # as many sets as all turns before it, or more: else it takes many where few captions pass.
            begin, end = end, match.end_of_score(end + max(turn, end))
            yield from self._in_order(match.part(begin, end))

    def _in_order(self, match: Match) -> Iterator[_Found]:
        """The first captions of these sets that answer, in order: as many as can be missing, and one more."""
        number, enough = match.segment, self._limit - len(self._found) + 1
        segment, images = self._segments[number], self._segments[number].column("image_id")
        all_answer = self._selection.unrestricted[number] and self._query.after is None
        most, every_image = enough if all_answer else len(segment), images.all_codes(len(segment))
        scores, codes, sets, rows = unfold(segment.token_sets, match.sets, match.scores, every_image, most)
        if not all_answer:
            kept = self._passes(number, rows, codes, scores).nonzero()[0][:enough]
            scores, codes, sets, rows = scores[kept], codes[kept], sets[kept], rows[kept]
        positions = map(Position, scores.tolist(), images.values.many(codes))
        return map(_Found, positions, repeat(number), sets.tolist(), rows.tolist())

    def _passes(self, number: int, rows: Int64, images: Integers, scores: Float64) -> Bool:
        """Which of a segment's captions pass the filters, and do not stand before the page."""
        passing, after = self._selection.passes(number, rows), self._query.after
        if after is None:
            return passing
        first = self._segments[number].column("image_id").values.rank(after.image_id, after=True)
        return passing & ((scores < after.score) | (images >= first))

    def _candidates(self) -> tuple[Candidate, ...]:
        documents = [iter(self._documents(number)) for number in range(len(self._segments))]
        return tuple(Candidate(next(documents[found.segment]), found.position) for found in self._found)

    def _documents(self, number: int) -> list[Document]:
        """The documents that were found in a segment, in their order."""
        found = [one for one in self._found if one.segment == number]
        sets = np.array([one.set for one in found], np.int32)
        return self._segments[number].documents(np.array([one.row for one in found], np.int64), sets)


def answer(segments: Sequence[Segment], query: Query, limit: int) -> Candidates:
    """`CaptionIndex.candidates` over these segments."""
    return _Answer(segments, query, limit).collect()


def distinct_images(segments: Sequence[Segment], images: Iterable[Integers]) -> int:
    """How many images these are, given as codes for each segment; an image in two segments counts once."""
    distinct = [np.unique(codes) for codes in images]
    filled = [(segment, codes) for segment, codes in zip(segments, distinct, strict=True) if len(codes)]
    if len(filled) < 2:  # nothing can be in two segments: no need to read the image ids
        return sum(len(codes) for _, codes in filled)
    image_ids: set[str] = set()
    for segment, codes in filled:
        image_ids.update(segment.column("image_id").values.many(codes.astype(np.int64)))
    return len(image_ids)


def count_images(segments: Sequence[Segment], queries: Iterable[Query], excluded: Sequence[str] = ()) -> int:
    """How many images have a caption that passes a query's filters and reaches its `min_score`.

    The `excluded` images are not counted.
    """
    found: list[list[Integers]] = [[np.zeros(0, np.int64)] for _ in segments]
    for query in queries:
        selection = Selection(segments, query.filters)
        descent = Descent(segments, query, selection.selected_sets())
        for match in descent.down_to(query.min_score):
            segment = segments[match.segment]
            rows = selection.rows(match.segment, segment.token_sets.rows_of(match.sets)[0])
            found[match.segment].append(segment.column("image_id").codes(rows))
    left_out = [segment.column("image_id").codes_of(excluded) for segment in segments]
    counted = [np.setdiff1d(np.concatenate(parts), out) for parts, out in zip(found, left_out, strict=True)]
    return distinct_images(segments, counted)


def random_rows(
    segments: Sequence[Segment], size: int, filters: Filters, seed: int | None
) -> list[tuple[int, int]]:
    """One caption, as (segment, row), of each of up to `size` distinct images, every image equally likely."""
    generator = np.random.default_rng(seed)
    selection = Selection(segments, filters)
    images = [selection.images(number) for number in range(len(segments))]
    ends = np.cumsum([len(codes) for codes in images])
    chosen: list[tuple[int, int]] = []
    for draw in map(int, generator.permutation(int(ends[-1]) if len(ends) else 0)):
        if len(chosen) >= size:
            break
        number = int(np.searchsorted(ends, draw, side="right"))
        code = int(images[number][draw - (int(ends[number - 1]) if number else 0)])
        image_id = segments[number].column("image_id").values[code]
        # An image in several segments can be drawn from the first of them only, or it would be likelier.
        if not any(_has_image(segments[earlier], images[earlier], image_id) for earlier in range(number)):
            rows = selection.rows(number, segments[number].rows_of_images(np.array([code])))
            chosen.append((number, int(generator.choice(rows))))
    return chosen


def _has_image(segment: Segment, images: Integers, image_id: str) -> bool:
    """Whether an image is among these of a segment (codes, ascending)."""
    code = segment.column("image_id").values.find(image_id)
    place = int(np.searchsorted(images, code))
    return code >= 0 and place < len(images) and int(images[place]) == code
