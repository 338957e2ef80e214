"""All captions of an index, on their way to a file or an answer, with a bar that tells how far it is."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from indexer.batching import batches
from indexer.contract import CaptionIndex
from indexer.loading import Progress
from indexer.records import CaptionRecord, Filters

_BATCH = 1_000  # captions


def read_captions(
    index: CaptionIndex, filters: Filters, label: str, progress: Progress
) -> Generator[list[CaptionRecord]]:
    """Every caption that passes, some at a time. Close it, so that its bar ends before an error is told."""
    with closing(progress(None if filters else index.caption_count(), "caption", label)) as bar:
        for batch in batches(index.records(filters), _BATCH):
            yield batch
            bar.update(len(batch))
