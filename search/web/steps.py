"""How long the engine's part of a search took: an index around the index that looks at the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from captioner.tokens import DEFAULT
from indexer.contract import CaptionIndex, Draft, ForwardingView, View
from indexer.records import (
    AddReport,
    Candidates,
    CaptionRecord,
    Document,
    IndexStatus,
    Query,
)


@dataclass
class EngineTime:
    """Seconds spent in the engine so far."""

    seconds: float = 0.0


class TimedView(ForwardingView):
    """Notes what `candidates_many` of another view takes, thread by thread."""

    def __init__(self, view: View, here: threading.local) -> None:
        self._view, self._here = view, here

    @property
    def where(self) -> str:  # type: ignore[override]
        return self._view.where

    @property
    def analyzer(self) -> str:  # type: ignore[override]
        return self._view.analyzer

    @property
    def engine(self) -> str:  # type: ignore[override]
        return self._view.engine

    @property
    def known_count(self) -> int | None:  # type: ignore[override]
        return self._view.known_count

    def answering(self) -> View:
        return self._view

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        began = time.perf_counter()
        try:
            return super().candidates_many(queries, limit)
        finally:
            spent: EngineTime | None = getattr(self._here, "spent", None)
            if spent is not None:
                spent.seconds += time.perf_counter() - began


class TimedIndex(TimedView, CaptionIndex):
    """The same of an index, whose views are timed as well."""

    def __init__(self, index: CaptionIndex) -> None:
        super().__init__(index, threading.local())
        self.index = index

    def view(self) -> TimedView:
        return TimedView(self.index.view(), self._here)

    @contextmanager
    def watching(self) -> Iterator[EngineTime]:
        """The time that this thread spends in the engine within the block."""
        spent = self._here.spent = EngineTime()
        try:
            yield spent
        finally:
            self._here.spent = None

    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        return self.index.add(records)

    def delete(self, image_ids: Iterable[str]) -> int:
        return self.index.delete(image_ids)

    def replace(self, old: Iterable[Document], records: Iterable[CaptionRecord]) -> AddReport:
        return self.index.replace(old, records)

    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        return self.index.places(beginning)

    def status(self) -> IndexStatus:
        return self.index.status()

    def caption_count(self) -> int:
        return self.index.caption_count()

    def check(self) -> Sequence[str]:
        return self.index.check()

    def draft(self, key: str, analyzer: str = DEFAULT) -> Draft:
        return self.index.draft(key, analyzer)

    def close(self) -> None:
        self.index.close()
