"""A segment as it is read: look-ups by token, image, document id and field, and the documents of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from indexer.embedded.arrays import ArrayFile
from indexer.embedded.dtypes import Bool, Int32, Int64, Integers, UInt64
from indexer.embedded.manifest import SegmentEntry
from indexer.embedded.rows import COLUMNS, Column, Rows
from indexer.embedded.shape import check_segment, read_tombstones
from indexer.embedded.stored_column import StoredColumn, stored_strings
from indexer.embedded.strings import Strings
from indexer.embedded.token_sets import TokenSets
from indexer.records import NO_FILTERS, RECORD_FIELDS, CaptionRecord, Document, Filters

try:
    from indexer.embedded.decoder import decode_sets, make_many
    from indexer.embedded.kernel import class_edges
except ImportError:  # there was no compiler when this was installed
    from indexer.embedded.best import class_edges
    from indexer.embedded.decoding import decode_sets, make_many

_DOCUMENT_FIELDS = tuple(one.name for one in fields(Document))
#: For how many tokens a segment caches what was looked up.
_CACHED_TOKENS = 20_000
#: Letters of the longest unknown token that is cached: visitors may ask for any.
_LONGEST_UNKNOWN = 100
#: Rows held in memory at a time, where all rows are read.
_BATCH_ROWS = 4096
#: Sets that are searched at a time for a live caption.
_BATCH_SETS = 256
#: For how many selective filters a segment caches the sets that pass.
_CACHED_FILTERS = 8


@dataclass(frozen=True, slots=True)
class ResolvedFilters:
    """Filters in the codes and sets of one segment; false where every row passes."""

    allowed: dict[str, Bool]  # for each field that is filtered by: whether a code is allowed
    excluded: tuple[Int32, ...] = ()  # for each excluded token that occurs: the sets that hold it, ascending

    def __bool__(self) -> bool:
        return bool(self.allowed or self.excluded)


class Posting(NamedTuple):
    """The posting list of a token: class c is `postings[edges[c] : edges[c + 1]]`."""

    token: int
    begin: int
    length: int
    edges: Int64


class Segment:
    """An immutable segment with the tombstones of one generation."""

    def __init__(self, folder: Path, entry: SegmentEntry, file: ArrayFile | None = None) -> None:
        self.entry = entry
        self.file = file or ArrayFile(folder / entry.file.path, entry.file.written)
        if file is None:
            check_segment(self.file, entry.rows)
        self.deleted: Bool | None = None
        if entry.tombstones is not None:
            tombstones = ArrayFile(folder / entry.tombstones.path, entry.tombstones.written)
            self.deleted = read_tombstones(tombstones, entry.rows, entry.deleted)
        self._columns: dict[str, StoredColumn] = {}
        self._postings: dict[str, Posting | None] = {}  # a cache by token, with None for unknown ones
        self._texts: dict[int, str] = {}  # of tokens by their numbers, a cache
        self._passing: dict[Filters, Int32] = {}  # a cache, too

    def with_entry(self, folder: Path, entry: SegmentEntry) -> Segment:
        """This segment in another generation: the same file, perhaps with other tombstones."""
        return self if entry == self.entry else Segment(folder, entry, self.file)

    def __len__(self) -> int:
        return self.entry.rows

    def column(self, name: str) -> StoredColumn:
        if name not in self._columns:
            self._columns[name] = StoredColumn(self.file, name, len(self))
        return self._columns[name]

    # Sets and tokens.

    @cached_property
    def token_sets(self) -> TokenSets:
        return TokenSets.of(self.file)

    @cached_property
    def _posting_starts(self) -> Integers:
        return self.file["posting.starts"]

    @cached_property
    def vocabulary(self) -> Strings:
        return stored_strings(self.file, "vocabulary")

    def posting(self, text: str) -> Posting | None:
        """The posting list of a token; None for one that does not occur."""
        # A local name, since threads share segments: another one may replace the cache meanwhile.
        cache = self._postings
        if len(cache) > _CACHED_TOKENS:
            cache = self._postings = {}
        if text in cache:
            return cache[text]
        found = self._find_posting(self.vocabulary.find(text))
        if found is not None or len(text) <= _LONGEST_UNKNOWN:
            cache[text] = found
        return found

    def _find_posting(self, token: int) -> Posting | None:
        if token < 0:
            return None
        begin, end = self._posting_starts.item(token), self._posting_starts.item(token + 1)
        if begin == end:  # a merge keeps the token when all its captions are deleted
            return None
        return Posting(token, begin, end - begin, class_edges(self.token_sets, begin, end))

    def _posting_list(self, posting: Posting) -> Int32:
        return self.token_sets.postings[posting.begin : posting.begin + posting.length]

    def has_live(self, text: str) -> bool:
        """Whether a live caption has this token."""
        posting = self.posting(text)
        if posting is None:
            return False
        if self.deleted is None:
            return True
        sets = self._posting_list(posting)
        # In batches, since the first sets nearly always have a live caption.
        batches = (sets[first : first + _BATCH_SETS] for first in range(0, len(sets), _BATCH_SETS))
        return any(len(self.live(self.token_sets.rows_of(batch)[0])) for batch in batches)

    def count_live(self, text: str) -> int:
        """How many live captions have this token."""
        posting = self.posting(text)
        if posting is None:
            return 0
        sets = self._posting_list(posting)
        if self.deleted is None:
            return self.token_sets.count_captions(sets)
        return len(self.live(self.token_sets.rows_of(sets)[0]))

    # Rows.

    def live(self, rows: Int64) -> Int64:
        return rows if self.deleted is None else rows[~self.deleted[rows]]

    def live_rows(self) -> Int64:
        return self.live(np.arange(len(self)))

    def row_batches(self, filters: Filters = NO_FILTERS) -> Iterator[Int64]:
        """Every row that is live and passes, ascending, in batches."""
        rows = self.all_passing(self.resolve(filters))
        return (rows[begin : begin + _BATCH_ROWS] for begin in range(0, len(rows), _BATCH_ROWS))

    @cached_property
    def _image_starts(self) -> Int64:
        counts = self.column("image_id").counts
        return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    def rows_of_images(self, images: Integers) -> Int64:
        """Live rows of images, given as codes of the column `image_id`."""
        starts, rows = self._image_starts, self.file["image.rows"]
        if not len(images):
            return np.zeros(0, np.int64)
        return self.live(np.concatenate([rows[starts[i] : starts[i + 1]] for i in images]).astype(np.int64))

    def live_images(self) -> Integers:
        """Codes of the images that have a live caption."""
        if self.deleted is None:
            return np.arange(len(self.column("image_id").values))
        return self.images_of(self.live_rows())

    def images_of(self, rows: Int64) -> Int64:
        """The images of these rows; codes, ascending."""
        images = self.column("image_id")
        marked = np.zeros(len(images.values), bool)  # faster than np.unique, which sorts
        marked[images.codes(rows)] = True
        return np.flatnonzero(marked)

    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        """Image id and `image` of every live row whose `image` has this beginning."""
        images = self.column("image")
        wanted = np.zeros(len(images.values), bool)
        wanted[images.values.find_prefix(beginning)] = True
        return self.places_of(self.live(np.flatnonzero(wanted[images.all_codes(len(self))])))

    def places_of(self, rows: Int64) -> Iterator[tuple[str, str]]:
        """Image id and `image` of these rows."""
        return zip(self.column("image_id").texts(rows), self.column("image").texts(rows), strict=True)

    def find_documents(self, keys: UInt64) -> tuple[Bool, Int64]:
        """Which documents are live here, and their rows.

        `keys` has the shape (n, 2), as `document_keys` gives it. The first array has n booleans, the second a
        row for each document that was found.
        """
        high, low, id_rows = self.file["id.high"], self.file["id.low"], self.file["id.rows"]
        place = np.searchsorted(high, keys[:, 0])
        found, rows = np.zeros(len(keys), bool), np.zeros(len(keys), np.int64)
        pending = np.arange(len(keys))
        # One turn for each document of equal high bits: mostly one. More come where two ids share their first
        # 64 bits, or a caption was deleted and added again.
        while len(pending := pending[place[pending] < len(high)]):
            pending = pending[high[place[pending]] == keys[pending, 0]]
            at = place[pending]
            row = id_rows[at]
            same = low[at] == keys[pending, 1]
            live = same if self.deleted is None else same & ~self.deleted[row]
            found[pending] |= live
            rows[pending[live]] = row[live]
            place[pending] += 1
        return found, rows[found]

    def documents(self, rows: Int64, sets: Int32 | None = None) -> list[Document]:
        """The documents of these rows, in their order. `sets`: those of the rows, where they are known."""
        times = self.column("indexed_at").texts(rows)
        tokens = self._tokens_of(self.token_sets.sets_of(rows) if sets is None else sets)
        return make_many(Document, _DOCUMENT_FIELDS, (self.records(rows), tokens, times))

    def records(self, rows: Int64) -> list[CaptionRecord]:
        """The records of these rows, in their order."""
        columns = [column.texts(rows) for column in self._record_columns]
        return make_many(CaptionRecord, RECORD_FIELDS, columns)

    @cached_property
    def _record_columns(self) -> list[StoredColumn]:
        return [self.column(name) for name in RECORD_FIELDS]

    def _tokens_of(self, sets: Int32) -> list[frozenset[str]]:
        if len(self._texts) > _CACHED_TOKENS:
            self._texts = {}
        return decode_sets(self.token_sets, sets, self.vocabulary.blob, self.vocabulary.starts, self._texts)

    def rows(self) -> Rows:
        """All live rows in the form that segments are built from."""
        keep = self.live_rows()
        starts, sizes = self.token_sets.token_spans(self.token_sets.sets_of(keep))
        shift = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
        tokens = self.token_sets.tokens[shift + np.arange(len(shift))].astype(np.int64)
        ids = np.empty((len(self), 2), np.uint64)
        ids[self.file["id.rows"], 0], ids[self.file["id.rows"], 1] = self.file["id.high"], self.file["id.low"]
        columns = {name: self._column_rows(name, keep) for name in COLUMNS}
        return Rows(self.vocabulary, sizes, tokens, ids[keep], columns)

    def _column_rows(self, name: str, keep: Int64) -> Column:
        column = self.column(name)
        return Column(column.values, column.codes(keep).astype(np.int64))

    # Filters.

    def resolve(self, filters: Filters) -> ResolvedFilters:
        allowed = {}
        for name, values in filters.where.items():
            codes = np.zeros(len(self.column(name).values), bool)
            codes[self.column(name).codes_of(values)] = True
            allowed[name] = codes
        postings = map(self.posting, filters.excluded_tokens)
        excluded = [posting for posting in postings if posting is not None]
        return ResolvedFilters(allowed, tuple(map(self._posting_list, excluded)))

    def most_passing(self, resolved: ResolvedFilters) -> int:
        """An upper bound on the number of rows that pass."""
        return min([len(self), *(self._count_rows(name, codes) for name, codes in resolved.allowed.items())])

    def _count_rows(self, name: str, codes: Bool) -> int:
        """How many rows, deleted ones too, have one of these codes in a column."""
        return int(self.column(name).counts[codes].sum())

    def passes(self, rows: Int64, resolved: ResolvedFilters) -> Bool:
        """Which of the rows are live and pass the filters."""
        passes = np.ones(len(rows), bool) if self.deleted is None else ~self.deleted[rows]
        for name, codes in resolved.allowed.items():
            passes &= codes[self.column(name).codes(rows)]
        if resolved.excluded:
            sets = self.token_sets.sets_of(rows)
            for excluded in resolved.excluded:
                passes &= ~_are_in(excluded, sets)
        return passes

    def passing(self, rows: Int64, resolved: ResolvedFilters) -> Int64:
        return rows[self.passes(rows, resolved)] if resolved else self.live(rows)

    def all_passing(self, resolved: ResolvedFilters) -> Int64:
        """Every row that is live and passes, ascending."""
        allowed = resolved.allowed
        if not allowed:
            return self.passing(np.arange(len(self)), resolved)
        # First by the field that the fewest rows pass, then by the others.
        rarest = min(allowed, key=lambda name: self._count_rows(name, allowed[name]))
        if rarest == "image_id":
            rows = np.sort(self.rows_of_images(np.flatnonzero(allowed[rarest])))
        else:
            rows = np.flatnonzero(allowed[rarest][self.column(rarest).all_codes(len(self))])
        return self.passing(rows, resolved)

    def passing_sets(self, filters: Filters, resolved: ResolvedFilters) -> Int32:
        """The sets that have a row which passes, ascending; cached for the last few filters."""
        sets = self._passing.get(filters)
        if sets is None:
            if len(self._passing) >= _CACHED_FILTERS:
                self._passing.clear()
            sets = self._passing[filters] = np.unique(self.token_sets.sets_of(self.all_passing(resolved)))
        return sets


def _are_in(ascending: Int32, values: Int32) -> Bool:
    """Which of the values are in `ascending`, which is not empty."""
    places = ascending.searchsorted(values)
    found: Bool = ascending.take(places, mode="clip") == values
    return found
