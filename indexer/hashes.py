"""Perceptual hashes of many pictures, all compared with one at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]


class Hashes:
    """Hashes (64 bits, given as 16 hex digits) in one growing array. The first has the place 0."""

    def __init__(self, hashes: Sequence[str] = ()) -> None:
        self._words = np.array([int(phash, 16) for phash in hashes], dtype=np.uint64)
        self._count = len(hashes)

    def __len__(self) -> int:
        return self._count

    def add(self, phash: str) -> None:
        if self._count == len(self._words):
            self._words = np.resize(self._words, max(1024, 2 * self._count))
        self._words[self._count] = int(phash, 16)
        self._count += 1

    def remove(self, place: int) -> None:
        """Remove the hash at a place; the last hash is moved there."""
        self._count -= 1
        self._words[place] = self._words[self._count]

    def near(self, phash: str, most: int) -> npt.NDArray[np.intp]:
        """The places of the hashes that differ from this one in `most` bits or fewer, ascending."""
        differing = count_ones(self._words[: self._count] ^ np.uint64(int(phash, 16)))
        return np.flatnonzero(differing <= most)


def _count_ones(words: Words) -> Words:
    """How many bits are set in each 64-bit word (H. S. Warren, "Hacker's Delight", 5-1)."""
    m1, m2, m4 = (np.uint64(m) for m in (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F))
    one, two, four = np.uint64(1), np.uint64(2), np.uint64(4)
    words = words - ((words >> one) & m1)
    words = (words & m2) + ((words >> two) & m2)
    words = (words + (words >> four)) & m4
    ones: Words = (words * np.uint64(0x0101010101010101)) >> np.uint64(56)
    return ones


#: NumPy has it from version 2 on, ten times as fast.
count_ones: Callable[[Words], npt.NDArray[Any]] = getattr(np, "bitwise_count", _count_ones)
