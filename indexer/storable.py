"""What is given to be stored, looked at before anything is: both engines refuse the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from reprlib import repr as shortened

from indexer.analyzers import known_analyzer
from indexer.errors import IndexerError
from indexer.records import CaptionRecord, Rejected, unfit


def storable(given: Iterable[CaptionRecord], rejected: list[Rejected]) -> Iterator[CaptionRecord]:
    """The records that can be stored, one after the other; those that cannot go to `rejected` at their turn.

    Raises IndexerError for what is no record: at once where nothing can be taken from what is given.
    """
    if not isinstance(given, Iterable):
        raise IndexerError(f"captions are given as a list of CaptionRecord, not {shortened(given)}")
    return _storable(given, rejected)


def _storable(given: Iterable[CaptionRecord], rejected: list[Rejected]) -> Iterator[CaptionRecord]:
    for record in given:
        if not isinstance(record, CaptionRecord):
            raise IndexerError(f"a caption is given as CaptionRecord, not {shortened(record)}")
        if reason := unfit(record):
            rejected.append(Rejected(record, reason))
        else:
            yield record


def check_draft(where: str, key: str, analyzer: str) -> None:
    """Before anything is begun. Raises IndexerError for a key that is no text, and as `known_analyzer`."""
    if not isinstance(key, str):
        raise IndexerError(f"{where}: the key of a draft is a text, not {shortened(key)}")
    known_analyzer(where, analyzer)
