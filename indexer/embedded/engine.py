"""EmbeddedIndex: a `CaptionIndex` in a folder, without a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as shortened

from captioner.tokens import DEFAULT
from indexer.analyzers import known_analyzer
from indexer.check_lines import first_told
from indexer.contract import CaptionIndex
from indexer.embedded.arrays import clear_read_errors
from indexer.embedded.checks import check_checksums, find_damage, find_wrong_documents, reading
from indexer.embedded.draft import EmbeddedDraft, sweep_drafts, unpublished_drafts
from indexer.embedded.manifest import UNREADABLE, Manifest
from indexer.embedded.names import foreign_files
from indexer.embedded.segment import Segment
from indexer.embedded.snapshot import Snapshot, manifest_stamp, open_snapshot
from indexer.embedded.status import status_of
from indexer.embedded.view import EmbeddedView
from indexer.embedded.writer import Writer, open_for_writing
from indexer.errors import OR_IN_PYTHON, IndexClosedError, IndexerError, IndexNotFoundError
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


def _check_new_place(folder: Path) -> None:
    """Raises IndexerError for a folder with files of something else, among which no index is to be made."""
    if folder.is_dir() and (foreign := next(foreign_files(folder), None)):
        raise IndexerError(
            f"{folder}: holds other files ({foreign.relative_to(folder)}) and no index that can be read; "
            "name a new or an empty folder"
        )


def _not_found(folder: Path) -> IndexNotFoundError:
    """The error for a folder without a manifest."""
    if unpublished_drafts(folder):
        wait = "wait until it is done, or resume it by the same `indexer build`"
        return IndexNotFoundError(f"{folder}: no index there yet, only the draft of a build; {wait}")
    return IndexNotFoundError(f"{folder}: no index there; make one with `indexer build`{OR_IN_PYTHON}")


#: The snapshot of an index that has no manifest yet.
_EMPTY = Snapshot(Manifest(DEFAULT), ())


class EmbeddedIndex(CaptionIndex):
    """Any number of readers, one writer at a time; every call sees what was committed before it."""

    engine = EmbeddedView.engine

    def __init__(self, folder: Path, snapshot: Snapshot) -> None:
        self.where = str(folder)
        self._folder, self._snapshot = folder, snapshot
        self._closed = False

    @classmethod
    def open(cls, where: str, *, create: bool = False) -> EmbeddedIndex:
        """Raises IndexNotFoundError, IndexDamagedError, IndexMismatchError; IndexerError for a bad name.

        With `create`, an index that cannot be read is opened too, so that a draft can replace it; everything
        else that is asked of it raises the error.
        """
        folder = Path(where)
        try:
            snapshot = cls._open_first(folder, create)
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or error
            raise IndexerError(f"{shortened(where)}: cannot be opened as a folder ({reason})") from error
        if not create:
            known_analyzer(where, snapshot.manifest.analyzer)
        return cls(folder, snapshot)

    @staticmethod
    def _open_first(folder: Path, create: bool) -> Snapshot:
        if folder.exists() and not folder.is_dir():
            raise IndexNotFoundError(f"{folder}: is a file; an embedded index is a folder")
        try:
            return open_snapshot(folder)
        except UNREADABLE as error:
            if create:
                _check_new_place(folder)
                return _EMPTY
            if isinstance(error, FileNotFoundError):
                raise _not_found(folder) from None
            raise

    @property
    def analyzer(self) -> str:
        return self._current().manifest.analyzer

    def _current(self) -> Snapshot:
        """The current generation. Where it is still the same, this costs one `stat` of the manifest."""
        self._check_open()
        snapshot = self._snapshot
        try:
            with clear_read_errors(self._folder):
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
            raise IndexClosedError.of(self.where)

    # Writing.

    @contextmanager
    def _writing(self) -> Iterator[Writer]:
        """The one writer of what is current now; the files of a change that fails are removed."""
        self._check_open()  # first, since locking makes the folder, which may be gone by now
        with open_for_writing(self._folder):
            writer = Writer(self._folder, self._current())
            with writer.swept_on_failure():
                yield writer

    def _commit(self, writer: Writer, segments: Sequence[Segment], **changes: str) -> None:
        self._snapshot = writer.commit(writer.merged(segments), **changes)
        sweep_drafts(self._folder)

    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        with self._writing() as writer:
            return self._add(writer, records, writer.snapshot.segments)

    def replace(self, old: Iterable[Document], records: Iterable[CaptionRecord]) -> AddReport:
        replaced = [document.record.document_id for document in old]
        with self._writing() as writer:
            return self._add(writer, records, writer.without_documents(replaced))

    def _add(
        self, writer: Writer, records: Iterable[CaptionRecord], segments: Sequence[Segment]
    ) -> AddReport:
        """Add the records to these segments, and commit them together."""
        segments, report = writer.with_records(records, segments)
        manifest = writer.snapshot.manifest
        # The first commit is made even without captions: then there is an index that can be opened.
        if segments != writer.snapshot.segments or writer.snapshot.stamp is None:
            self._commit(writer, segments, built_at=manifest.built_at or now())
        return report

    def delete(self, image_ids: Iterable[str]) -> int:
        unwanted = listed(image_ids)
        if self._current().stamp is None:
            return 0
        with self._writing() as writer:
            segments, removed = writer.without_images(unwanted)
            if removed:
                self._commit(writer, segments)
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

    # Status and checks.

    def status(self) -> IndexStatus:
        return status_of(self._folder, self._current(), len(unpublished_drafts(self._folder)))

    def caption_count(self) -> int:
        return self._current().manifest.captions

    def check_stored(self) -> None:
        check_checksums(self._folder, self._current().segments)

    def check(self) -> list[str]:
        snapshot = self._current()
        if damage := find_damage(snapshot.segments):
            return damage
        analyze = known_analyzer(self.where, snapshot.manifest.analyzer)
        return first_told(find_wrong_documents(snapshot.segments, analyze))

    def close(self) -> None:
        """Close the files. A search that is running keeps its own open until it ends."""
        self._closed, self._snapshot = True, _EMPTY
