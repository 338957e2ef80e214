"""The status of an index: what it holds, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexer.embedded.answer import distinct_images
from indexer.embedded.checks import reading
from indexer.embedded.ranking import COUNTING
from indexer.embedded.segment import Segment
from indexer.embedded.snapshot import Snapshot
from indexer.records import IndexStatus

ENGINE = "embedded"


def status_of(folder: Path, snapshot: Snapshot, drafts: int) -> IndexStatus:
    """The status of one generation; `drafts` is the number of interrupted builds that can be resumed."""
    manifest, segments = snapshot.manifest, snapshot.segments
    with reading(folder, segments):
        return IndexStatus(
            engine=ENGINE,
            where=str(folder),
            analyzer=manifest.analyzer,
            schema=manifest.schema,
            captions=manifest.captions,
            images=distinct_images(segments, [segment.live_images() for segment in segments]),
            bytes=manifest.bytes,
            sources=_counts(segments, "source"),
            kinds=_counts(segments, "kind"),
            models=_counts(segments, "model"),
            built_at=manifest.built_at,
            details={
                "segments": len(segments),
                "deleted": sum(segment.entry.deleted for segment in segments),
                "generation": manifest.generation,
                "drafts": drafts,
                "counting": COUNTING,
            },
        )


def _counts(segments: Sequence[Segment], name: str) -> dict[str, int]:
    """How many live captions have each value of a field; captions without a value are not counted."""
    counts: Counter[str] = Counter()
    for segment in segments:
        column = segment.column(name)
        numbers = np.bincount(column.codes(segment.live_rows()), minlength=len(column.values))
        counts.update(dict(zip(column.values.all(), numbers.tolist(), strict=True)))
    return {value: number for value, number in sorted(counts.items()) if value and number}
