"""Checks of what is to be stored, before anything is stored: both engines refuse the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from reprlib import repr as shortened

from indexer.analyzers import known_analyzer
from indexer.errors import IndexerError
from indexer.records import CaptionRecord, Rejected, unfit


def storable(given: Iterable[CaptionRecord], rejected: list[Rejected]) -> Iterator[CaptionRecord]:
    """The records that can be stored; the others are appended to `rejected` when they are reached.

    Raises IndexerError at once if `given` cannot be iterated, and for an item that is not a record when it is
    reached.
    """
    if not isinstance(given, Iterable):
        raise IndexerError(f"captions are given as a list of CaptionRecord, not {shortened(given)}")
    return _storable(given, rejected)


def _storable(given: Iterable[CaptionRecord], rejected: list[Rejected]) -> Iterator[CaptionRecord]:
    for record in given:
        if not isinstance(record, CaptionRecord):
            raise IndexerError(f"a caption is given as CaptionRecord, not {shortened(record)}")
        if reason := unfit(record) or ("" if record.caption.strip() else "caption is empty"):
            rejected.append(Rejected(record, reason))
        else:
            yield record


def check_draft(where: str, key: str, analyzer: str) -> None:
    """Raises IndexerError for a key that is not a text, and IndexMismatchError for an unknown analyzer."""
    if not isinstance(key, str):
        raise IndexerError(f"{where}: the key of a draft is a text, not {shortened(key)}")
    known_analyzer(where, analyzer)
