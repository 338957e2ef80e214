"""index -> JSON lines, as `indexer.sources.JsonlSource` reads them: so another index can be made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import fields
from typing import BinaryIO

from indexer.contract import CaptionIndex
from indexer.loading import Progress, no_progress
from indexer.reading import read_captions
from indexer.records import NO_FILTERS, RECORD_FIELDS, Allowed, CaptionRecord, Filters
from indexer.tally import Tally

#: Fields that a line always has: read without them, it would be no caption, or another source's or kind's.
_ALWAYS = frozenset(one.name for one in fields(CaptionRecord) if one.default != "")
#: ASCII, lone surrogates and separators of lines (U+2028) escaped: whatever reads lines reads these.
_to_json = json.JSONEncoder().encode


def export(
    index: CaptionIndex,
    stream: BinaryIO,
    filters: Allowed = NO_FILTERS,
    *,
    progress: Progress = no_progress,
) -> Tally:
    """Write every caption that passes, one a line. Returns how many were written, of how many images.

    Deleted captions are left out, and so are those that another process writes meanwhile.
    """
    tally = Tally()
    with closing(read_captions(index, Filters(filters), "export", progress)) as read:
        for batch in read:
            stream.write(as_lines(batch))
            tally.add(batch)
    return tally


def as_lines(records: Iterable[CaptionRecord]) -> bytes:
    """Captions as JSON lines that make the same captions again; empty fields are left out."""
    return "".join(f"{_to_json(_row(record))}\n" for record in records).encode()


def _row(record: CaptionRecord) -> dict[str, str]:
    return {
        name: value for name in RECORD_FIELDS if (value := getattr(record, name)) != "" or name in _ALWAYS
    }
