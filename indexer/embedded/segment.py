"""A segment as it is read: lookups by image, by document id, by value, and the documents of single rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from indexer.embedded.arrays import ArrayFile
from indexer.embedded.dtypes import Bool, Int32, Int64, Integers, UInt64
from indexer.embedded.manifest import SegmentEntry
from indexer.embedded.rows import COLUMNS, KEYWORDS, Column, Rows
from indexer.embedded.shape import check_segment, deleted_rows
from indexer.embedded.strings import Strings
from indexer.embedded.token_sets import TokenSets
from indexer.records import NO_FILTERS, RECORD_FIELDS, CaptionRecord, Document, Filters

#: Dictionaries up to this length are decoded once and kept.
_SMALL = 256
#: Tokens of which a segment keeps what was looked up.
_KNOWN_TOKENS = 20_000
#: Rows of which everything is in memory at a time, where all are read.
_AT_ONCE = 4096
#: Sets of a token that are looked at together for a live caption.
_FEW_SETS = 256
#: Selective filters of which a segment keeps the sets that pass.
_KEPT_FILTERS = 8


def _strings(file: ArrayFile, name: str) -> Strings:
    return Strings(file[f"{name}.blob"].astype(np.uint8, copy=False), file[f"{name}.starts"])


class StoredColumn:
    """Row r holds the string `values[code of r]`; a column of one value stores no codes."""

    def __init__(self, file: ArrayFile, name: str, rows: int) -> None:
        self._sorted = name in KEYWORDS
        if f"{name}.counts" in file.extents:
            self.values = _strings(file, name)
            self.counts = file[f"{name}.counts"]
            self._codes = file[f"{name}.codes"]
        else:  # written before there was such a field: it is empty in every row
            self.values, self.counts, self._codes = Strings.of([""]), np.array([rows]), np.zeros(0, np.uint8)

    def codes(self, rows: Integers) -> Integers:
        return self._codes[rows] if len(self._codes) else np.zeros(len(rows), np.uint8)

    @cached_property
    def _decoded(self) -> list[str] | None:
        return self.values.all() if len(self.values) <= _SMALL else None

    def texts(self, rows: Int64) -> list[str]:
        decoded = self._decoded
        if decoded is None:
            return self.values.many(self.codes(rows))
        if len(decoded) == 1:
            return decoded * len(rows)
        return [decoded[code] for code in self.codes(rows).tolist()]

    def all_codes(self, rows: int) -> Integers:
        return self._codes if len(self._codes) else np.zeros(rows, np.uint8)

    def places(self, values: Iterable[str]) -> Int64:
        """Codes, ascending, of those of the values that occur: of a text perhaps several."""
        if self._sorted:
            found = {self.values.find(value) for value in values} - {-1}
            return np.array(sorted(found), np.int64)
        return np.unique(np.concatenate([np.zeros(0, np.int64), *map(self.values.equal, values)]))


@dataclass(frozen=True, slots=True)
class Accepted:
    """What filters let pass in a segment."""

    tables: dict[str, Bool]  # for every field that is filtered by: which codes are allowed
    barred: tuple[Int32, ...] = ()  # the sets that may not answer (ascending), of each token that bars some

    def __bool__(self) -> bool:
        return bool(self.tables or self.barred)


@dataclass(frozen=True, slots=True)
class Posting:
    """Where a token occurs: `postings[begin + cuts[c] : begin + cuts[c + 1]]` are its sets of class c."""

    token: int
    begin: int
    length: int
    cuts: Int32


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
            self.deleted = deleted_rows(tombstones, entry.rows, entry.deleted)
        self._columns: dict[str, StoredColumn] = {}
        self._known: dict[str, Posting | None] = {}
        self._texts: dict[int, str] = {}
        self._passing: dict[Filters, Int32] = {}

    def with_entry(self, folder: Path, entry: SegmentEntry) -> Segment:
        """This segment in another generation: the same file, perhaps other tombstones."""
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
        return _strings(self.file, "vocabulary")

    def posting(self, text: str) -> Posting | None:
        """Where a token occurs; None for one that does not."""
        known = self._known
        # Threads share segments: what is returned is held here, whatever another one lets go of.
        if len(known) > _KNOWN_TOKENS:
            known = self._known = {}
        if text not in known:
            known[text] = self._posting(self.vocabulary.find(text))
        return known[text]

    def _posting(self, token: int) -> Posting | None:
        if token < 0:
            return None
        begin, end = map(int, self._posting_starts[token : token + 2])
        if begin == end:  # deleted with its captions
            return None
        sets = self.token_sets
        cuts = sets.postings[begin:end].searchsorted(sets.class_sets).astype(np.int32)
        return Posting(token, begin, end - begin, cuts)

    def holds(self, text: str) -> bool:
        """Whether a live caption has this token."""
        posting = self.posting(text)
        if posting is None:
            return False
        sets = self.token_sets.postings[posting.begin : posting.begin + posting.length]
        # Mostly the first sets tell.
        parts = (sets[first : first + _FEW_SETS] for first in range(0, len(sets), _FEW_SETS))
        return any(len(self.live(self.token_sets.counted_rows(part)[0])) for part in parts)

    def first_images(self, sets: Int32) -> Integers:
        """The smallest image of each set, deleted ones too; codes of the column `image_id`."""
        return self.column("image_id").codes(self.token_sets.rows[sets])

    # Rows.

    def live(self, rows: Int64) -> Int64:
        return rows if self.deleted is None else rows[~self.deleted[rows]]

    def live_rows(self) -> Int64:
        return self.live(np.arange(len(self)))

    def parts(self, filters: Filters = NO_FILTERS) -> Iterator[Int64]:
        """Every row that is live and passes, ascending, some at a time."""
        rows = self.all_passing(self.accepted(filters))
        return (rows[begin : begin + _AT_ONCE] for begin in range(0, len(rows), _AT_ONCE))

    @cached_property
    def _image_starts(self) -> Int64:
        counts = self.column("image_id").counts
        return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    def rows_of_images(self, images: Integers) -> Int64:
        """Live rows of images, which are codes of the column `image_id`."""
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
        """Codes, ascending, of the images of these rows: marked, since to sort many takes longer."""
        images = self.column("image_id")
        held = np.zeros(len(images.values), bool)
        held[images.codes(rows)] = True
        return np.flatnonzero(held)

    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        """Image id and `image` of every live row whose `image` begins so."""
        images = self.column("image")
        begins = np.zeros(len(images.values), bool)
        begins[images.values.beginning(beginning)] = True
        return self.places_of(self.live(np.flatnonzero(begins[images.all_codes(len(self))])))

    def places_of(self, rows: Int64) -> Iterator[tuple[str, str]]:
        """Image id and `image` of these rows."""
        return zip(self.column("image_id").texts(rows), self.column("image").texts(rows), strict=True)

    def find(self, keys: UInt64) -> tuple[Bool, Int64]:
        """Which of the document keys, uint64 of shape (n, 2), are live here, bool of length n; their rows."""
        high, low, rows = self.file["id.high"], self.file["id.low"], self.file["id.rows"]
        place = np.searchsorted(high, keys[:, 0])
        held, at_row = np.zeros(len(keys), bool), np.zeros(len(keys), np.int64)
        pending = np.arange(len(keys))
        # More than one turn is only needed where two ids share their first 64 bits, or one was deleted and
        # added.
        while len(pending := pending[place[pending] < len(high)]):
            pending = pending[high[place[pending]] == keys[pending, 0]]
            at = place[pending]
            row = rows[at]
            same = low[at] == keys[pending, 1]
            live = same if self.deleted is None else same & ~self.deleted[row]
            held[pending] |= live
            at_row[pending[live]] = row[live]
            place[pending] += 1
        return held, at_row[held]

    def documents(self, rows: Int64) -> list[Document]:
        """The documents of these rows, in their order."""
        stamps = self.column("indexed_at").texts(rows)
        tokens = self._tokens_of(self.token_sets.of_rows(rows))
        return list(map(Document, self.records(rows), tokens, stamps))

    def records(self, rows: Int64) -> list[CaptionRecord]:
        """The documents of these rows without what was derived from them."""
        columns = [self.column(name).texts(rows) for name in RECORD_FIELDS]
        return [CaptionRecord(*values) for values in zip(*columns, strict=True)]

    def _tokens_of(self, sets: Int32) -> list[frozenset[str]]:
        starts, sizes = self.token_sets.spans(sets)
        spans = zip(starts.tolist(), (starts + sizes).tolist(), strict=True)
        numbers = [self.token_sets.tokens[first:last].tolist() for first, last in spans]
        text = self._texts_of({number for part in numbers for number in part})
        return [frozenset([text[number] for number in part]) for part in numbers]

    def _texts_of(self, tokens: set[int]) -> dict[int, str]:
        """The texts of these tokens (and of others): those of frequent ones are decoded once."""
        known = self._texts
        if len(known) > _KNOWN_TOKENS:
            known = self._texts = {}
        # (`tokens - known.keys()` would walk through all that is known.)
        if unknown := sorted(tokens.difference(known)):
            known.update(zip(unknown, self.vocabulary.many(np.array(unknown)), strict=True))
        return known

    def rows(self) -> Rows:
        """All live rows as columns, for a merge."""
        keep = self.live_rows()
        starts, sizes = self.token_sets.spans(self.token_sets.of_rows(keep))
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

    def accepted(self, filters: Filters) -> Accepted:
        tables = {}
        for name, values in filters.where.items():
            table = np.zeros(len(self.column(name).values), bool)
            table[self.column(name).places(values)] = True
            tables[name] = table
        held = [posting for token in filters.without if (posting := self.posting(token)) is not None]
        postings = self.token_sets.postings
        return Accepted(tables, tuple(postings[one.begin : one.begin + one.length] for one in held))

    def at_most(self, accepted: Accepted) -> int:
        """An upper bound on the rows that pass."""
        counts = [int(self.column(name).counts[table].sum()) for name, table in accepted.tables.items()]
        return min([len(self), *counts])

    def passes(self, rows: Int64, accepted: Accepted) -> Bool:
        """Which of the rows are live and pass the filters."""
        passes = np.ones(len(rows), bool) if self.deleted is None else ~self.deleted[rows]
        for name, table in accepted.tables.items():
            passes &= table[self.column(name).codes(rows)]
        if accepted.barred:
            sets = self.token_sets.of_rows(rows)
            for barred in accepted.barred:
                passes &= ~_among(barred, sets)
        return passes

    def passing(self, rows: Int64, accepted: Accepted) -> Int64:
        return rows[self.passes(rows, accepted)] if accepted else self.live(rows)

    def all_passing(self, accepted: Accepted) -> Int64:
        """Every row that is live and passes, ascending; by way of the rarest field."""
        tables = accepted.tables
        if not tables:
            return self.passing(np.arange(len(self)), accepted)
        rarest = min(tables, key=lambda name: int(self.column(name).counts[tables[name]].sum()))
        if rarest == "image_id":
            return self.passing(np.sort(self.rows_of_images(np.flatnonzero(tables[rarest]))), accepted)
        rows = np.flatnonzero(tables[rarest][self.column(rarest).all_codes(len(self))])
        return self.passing(rows, accepted)

    def passing_sets(self, filters: Filters, accepted: Accepted) -> Int32:
        """The sets of `all_passing`, ascending; kept for the filters asked for last."""
        sets = self._passing.get(filters)
        if sets is None:
            if len(self._passing) >= _KEPT_FILTERS:
                self._passing.clear()
            sets = self._passing[filters] = np.unique(self.token_sets.of_rows(self.all_passing(accepted)))
        return sets


def _among(ascending: Int32, values: Int32) -> Bool:
    """Which of the values are among these (one at least)."""
    places = ascending.searchsorted(values)
    found: Bool = ascending.take(places, mode="clip") == values
    return found
