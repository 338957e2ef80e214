"""A table of strings in two flat arrays: their UTF-8 bytes one after another, and where each begins.

It is read straight from a memory map: opening costs nothing, and only strings that are asked for are decoded.
UTF-8 sorts bytes as it sorts code points, so a table of sorted strings can be searched by their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from indexer.embedded.dtypes import Int64, Integers, UInt8

try:
    from indexer.embedded.decoder import decode_many, locate
except ImportError:  # there was no compiler when this was installed
    from indexer.embedded.decoding import decode_many, locate

#: Strings copied at a time, which bounds the memory for the places of their bytes.
_BATCH = 100_000


def encode(text: str) -> bytes:
    # File names may hold lone surrogates (bytes that are no text), which plain UTF-8 refuses.
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _wide(numbers: Integers) -> Int64:
    return numbers.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Strings:
    """String n has the bytes `blob[starts[n] : starts[n + 1]]`.

    `starts` may have the narrowest type that holds them: sums and differences are made of `_wide` ones.
    """

    blob: UInt8
    starts: Integers

    @staticmethod
    def of(values: Iterable[str]) -> Strings:
        encoded = [encode(value) for value in values]
        starts = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=starts[1:])
        return Strings(np.frombuffer(b"".join(encoded), np.uint8), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, place: int) -> str:
        # As Python's numbers, with which NumPy slices faster than with its own.
        begin, end = self.starts.item(place), self.starts.item(place + 1)
        return decode(self.blob[begin:end].tobytes())

    def many(self, places: Integers) -> list[str]:
        """The strings at `places`, in that order."""
        return decode_many(self.blob, self.starts, places)

    def all(self) -> list[str]:
        data, starts = self.blob.tobytes(), self.starts.tolist()
        return [decode(data[begin:end]) for begin, end in pairwise(starts)]

    def rank(self, value: str, *, after: bool = False) -> int:
        """In a sorted table: how many strings are less than `value`; with `after`, less or equal."""
        place, found = locate(self.blob, self.starts, encode(value))
        return place + (after and found)

    def find(self, value: str) -> int:
        """In a sorted table: the place of `value`, or -1."""
        place, found = locate(self.blob, self.starts, encode(value))
        return place if found else -1

    def find_prefix(self, prefix: str) -> Int64:
        """In a table of any order: the places of the strings that begin with `prefix`."""
        wanted = encode(prefix)
        return self._beginning_with(wanted, np.flatnonzero(np.diff(self.starts) >= len(wanted)))

    def find_all(self, value: str) -> Int64:
        """In a table of any order, which may repeat strings: all places of `value`."""
        wanted = encode(value)
        return self._beginning_with(wanted, np.flatnonzero(np.diff(self.starts) == len(wanted)))

    def _beginning_with(self, wanted: bytes, places: Int64) -> Int64:
        """Those of the places whose string begins with these bytes; none of the strings may be shorter."""
        begins = _wide(self.starts[places])
        # From the last byte to the first: many paths have the same beginning.
        for offset in reversed(range(len(wanted))):
            kept = self.blob[begins + offset] == wanted[offset]
            places, begins = places[kept], begins[kept]
        return places

    def take(self, places: Int64) -> Strings:
        """A table of the strings at `places`, in that order; nothing is decoded."""
        begins = _wide(self.starts[places])
        lengths = _wide(self.starts[places + 1]) - begins
        starts = np.zeros(len(places) + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        blob = np.empty(int(starts[-1]), np.uint8)
        for first in range(0, len(places), _BATCH):
            batch = slice(first, first + _BATCH)
            begin, end = int(starts[first]), int(starts[min(first + _BATCH, len(places))])
            shift = np.repeat(begins[batch] - starts[:-1][batch], lengths[batch])
            blob[begin:end] = self.blob[shift + np.arange(begin, end)]
        return Strings(blob, starts)

    @staticmethod
    def join(tables: Sequence[Strings]) -> Strings:
        """One table of all strings, one table after another; strings may repeat."""
        if len(tables) == 1:
            return tables[0]
        shifts = np.cumsum([0, *(int(table.starts[-1]) for table in tables)])
        starts = [_wide(table.starts[:-1]) + shift for table, shift in zip(tables, shifts[:-1], strict=True)]
        return Strings(
            np.concatenate([table.blob for table in tables]), np.concatenate([*starts, shifts[-1:]])
        )
