"""Reading all captions of an index in batches, with a progress bar."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from indexer.batching import batches
from indexer.contract import CaptionIndex
from indexer.progress import Progress
from indexer.records import CaptionRecord, Filters

_BATCH = 1_000  # captions


def read_captions(
    index: CaptionIndex, filters: Filters, label: str, progress: Progress
) -> Generator[list[CaptionRecord]]:
    """Every caption that passes, in batches. Close it: so the bar ends before an error message is printed."""
    with closing(progress(None if filters else index.caption_count(), "caption", label)) as bar:
        for batch in batches(index.records(filters), _BATCH):
            yield batch
            bar.update(len(batch))
