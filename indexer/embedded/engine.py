"""EmbeddedIndex: the contract of `indexer.contract` over a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from reprlib import repr as shortened

from captioner.tokens import DEFAULT
from indexer.analyzers import known_analyzer
from indexer.check_lines import first_told
from indexer.contract import CaptionIndex
from indexer.embedded.checks import check_checksums, problems, reading, strangers
from indexer.embedded.draft import EmbeddedDraft, sweep_drafts, unpublished
from indexer.embedded.lock import WriteLock
from indexer.embedded.manifest import UNREADABLE, Manifest
from indexer.embedded.segment import Segment
from indexer.embedded.snapshot import Snapshot, manifest_stamp, open_snapshot
from indexer.embedded.status import status_of
from indexer.embedded.view import EmbeddedView
from indexer.embedded.writer import Writer, open_for_writing
from indexer.errors import IndexClosedError, IndexerError, IndexNotFoundError
from indexer.given import listed
from indexer.records import (
    NO_FILTERS,
    AddReport,
    Allowed,
    CaptionRecord,
    Document,
    Filters,
    IndexStatus,
    now,
)
from indexer.storable import check_draft


def _is_ours(path: Path) -> bool:
    """Whether an index's folder may hold this entry, also before its first manifest is there."""
    return path.name.startswith((".", "write.lock", "manifest.json", "draft-")) or ".arrays" in path.suffixes


def _check_new_place(folder: Path) -> None:
    if folder.is_dir() and (strange := next((path for path in folder.iterdir() if not _is_ours(path)), None)):
        raise IndexerError(
            f"{folder}: holds other files ({strange.name}) and no index that can be read; "
            "name a new or an empty folder"
        )


def _no_index(folder: Path, error: Exception) -> Exception:
    """Why there is nothing to search; damage tells of itself."""
    if isinstance(error, FileNotFoundError):
        if unpublished(folder):
            wait = "wait until it is done, or go on with it by the same `indexer build`"
            return IndexNotFoundError(f"{folder}: no index there yet, only the draft of a build; {wait}")
        return IndexNotFoundError(f"{folder}: no index there; make one with `indexer build`")
    return error


#: What an index holds before its first manifest is read.
_NOTHING = Snapshot(Manifest(DEFAULT), ())


class EmbeddedIndex(CaptionIndex):
    """Any number of readers, one writer at a time; every call sees what was committed before it."""

    engine = EmbeddedView.engine

    def __init__(self, folder: Path, snapshot: Snapshot) -> None:
        self.where = str(folder)
        self._folder, self._snapshot = folder, snapshot
        self._closed = False

    @classmethod
    def open(cls, where: str, *, create: bool = False) -> EmbeddedIndex:
        """Raises IndexNotFoundError, IndexDamagedError, IndexMismatchError; IndexerError for no folder.

        With `create`, what cannot be read is opened too, so that a draft can replace it; all else that is
        asked of it raises the error.
        """
        folder = Path(where)
        try:
            snapshot = cls._first(folder, create)
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or error
            raise IndexerError(f"{shortened(where)}: cannot be opened as a folder ({reason})") from error
        if not create:
            known_analyzer(where, snapshot.manifest.analyzer)
        return cls(folder, snapshot)

    @staticmethod
    def _first(folder: Path, create: bool) -> Snapshot:
        if folder.exists() and not folder.is_dir():
            raise IndexNotFoundError(f"{folder}: is a file; an embedded index is a folder")
        try:
            return open_snapshot(folder)
        except UNREADABLE as error:
            if not create:
                raise _no_index(folder, error) from None
            _check_new_place(folder)
            return _NOTHING

    @property
    def analyzer(self) -> str:  # type: ignore[override]
        return self._current().manifest.analyzer

    def _current(self) -> Snapshot:
        """The generation that is current now; unchanged, it costs one look at the manifest's state."""
        self._check_open()
        snapshot = self._snapshot
        try:
            if manifest_stamp(self._folder) != snapshot.stamp:
                self._snapshot = snapshot = open_snapshot(self._folder, previous=snapshot)
        except FileNotFoundError:
            if snapshot.stamp is not None:
                raise IndexNotFoundError(
                    f"{self.where}: the index is gone; make one with `indexer build`"
                ) from None
        return snapshot

    def _check_open(self) -> None:
        if self._closed:
            raise IndexClosedError(self.where)

    # Writing.

    def _lock(self) -> WriteLock:
        self._check_open()  # the folder may be gone since, and would be made
        return open_for_writing(self._folder)

    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        with self._lock():
            writer = Writer(self._folder, self._current())
            with writer.swept_on_failure():
                return self._add(writer, records, writer.snapshot.segments)

    def replace(self, old: Iterable[Document], records: Iterable[CaptionRecord]) -> AddReport:
        gone = [document.record.document_id for document in old]
        with self._lock():
            writer = Writer(self._folder, self._current())
            with writer.swept_on_failure():
                return self._add(writer, records, writer.without_documents(gone))

    def _add(
        self, writer: Writer, records: Iterable[CaptionRecord], segments: Sequence[Segment]
    ) -> AddReport:
        """Add to these segments, which are the index or are to be, and make all of it the index."""
        segments, report = writer.with_records(records, segments)
        manifest = writer.snapshot.manifest
        # The first commit makes the index, even of nothing: it can be opened then.
        if segments != writer.snapshot.segments or writer.snapshot.stamp is None:
            self._snapshot = writer.commit(writer.merged(segments), built_at=manifest.built_at or now())
            sweep_drafts(self._folder)
        return report

    def delete(self, image_ids: Iterable[str]) -> int:
        unwanted = listed(image_ids)
        if self._current().stamp is None:
            return 0
        with self._lock():
            writer = Writer(self._folder, self._current())
            with writer.swept_on_failure():
                segments, removed = writer.without_images(unwanted)
                if removed:
                    self._snapshot = writer.commit(writer.merged(segments))
                    sweep_drafts(self._folder)
        return removed

    def draft(self, key: str, analyzer: str = DEFAULT) -> EmbeddedDraft:
        check_draft(self.where, key, analyzer)
        self._check_open()
        return EmbeddedDraft(self._folder, key, analyzer)

    # Searching.

    def view(self) -> EmbeddedView:
        return EmbeddedView(self.where, self._current())

    def records(self, filters: Allowed = NO_FILTERS) -> Iterator[CaptionRecord]:
        return self.view().records(Filters(filters))

    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        segments = self._current().segments
        with reading(self.where, segments):
            for segment in segments:
                yield from segment.places(beginning)

    # Telling.

    def status(self) -> IndexStatus:
        return status_of(self._folder, self._current(), len(unpublished(self._folder)))

    def caption_count(self) -> int:
        return self._current().manifest.captions

    def check_stored(self) -> None:
        check_checksums(self._folder, self._current().segments)

    def check(self) -> list[str]:
        manifest, segments = self._current().manifest, self._current().segments
        return problems(segments) or first_told(
            strangers(segments, known_analyzer(self.where, manifest.analyzer))
        )

    def close(self) -> None:
        """Let go of the files. A search that is running keeps them until it ends."""
        self._closed, self._snapshot = True, _NOTHING
