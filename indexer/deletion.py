"""What is to go from an index: all of an image, or the captions that pass a filter."""

from __future__ import annotations

from collections.abc import Sequence

from indexer.batching import batches
from indexer.contract import CaptionIndex
from indexer.errors import IndexerError
from indexer.records import Allowed, Document, Filters
from indexer.tally import Tally

_IMAGES = 1_000
#: Captions that go at once. Each such step is whole, whatever interrupts it.
_CAPTIONS = 10_000


def delete(index: CaptionIndex, image_ids: Sequence[str]) -> tuple[int, list[str]]:
    """Remove every caption of these images; gives how many, and the images that were not there."""
    removed, absent = 0, []
    for batch in batches(image_ids, _IMAGES):
        there = index.captions(batch)
        absent += [image_id for image_id in batch if image_id not in there]
        removed += index.delete([image_id for image_id in batch if image_id in there])
    return removed, absent


def delete_passing(index: CaptionIndex, filters: Allowed) -> Tally:
    """Remove every caption that passes; others of the same images stay. Gives what was removed.

    Interrupted, some are removed and the others whole; the same call goes on. Raises IndexerError for no
    filters at all, which everything passes.
    """
    allowed, gone = Filters(filters), Tally()
    if not allowed:
        raise IndexerError("say which captions to delete: without a filter it would be all of them")
    for batch in batches(index.records(allowed), _CAPTIONS):
        index.replace([Document(record, frozenset()) for record in batch], ())
        gone.add(batch)
    return gone
