"""Deletion of all captions of some images, or of the captions that pass a filter."""

from __future__ import annotations

from collections.abc import Sequence

from indexer.batching import batches
from indexer.contract import CaptionIndex
from indexer.errors import IndexerError
from indexer.records import Allowed, Document, Filters
from indexer.tally import Tally

#: Images looked up and deleted at a time.
_BATCH_IMAGES = 1_000
#: Captions deleted at a time: each batch wholly or not at all, even if it is interrupted.
_BATCH_CAPTIONS = 10_000


def delete(index: CaptionIndex, image_ids: Sequence[str]) -> tuple[int, list[str]]:
    """Remove all captions of these images; gives how many, and the images that were not in the index."""
    removed, absent = 0, []
    for batch in batches(image_ids, _BATCH_IMAGES):
        present = index.captions(batch)
        absent += [image_id for image_id in batch if image_id not in present]
        removed += index.delete([image_id for image_id in batch if image_id in present])
    return removed, absent


def delete_passing(index: CaptionIndex, filters: Allowed) -> Tally:
    """Remove every caption that passes; other captions of the same images stay. Gives what was removed.

    If it is interrupted, the same call removes the rest. Raises IndexerError without any filter: all captions
    would be removed.
    """
    allowed, removed = Filters(filters), Tally()
    if not allowed:
        raise IndexerError("say which captions to delete: without a filter it would be all of them")
    for batch in batches(index.records(allowed), _BATCH_CAPTIONS):
        index.replace([Document(record, frozenset()) for record in batch], ())
        removed.add(batch)
    return removed
