"""A successor of an index, built in a folder of its own inside the index's folder.

Publishing replaces the index's manifest by one that names the draft's files where they are. Nothing is
moved, so there is no moment at which either of the two is incomplete.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from indexer.contract import Draft
from indexer.embedded.arrays import sync_folder
from indexer.embedded.checks import check_checksums, reading
from indexer.embedded.manifest import UNREADABLE, Manifest, read_manifest, write_manifest
from indexer.embedded.snapshot import open_snapshot
from indexer.embedded.status import status_of
from indexer.embedded.writer import Writer, clear_errors, open_for_writing, remove_quietly
from indexer.errors import IndexClosedError, IndexDamagedError, IndexerError
from indexer.records import AddReport, CaptionRecord, IndexStatus, generated_by, now

_PREFIX = "draft-"
_DRAFT_MANIFEST = "draft.json"
#: Nobody searches a draft: its segments may become many before they are merged.
_MAX_SEGMENTS = 32
#: Files that a writer of the index itself numbers.
_NUMBERED = re.compile(r"(?:segment|deleted)-(\d+)\.arrays")


def _last_manifest(folder: Path) -> Manifest:
    """The manifest that the next one follows.

    Where it is missing, damaged or another version's, the names of the files tell which numbers are taken.
    """
    try:
        return read_manifest(folder)
    except UNREADABLE:
        numbered = (_NUMBERED.match(path.name) for path in folder.iterdir())
        last = max((int(found[1]) for found in numbered if found), default=0)
        return Manifest("", generation=last, next_file=last + 1)


def draft_folders(folder: Path) -> list[Path]:
    """Folders of drafts, published ones (which hold the index's files) too."""
    return sorted(path for path in folder.glob(f"{_PREFIX}*") if path.is_dir())


def unpublished(folder: Path) -> list[Path]:
    """Folders of drafts that can be gone on with."""
    return [path for path in draft_folders(folder) if (path / _DRAFT_MANIFEST).is_file()]


def sweep_drafts(folder: Path) -> None:
    """Remove folders of published drafts that the index no longer uses. The caller holds the lock."""
    try:
        manifest = read_manifest(folder)
    except UNREADABLE:
        return  # nobody knows what it uses: everything stays until there is a new index
    in_use = {Path(file.path).parts[0] for file in manifest.files()}
    for path in draft_folders(folder):
        if path.name in in_use:
            # Killed between publishing and this: it is published.
            remove_quietly((path / _DRAFT_MANIFEST).unlink)
        elif not (path / _DRAFT_MANIFEST).is_file():
            shutil.rmtree(path, ignore_errors=True)


def _resumable(folder: Path, key: str, analyzer: str) -> str | None:
    for path in unpublished(folder):
        try:
            snapshot = open_snapshot(folder, f"{path.name}/{_DRAFT_MANIFEST}")
            if (snapshot.manifest.key, snapshot.manifest.analyzer) == (key, analyzer):
                # Damaged inside, it would fail wherever it is read.
                check_checksums(folder, snapshot.segments)
                return path.name
        except IndexerError:
            continue  # damaged: it goes when another one is published
    return None


def _begin(folder: Path, key: str, analyzer: str) -> str:
    # A random name: a reader of an older manifest can never take a new file for one of its own.
    name = f"{_PREFIX}{secrets.token_hex(4)}"
    (folder / name).mkdir()
    sync_folder(folder)  # or a power cut could take the folder, and all that was added to it
    write_manifest(folder, Manifest(analyzer, key=key), f"{name}/{_DRAFT_MANIFEST}")
    return name


class EmbeddedDraft(Draft):
    """Holds the write lock of the index from construction to `close`."""

    def __init__(self, folder: Path, key: str, analyzer: str) -> None:
        self._lock = open_for_writing(folder)
        self._folder = folder
        self._closed = False
        try:
            with clear_errors(folder):
                sweep_drafts(folder)
                self._name = _resumable(folder, key, analyzer) or _begin(folder, key, analyzer)
            manifest_name = f"{self._name}/{_DRAFT_MANIFEST}"
            snapshot = open_snapshot(folder, manifest_name)
            self._writer = Writer(folder, snapshot, manifest_name, f"{self._name}/")
            self._writer.sweep()
        except BaseException:
            self.close()
            raise

    def _check_open(self) -> None:
        """Without the lock, what it writes could be another's by now."""
        if self._closed:
            raise IndexClosedError(self._folder, "draft")

    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        self._check_open()
        with self._writer.swept_on_failure():
            present = self._writer.snapshot.segments
            segments, report = self._writer.with_records(records, present)
            if segments != present:
                self._writer.commit(
                    self._writer.merged(segments) if len(segments) > _MAX_SEGMENTS else segments
                )
        return report

    def known_places(self, model: str) -> dict[str, str]:
        self._check_open()
        told, segments = list[tuple[str, str]](), self._writer.snapshot.segments
        with reading(self._folder, segments):
            for segment in segments:
                rows = segment.all_passing(segment.accepted(generated_by(model)))
                told += segment.places_of(rows)
        return dict(sorted(told))

    def publish(self) -> IndexStatus:
        self._check_open()
        with clear_errors(self._folder), self._writer.swept_on_failure():
            self._merge_and_check()
            built = self._writer.snapshot.manifest
            following = _last_manifest(self._folder).following(
                analyzer=built.analyzer, segments=built.segments, built_at=now()
            )
            write_manifest(self._folder, following)
            # Drafts of other builds are superseded, too; the lock says that nobody is at one of them.
            for draft in unpublished(self._folder):
                (draft / _DRAFT_MANIFEST).unlink()
            published = open_snapshot(self._folder)
            Writer(self._folder, published).sweep()
            sweep_drafts(self._folder)
        self.close()
        return status_of(self._folder, published, len(unpublished(self._folder)))

    def _merge_and_check(self) -> None:
        snapshot = self._writer.snapshot
        if not snapshot.manifest.captions:
            raise IndexerError(f"{self._folder}: nothing was added to the draft; the index stays as it is")
        merged = self._writer.merged_to_few(snapshot.segments)
        check_checksums(self._folder, merged)
        found = sum(segment.entry.live for segment in merged)
        if found != snapshot.manifest.captions:
            raise IndexDamagedError(
                f"{self._folder}: the draft holds {found:,} captions instead of "
                f"{snapshot.manifest.captions:,}; it is not published, build again"
            )
        self._writer.commit(merged)

    def close(self) -> None:
        self._closed = True
        self._lock.release()
