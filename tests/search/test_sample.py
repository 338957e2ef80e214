"""A sample of the index."""

from __future__ import annotations

from indexer.records import CaptionRecord
from search.sample import sampled
from tests.indexer.memory import MemoryIndex


def test_a_sample_has_every_caption_of_its_images_and_is_the_same_again() -> None:
    records = [CaptionRecord("i0", text) for text in ("a dog", "an animal")]
    records += [CaptionRecord("i1", "two dogs"), CaptionRecord("i2", "a cat")]
    index = MemoryIndex(records)
    for images in (1, 2, 10):
        found = sampled(index, images)
        chosen = {record.image_id for record in found}
        assert len(chosen) == min(images, 3)
        assert {*found} == {one for one in records if one.image_id in chosen}
        assert sampled(index, images) == found
