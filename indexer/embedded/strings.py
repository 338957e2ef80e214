"""Many strings in two flat arrays: their UTF-8 bytes one after another, and where each begins.

Read straight from a memory map: opening costs nothing, and only what is asked for is decoded. Byte order of
UTF-8 is code point order, so a sorted table is sorted as Python sorts its strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from indexer.embedded.dtypes import Int64, Integers, UInt8

#: Strings gathered at a time, which bounds the memory for their index.
_GATHER = 100_000


def encode(text: str) -> bytes:
    # Names of files may hold lone surrogates (undecodable bytes), which plain UTF-8 refuses.
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Strings:
    """`blob`: all bytes; `starts`: of length n + 1."""

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

    def _bytes(self, place: int) -> bytes:
        return self.blob[self.starts[place] : self.starts[place + 1]].tobytes()

    def __getitem__(self, place: int) -> str:
        return decode(self._bytes(place))

    def many(self, places: Integers) -> list[str]:
        """The strings at `places`, in that order."""
        begins, ends = self.starts[places].tolist(), self.starts[places + 1].tolist()
        data = memoryview(self.blob.data)
        return [
            str(data[begin:end], "utf-8", "surrogatepass") for begin, end in zip(begins, ends, strict=True)
        ]

    def all(self) -> list[str]:
        data, starts = self.blob.tobytes(), self.starts.tolist()
        return [decode(data[begin:end]) for begin, end in pairwise(starts)]

    def rank(self, value: str, *, after: bool = False) -> int:
        """In a sorted table: how many strings are below `value`, or with `after` not above it."""
        wanted, low, high = encode(value), 0, len(self)
        while low < high:
            middle = (low + high) // 2
            here = self._bytes(middle)
            if here < wanted or (after and here == wanted):
                low = middle + 1
            else:
                high = middle
        return low

    def find(self, value: str) -> int:
        """In a sorted table: the place of `value`, or -1."""
        place = self.rank(value)
        return place if place < len(self) and self._bytes(place) == encode(value) else -1

    def beginning(self, beginning: str) -> Int64:
        """The places of the strings that begin so, in a table of any order."""
        wanted = encode(beginning)
        return self._starting(wanted, np.flatnonzero(np.diff(self.starts) >= len(wanted)))

    def equal(self, value: str) -> Int64:
        """The places of `value` itself, in a table of any order that may repeat it."""
        wanted = encode(value)
        return self._starting(wanted, np.flatnonzero(np.diff(self.starts) == len(wanted)))

    def _starting(self, wanted: bytes, places: Int64) -> Int64:
        """Those of these places, of strings long enough, whose string starts with the bytes."""
        for offset in reversed(range(len(wanted))):  # paths differ sooner at the end than at the beginning
            places = places[self.blob[self.starts[places] + offset] == wanted[offset]]
        return places

    def take(self, places: Int64) -> Strings:
        """A table of the strings at `places`, in that order, without decoding any."""
        lengths = (self.starts[places + 1] - self.starts[places]).astype(np.int64)
        starts = np.zeros(len(places) + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        blob = np.empty(int(starts[-1]), np.uint8)
        for first in range(0, len(places), _GATHER):
            part = slice(first, first + _GATHER)
            begin, end = int(starts[first]), int(starts[min(first + _GATHER, len(places))])
            shift = np.repeat(self.starts[places[part]] - starts[:-1][part], lengths[part])
            blob[begin:end] = self.blob[shift + np.arange(begin, end)]
        return Strings(blob, starts)

    @staticmethod
    def join(tables: Sequence[Strings]) -> Strings:
        """One table after another."""
        if len(tables) == 1:
            return tables[0]
        shifts = np.cumsum([0, *(int(table.starts[-1]) for table in tables)])
        starts = [table.starts[:-1] + shift for table, shift in zip(tables, shifts[:-1], strict=True)]
        return Strings(
            np.concatenate([table.blob for table in tables]), np.concatenate([*starts, shifts[-1:]])
        )
