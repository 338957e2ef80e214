"""Captions that go by, counted, and their images, without a memory of all image ids."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from captioner.counted import counted
from indexer.records import CaptionRecord

#: Image ids that are noted before they are looked through for repeats.
_NOTED = 1 << 16


class Tally:
    """How many captions went by, and of how many images, at some 16 bytes an image.

    Of each id a 64-bit hash is kept; that any two of ten million ids share one has a chance of 1 in 300,000.
    """

    def __init__(self) -> None:
        self.captions = 0
        self._distinct: NDArray[np.int64] = np.zeros(0, np.int64)
        self._noted = array("q")

    def add(self, records: Iterable[CaptionRecord]) -> None:
        before = len(self._noted)
        self._noted.extend(hash(record.image_id) for record in records)
        self.captions += len(self._noted) - before
        # Only when the ids have doubled, so that all sorting together takes little more than linear time.
        if len(self._noted) > max(_NOTED, len(self._distinct)):
            self._settle()

    @property
    def images(self) -> int:
        self._settle()
        return len(self._distinct)

    def _settle(self) -> None:
        self._distinct = np.union1d(self._distinct, np.array(self._noted, np.int64))
        self._noted = array("q")

    def __str__(self) -> str:
        return f"{counted(self.captions, 'caption')} of {counted(self.images, 'image')}"
