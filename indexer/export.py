"""The captions of an index as JSON lines, which `indexer.sources.JsonlSource` reads: so they can be moved to
another index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import fields
from typing import BinaryIO

from indexer.contract import CaptionIndex
from indexer.progress import Progress, no_progress
from indexer.reading import read_captions
from indexer.records import NO_FILTERS, RECORD_FIELDS, Allowed, CaptionRecord, Filters
from indexer.tally import Tally

#: Fields that every line has, even empty: without them it would be read as no caption, or with the default.
_ALWAYS = frozenset(one.name for one in fields(CaptionRecord) if one.default != "")
#: All but ASCII is escaped, also lone surrogates and U+2028, which some programs take for the end of a line.
_to_json = json.JSONEncoder().encode


def export(
    index: CaptionIndex,
    stream: BinaryIO,
    filters: Allowed = NO_FILTERS,
    *,
    progress: Progress = no_progress,
) -> Tally:
    """Write every caption that passes, one a line. Gives how many were written, of how many images.

    Captions that another process adds meanwhile are not among them.
    """
    tally = Tally()
    with closing(read_captions(index, Filters(filters), "export", progress)) as read:
        for batch in read:
            stream.write(as_lines(batch))
            tally.add(batch)
    return tally


def as_lines(records: Iterable[CaptionRecord]) -> bytes:
    """Captions as JSON lines, from which the same captions are read again; empty fields are left out."""
    return "".join(f"{_to_json(_row(record))}\n" for record in records).encode()


def _row(record: CaptionRecord) -> dict[str, str]:
    return {
        name: value for name in RECORD_FIELDS if (value := getattr(record, name)) != "" or name in _ALWAYS
    }
