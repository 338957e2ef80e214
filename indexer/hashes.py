"""Perceptual hashes of many pictures, all compared with one at once."""

from __future__ import annotations

from collections.abc import Sequence

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
        differing = np.bitwise_count(self._words[: self._count] ^ np.uint64(int(phash, 16)))
        return np.flatnonzero(differing <= most)
