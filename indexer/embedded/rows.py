"""Captions as columns, in any order: what segments are built from and merged through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

import numpy as np

from indexer.embedded.dtypes import Int64, UInt64
from indexer.embedded.strings import Strings
from indexer.records import RECORD_FIELDS, CaptionRecord

#: Columns whose dictionary is sorted and without repeats, so that a value can be looked up.
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
#: Columns that are read for hits. Their dictionary is in any order and may repeat itself, so that no merge
#: decodes it; to look a value up is to look at all of it.
TEXTS = tuple(name for name in RECORD_FIELDS if name not in KEYWORDS)
COLUMNS = (*KEYWORDS, *TEXTS)
#: Columns that a file of any version has; others may be absent, which reads as empty.
ALWAYS = ("image_id", "caption")


@dataclass(frozen=True, slots=True)
class Column:
    """Row r holds the string `values[codes[r]]`."""

    values: Strings
    codes: Int64

    @staticmethod
    def of(texts: Sequence[str]) -> Column:
        distinct = sorted(set(texts))
        code = {text: number for number, text in enumerate(distinct)}
        return Column(Strings.of(distinct), np.fromiter(map(code.__getitem__, texts), np.int64, len(texts)))

    def used(self) -> Column:
        """The same column without values that no row has; the order of the values stays."""
        present = np.zeros(len(self.values), bool)
        present[self.codes] = True
        if present.all():
            return self
        return Column(self.values.take(np.flatnonzero(present)), (np.cumsum(present) - 1)[self.codes])


@dataclass(frozen=True, slots=True)
class Rows:
    """`tokens`: the rows' token numbers, row after row, ascending in each; `sizes`: how many each has."""

    vocabulary: Strings  # sorted; token number -> token
    sizes: Int64
    tokens: Int64
    ids: UInt64  # of shape (rows, 2): the document ids
    columns: dict[str, Column]

    def __len__(self) -> int:
        return len(self.sizes)


def document_keys(document_ids: Sequence[str]) -> UInt64:
    """Document ids (32 hex digits), of shape (n, 2)."""
    data = bytes.fromhex("".join(document_ids))
    return np.frombuffer(data, ">u8").astype(np.uint64).reshape(-1, 2)


def rows_of(
    records: Sequence[CaptionRecord], token_sets: Sequence[frozenset[str]], ids: UInt64, indexed_at: str
) -> Rows:
    """Records with their token sets and document keys, as columns."""
    vocabulary = sorted(frozenset().union(*token_sets))
    number = {token: place for place, token in enumerate(vocabulary)}
    sizes = np.fromiter(map(len, token_sets), np.int64, len(token_sets))
    flat = np.fromiter(
        (number[token] for tokens in token_sets for token in tokens), np.int64, int(sizes.sum())
    )
    row = np.repeat(np.arange(len(sizes)), sizes)
    flat = flat[np.lexsort((flat, row))]
    columns = {name: Column.of(list(map(attrgetter(name), records))) for name in RECORD_FIELDS}
    columns["indexed_at"] = Column.of([indexed_at] * len(records))
    return Rows(Strings.of(vocabulary), sizes, flat, ids, columns)


def _union(tables: Sequence[Strings]) -> tuple[Strings, list[Int64]]:
    """A sorted table of all strings of sorted tables, and where each table's strings are in it."""
    texts = [table.all() for table in tables]
    distinct = sorted(set().union(*texts))
    place = {text: number for number, text in enumerate(distinct)}
    return Strings.of(distinct), [np.fromiter(map(place.__getitem__, t), np.int64, len(t)) for t in texts]


def _join_columns(name: str, columns: Sequence[Column]) -> Column:
    columns = [column.used() for column in columns]
    if name in KEYWORDS:
        values, places = _union([column.values for column in columns])
    else:
        values = Strings.join([column.values for column in columns])
        shifts = np.cumsum([0, *(len(column.values) for column in columns)])
        places = [np.arange(first, last) for first, last in pairwise(shifts)]
    codes = [place[column.codes] for place, column in zip(places, columns, strict=True)]
    return Column(values, np.concatenate(codes))


def join_rows(parts: Sequence[Rows]) -> Rows:
    """All rows of the parts. Sorted vocabularies map in ascending order, so rows stay ascending."""
    if len(parts) == 1:
        return parts[0]
    vocabulary, places = _union([part.vocabulary for part in parts])
    tokens = [place[part.tokens] for place, part in zip(places, parts, strict=True)]
    return Rows(
        vocabulary,
        np.concatenate([part.sizes for part in parts]),
        np.concatenate(tokens),
        np.concatenate([part.ids for part in parts]),
        {name: _join_columns(name, [part.columns[name] for part in parts]) for name in COLUMNS},
    )
