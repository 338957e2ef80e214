"""A column of a segment as it is read: the string of each row, and the rows of a string."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from indexer.embedded.arrays import ArrayFile
from indexer.embedded.dtypes import Int64, Integers
from indexer.embedded.rows import KEYWORDS
from indexer.embedded.strings import Strings

#: Dictionaries of no more strings than this are decoded once and kept.
_SMALL = 256


def stored_strings(file: ArrayFile, name: str) -> Strings:
    return Strings(file[f"{name}.blob"].astype(np.uint8, copy=False), file[f"{name}.starts"])


class StoredColumn:
    """Dictionary-encoded: row r holds the string `values[codes[r]]`. With one value, no codes are stored."""

    def __init__(self, file: ArrayFile, name: str, rows: int) -> None:
        self._sorted = name in KEYWORDS
        if f"{name}.counts" in file.extents:
            self.values = stored_strings(file, name)
            #: In how many rows each value is, deleted rows too.
            self.counts = file[f"{name}.counts"]
            self._codes = file[f"{name}.codes"]
        else:  # written by a version that had no such field: it is empty in every row
            self.values, self.counts, self._codes = Strings.of([""]), np.array([rows]), np.zeros(0, np.uint8)

    def codes(self, rows: Integers) -> Integers:
        return self._codes[rows] if len(self._codes) else np.zeros(len(rows), np.uint8)

    def all_codes(self, rows: int) -> Integers:
        """The code of every row; `rows` is how many the segment has."""
        return self._codes if len(self._codes) else np.zeros(rows, np.uint8)

    @cached_property
    def _decoded(self) -> list[str] | None:
        if len(self.values) > _SMALL:
            return None
        decoded = self.values.all()
        # A dictionary that repeats one string (see `rows.TEXTS`) is as good as that string.
        return decoded[:1] if len({*decoded}) == 1 else decoded

    def texts(self, rows: Int64) -> list[str]:
        decoded = self._decoded
        if decoded is None:
            return self.values.many(self.codes(rows))
        if len(decoded) == 1:
            return decoded * len(rows)
        return [decoded[code] for code in self.codes(rows).tolist()]

    def codes_of(self, values: Iterable[str]) -> Int64:
        """The codes of those values that occur, ascending; several where the dictionary repeats a value."""
        if self._sorted:
            found = {self.values.find(value) for value in values} - {-1}
            return np.array(sorted(found), np.int64)
        return np.unique(np.concatenate([np.zeros(0, np.int64), *map(self.values.find_all, values)]))
