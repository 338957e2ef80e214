"""Checks of what is to be stored, before anything is stored: both engines refuse the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from reprlib import repr as shortened

from indexer.analyzers import known_analyzer
from indexer.errors import IndexerError
from indexer.records import AddReport, CaptionRecord, Rejected, unfit


class Storable:
    """Those of the given records that can be stored, to be read once; the others are kept for the report.

    Raises IndexerError at once if `given` cannot be iterated, and for an item that is not a record when it is
    reached.
    """

    def __init__(self, given: Iterable[CaptionRecord]) -> None:
        if not isinstance(given, Iterable):
            raise IndexerError(f"captions are given as a list of CaptionRecord, not {shortened(given)}")
        self._given = given
        self._rejected: list[Rejected] = []

    def __iter__(self) -> Iterator[CaptionRecord]:
        for record in self._given:
            if not isinstance(record, CaptionRecord):
                raise IndexerError(f"a caption is given as CaptionRecord, not {shortened(record)}")
            if reason := unfit(record) or ("" if record.caption.strip() else "caption is empty"):
                self._rejected.append(Rejected(record, reason))
            else:
                yield record

    def reported(self, stored: AddReport) -> AddReport:
        """The report of those that were stored, by which time all are read, with the others."""
        return stored + AddReport(rejected=tuple(self._rejected))


def check_draft(where: str, key: str, analyzer: str) -> None:
    """Raises IndexerError for a key that is not a text, and IndexMismatchError for an unknown analyzer."""
    if not isinstance(key, str):
        raise IndexerError(f"{where}: the key of a draft is a text, not {shortened(key)}")
    known_analyzer(where, analyzer)
