"""Captions counted as they go by."""

from __future__ import annotations

import pytest

from indexer import tally
from indexer.records import CaptionRecord
from indexer.tally import Tally


@pytest.mark.parametrize("buffered", [0, 3, 1 << 16])
def test_each_image_counts_once(monkeypatch: pytest.MonkeyPatch, buffered: int) -> None:
    monkeypatch.setattr(tally, "_BUFFERED", buffered)
    counted = Tally()
    assert str(counted) == "0 captions of 0 images"
    for number in range(500):
        counted.add(CaptionRecord(str(number * n % 40), "a dog") for n in (1, 3))
        assert counted.captions == 2 * number + 2
    assert (counted.images, str(counted)) == (40, "1,000 captions of 40 images")
