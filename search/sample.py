"""A sample of the index, the same one again while the index holds the same."""

from __future__ import annotations

from indexer.contract import View
from indexer.records import CaptionRecord


def sampled(view: View, images: int) -> list[CaptionRecord]:
    """Every caption of up to so many images, which are the same ones while the index holds the same."""
    drawn = [document.record.image_id for document in view.random(images, seed=0)]
    return [document.record for documents in view.captions(drawn).values() for document in documents]
