"""Perceptual hashes of many pictures, all compared with one at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

HashArray = npt.NDArray[np.uint64]

#: A hash this few bits away from one whose eight rows are all alike says next to nothing of what is shown.
_ROWS_ALIKE = 6
_COLUMNS = np.array([0x0101010101010101 << column for column in range(8)], dtype=np.uint64)


def hash_array(hashes: Sequence[str]) -> HashArray:
    return np.fromiter((int(phash, 16) for phash in hashes), np.uint64, len(hashes))


def tells_nothing(hashes: HashArray) -> npt.NDArray[np.bool_]:
    """Of each hash, whether it is no evidence that two pictures are one: such hashes are near to none.

    Light alone makes it: brightness that falls or rises in every row alike, as on blank pictures, gradients
    and pages under a lamp, whatever is written on them.
    """
    apart = np.zeros(len(hashes), dtype=np.uint8)
    for column in _COLUMNS:
        bits = np.bitwise_count(hashes & column)
        apart += np.minimum(bits, 8 - bits)
    return apart <= _ROWS_ALIKE


class Hashes:
    """Hashes (64 bits, given as 16 hex digits) in one growing array. The first has the place 0."""

    def __init__(self, hashes: Sequence[str] = ()) -> None:
        self._hashes = hash_array(hashes)
        self._count = len(hashes)

    def __len__(self) -> int:
        return self._count

    def add(self, phash: str) -> None:
        if self._count == len(self._hashes):
            self._hashes = np.resize(self._hashes, max(1024, 2 * self._count))
        self._hashes[self._count] = int(phash, 16)
        self._count += 1

    def remove(self, place: int) -> None:
        """Remove the hash at a place; the last hash is moved there."""
        self._count -= 1
        self._hashes[place] = self._hashes[self._count]

    def near(self, phash: str, most: int) -> npt.NDArray[np.intp]:
        """The places of the hashes that differ from this one in `most` bits or fewer, ascending.

        None, if it `tells_nothing`; and so of hashes that do, whose differences are few enough by chance.
        """
        asked = hash_array([phash])
        if tells_nothing(asked)[0]:
            return np.array([], dtype=np.intp)
        places = np.flatnonzero(np.bitwise_count(self._hashes[: self._count] ^ asked) <= most)
        return places[~tells_nothing(self._hashes[places])]
