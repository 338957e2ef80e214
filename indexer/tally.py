"""Counting captions and their distinct images, without keeping all image ids in memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from captioner.counted import counted
from indexer.records import CaptionRecord

#: Hashes that are collected, at least, before repeats among them are removed.
_BUFFERED = 1 << 16


class Tally:
    """How many captions were added, and of how many images, with some 16 bytes of memory for an image.

    A 64-bit hash of each id is kept. For ten million ids, the chance that two have the same is 1 in 300,000.
    """

    def __init__(self) -> None:
        self.captions = 0
        self._distinct: NDArray[np.int64] = np.zeros(0, np.int64)
        self._buffer = array("q")

    def add(self, records: Iterable[CaptionRecord]) -> None:
        before = len(self._buffer)
        self._buffer.extend(hash(record.image_id) for record in records)
        self.captions += len(self._buffer) - before
        # Merging sorts all hashes. Done only when they have doubled, it takes little more than linear time.
        if len(self._buffer) > max(_BUFFERED, len(self._distinct)):
            self._merge()

    @property
    def images(self) -> int:
        self._merge()
        return len(self._distinct)

    def _merge(self) -> None:
        self._distinct = np.union1d(self._distinct, np.array(self._buffer, np.int64))
        self._buffer = array("q")

    def __str__(self) -> str:
        return f"{counted(self.captions, 'caption')} of {counted(self.images, 'image')}"
