"""Levels of equal score -> the captions that answer: filters, deletions, order by image id, where to stop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from indexer.embedded.ranking import Levels
from indexer.embedded.segment import Segment
from indexer.embedded.strings import Array
from indexer.errors import IndexerError
from indexer.records import KEYWORD_FIELDS, Candidate, Candidates, Filters, Position, Query

#: Filters that let at most this share of a segment (or this many rows) pass are resolved to rows first: few
#: overlaps are then counted directly, where going down the levels would meet mostly captions that do not
#: pass.
_SELECTIVE_SHARE, _SELECTIVE_ROWS = 0.01, 2_000


@dataclass(frozen=True, slots=True)
class _Found:
    """A caption: where it is, and its image."""

    image_id: str
    segment: int
    row: int


class Selection:
    """Which rows may answer: live, and passing the filters."""

    def __init__(self, segments: Sequence[Segment], filters: Filters) -> None:
        unknown = sorted(set(filters.where) - set(KEYWORD_FIELDS))
        if unknown:
            raise IndexerError(
                f"cannot filter by {unknown[0]!r}; fields to filter by: {', '.join(KEYWORD_FIELDS)}"
            )
        self._segments, self._filters = segments, filters
        self._tables = [segment.accepted(filters) if filters else {} for segment in segments]
        #: Per segment, whether every row may answer.
        self.all = [
            not tables and segment.deleted is None
            for segment, tables in zip(segments, self._tables, strict=True)
        ]

    def rows(self, number: int, rows: Array) -> Array:
        """Those of a segment's rows that may answer."""
        return rows if self.all[number] else self._segments[number].passing(rows, self._tables[number])

    def images(self, number: int) -> Array:
        """Codes, ascending, of a segment's images that have a caption that may answer."""
        segment, tables = self._segments[number], self._tables[number]
        return np.unique(_images(segment, segment.all_passing(tables))) if tables else segment.live_images()

    def restricted(self) -> dict[int, Array]:
        """Segments whose filters let few rows pass, and the sets of those rows."""
        sets = {}
        for number, (segment, tables) in enumerate(zip(self._segments, self._tables, strict=True)):
            few = max(_SELECTIVE_ROWS, int(len(segment) * _SELECTIVE_SHARE))
            if tables and segment.at_most(tables) <= few:
                sets[number] = segment.passing_sets(self._filters, tables)
        return sets


def _images(segment: Segment, rows: Array) -> Array:
    return segment.column("image_id").codes(rows)


def _smallest_images(segment: Segment, rows: Array, wanted: int) -> Array:
    """The `wanted` rows with the smallest image ids, in any order."""
    if len(rows) <= wanted:
        return rows
    return rows[np.argpartition(_images(segment, rows), wanted - 1)[:wanted]]


class _Answer:
    """Collects the captions of one query, level after level."""

    def __init__(self, segments: Sequence[Segment], query: Query, limit: int) -> None:
        self._segments, self._query, self._limit = segments, query, limit
        self._selection = Selection(segments, query.filters)
        self._levels = Levels(segments, query.tokens, self._selection.restricted())
        self._found: list[tuple[float, _Found]] = []
        self._cut = False  # the last level held more than was wanted
        self._images: set[str] = set()  # counted only where the query wants so many

    def collect(self) -> Candidates:
        after = self._query.after
        while after is not None and self._levels.next_score > after.score:
            self._levels.skip()
        while not self._enough() and self._wanted(self._levels.next_score):
            self._take_level()
        return Candidates(self._candidates(), self._bound(), self._levels.examined)

    def _enough(self) -> bool:
        images = self._query.images
        return len(self._found) >= self._limit or (images is not None and len(self._images) >= images)

    def _wanted(self, score: float) -> bool:
        return score > 0.0 and score >= self._query.min_score

    def _bound(self) -> float:
        if self._cut:
            return self._found[-1][0]
        rest = self._levels.next_score
        return rest if self._wanted(rest) else 0.0

    def _take_level(self) -> None:
        score, wanted = self._levels.next_score, self._limit - len(self._found)
        after = self._query.after
        behind = after.image_id if after is not None and after.score == score else None
        level: list[_Found] = []
        for match in self._levels.pop():
            # One more than wanted, to know whether the level was cut.
            level += self._level_rows(match.segment, match.sets, wanted + 1, behind)
        level.sort(key=lambda found: (found.image_id, found.segment, found.row))
        taken = self._until_enough(level[:wanted])
        self._cut = len(level) > len(taken)
        self._found += [(score, found) for found in taken]

    def _until_enough(self, level: list[_Found]) -> list[_Found]:
        """The beginning of a level, up to the caption that brings the last image wanted."""
        if self._query.images is not None:
            for place, found in enumerate(level, 1):
                self._images.add(found.image_id)
                if len(self._images) >= self._query.images:
                    return level[:place]
        return level

    def _level_rows(self, number: int, sets: Array, wanted: int, behind: str | None) -> list[_Found]:
        segment = self._segments[number]
        if self._selection.all[number] and behind is None:
            # Sets come by their smallest image id: no row of a later set can be among the first.
            sets = sets[:wanted]
        rows = self._selection.rows(number, segment.rows_of_sets(sets))
        if behind is not None:
            first = segment.column("image_id").values.rank(behind, after=True)
            rows = rows[_images(segment, rows) >= first]
        rows = _smallest_images(segment, rows, wanted)
        images = segment.column("image_id").texts(rows)
        return [_Found(image, number, row) for image, row in zip(images, rows.tolist(), strict=True)]

    def _candidates(self) -> tuple[Candidate, ...]:
        documents = {}
        for number, segment in enumerate(self._segments):
            rows = [found.row for _, found in self._found if found.segment == number]
            if rows:
                texts = segment.documents(np.array(rows, np.int64))
                documents.update({(number, row): document for row, document in zip(rows, texts, strict=True)})
        return tuple(
            Candidate(documents[found.segment, found.row], Position(score, found.image_id))
            for score, found in self._found
        )


def answer(segments: Sequence[Segment], query: Query, limit: int) -> Candidates:
    """`CaptionIndex.candidates` over these segments."""
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, not {limit}")
    return _Answer(segments, query, limit).collect()


def distinct_images(segments: Sequence[Segment], images: Iterable[Array]) -> int:
    """How many images these are, given the codes in each segment; an image in two segments counts once."""
    codes = [np.unique(part) for part in images]
    held = [(segment, part) for segment, part in zip(segments, codes, strict=True) if len(part)]
    if len(held) < 2:
        return sum(len(part) for _, part in held)
    names: set[str] = set()
    for segment, part in held:
        names.update(segment.column("image_id").values.many(part.astype(np.int64)))
    return len(names)


def count_images(segments: Sequence[Segment], query: Query) -> int:
    """Images with a caption of `query.min_score` or more that passes the filters."""
    selection = Selection(segments, query.filters)
    levels = Levels(segments, query.tokens, selection.restricted())
    found: list[list[Array]] = [[np.zeros(0, np.int64)] for _ in segments]
    while levels.next_score > 0.0 and levels.next_score >= query.min_score:
        for match in levels.pop():
            segment = segments[match.segment]
            rows = selection.rows(match.segment, segment.rows_of_sets(match.sets))
            found[match.segment].append(_images(segment, rows))
    return distinct_images(segments, [np.concatenate(parts) for parts in found])


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


def _drawable(segment: Segment, images: Array, name: str) -> bool:
    """Whether an image is among these codes (ascending) of a segment."""
    code = segment.column("image_id").values.find(name)
    place = int(np.searchsorted(images, code))
    return code >= 0 and place < len(images) and int(images[place]) == code
