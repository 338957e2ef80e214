"""Captions as columns, in any order: the form that segments are built from, and merged in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

import numpy as np

from indexer.embedded.dtypes import Int64, UInt64
from indexer.embedded.strings import Strings
from indexer.records import RECORD_FIELDS, CaptionRecord

#: Columns whose dictionary (the strings that occur) is sorted and has each once, so that look-ups are fast.
KEYWORDS = (
    "image_id",
    "source",
    "kind",
    "model",
    "split",
    "query",
    "provider",
    "license",
    "creator",
    "indexed_at",
)
#: Columns that are read to show hits. Their dictionary is in any order and may repeat strings, so that merges
#: need not decode it; a look-up compares all of it.
TEXTS = tuple(name for name in RECORD_FIELDS if name not in KEYWORDS)
COLUMNS = (*KEYWORDS, *TEXTS)
#: What a document's id is made of: files of all versions have these columns. Where another one is absent, it
#: is empty in every row.
ALWAYS = ("image_id", "caption", "source", "kind", "model")


@dataclass(frozen=True, slots=True)
class Column:
    """Dictionary-encoded strings: row r holds `values[codes[r]]`."""

    values: Strings
    codes: Int64

    @staticmethod
    def of(texts: Sequence[str]) -> Column:
        distinct = sorted(set(texts))
        code = {text: number for number, text in enumerate(distinct)}
        return Column(Strings.of(distinct), np.fromiter(map(code.__getitem__, texts), np.int64, len(texts)))

    def used(self) -> Column:
        """The same column without the values that no row has; the others keep their order."""
        present = np.zeros(len(self.values), bool)
        present[self.codes] = True
        if present.all():
            return self
        return Column(self.values.take(np.flatnonzero(present)), (np.cumsum(present) - 1)[self.codes])


@dataclass(frozen=True, slots=True)
class Rows:
    """Captions with their tokens, in columns."""

    vocabulary: Strings  # sorted; a token's number is its place here
    sizes: Int64  # how many tokens each row has
    tokens: Int64  # the token numbers, row after row, ascending within each
    ids: UInt64  # the document ids, as `document_keys` gives them
    columns: dict[str, Column]

    def __len__(self) -> int:
        return len(self.sizes)


def document_keys(document_ids: Sequence[str]) -> UInt64:
    """Document ids (32 hex digits) as numbers, of shape (n, 2): the first 64 bits and the last."""
    data = bytes.fromhex("".join(document_ids))
    return np.frombuffer(data, ">u8").astype(np.uint64).reshape(-1, 2)


def rows_of(
    records: Sequence[CaptionRecord], token_sets: Sequence[frozenset[str]], ids: UInt64, indexed_at: str
) -> Rows:
    """Records with their token sets and document keys in columns."""
    vocabulary = sorted(frozenset().union(*token_sets))
    number_of = {token: number for number, token in enumerate(vocabulary)}
    sizes = np.fromiter(map(len, token_sets), np.int64, len(token_sets))
    numbers = np.fromiter(
        (number_of[token] for tokens in token_sets for token in tokens), np.int64, int(sizes.sum())
    )
    row = np.repeat(np.arange(len(sizes)), sizes)
    numbers = numbers[np.lexsort((numbers, row))]
    columns = {name: Column.of(list(map(attrgetter(name), records))) for name in RECORD_FIELDS}
    columns["indexed_at"] = Column.of([indexed_at] * len(records))
    return Rows(Strings.of(vocabulary), sizes, numbers, ids, columns)


def _merge_tables(tables: Sequence[Strings]) -> tuple[Strings, list[Int64]]:
    """One sorted table of all strings, each once; and for each table the places of its strings there."""
    texts = [table.all() for table in tables]
    distinct = sorted(set().union(*texts))
    place = {text: number for number, text in enumerate(distinct)}
    return Strings.of(distinct), [np.fromiter(map(place.__getitem__, t), np.int64, len(t)) for t in texts]


def _join_columns(name: str, columns: Sequence[Column]) -> Column:
    columns = [column.used() for column in columns]
    if name in KEYWORDS:
        values, places = _merge_tables([column.values for column in columns])
    else:
        values = Strings.join([column.values for column in columns])
        shifts = np.cumsum([0, *(len(column.values) for column in columns)])
        places = [np.arange(first, last) for first, last in pairwise(shifts)]
    codes = [place[column.codes] for place, column in zip(places, columns, strict=True)]
    return Column(values, np.concatenate(codes))


def join_rows(parts: Sequence[Rows]) -> Rows:
    """All rows of the parts."""
    if len(parts) == 1:
        return parts[0]
    vocabulary, places = _merge_tables([part.vocabulary for part in parts])
    # All vocabularies are sorted, so the tokens of a row stay in ascending order.
    tokens = [place[part.tokens] for place, part in zip(places, parts, strict=True)]
    return Rows(
        vocabulary,
        np.concatenate([part.sizes for part in parts]),
        np.concatenate(tokens),
        np.concatenate([part.ids for part in parts]),
        {name: _join_columns(name, [part.columns[name] for part in parts]) for name in COLUMNS},
    )
