"""A draft: the successor of an index, built in a folder of its own inside the index's folder.

Publishing replaces the index's manifest by one that names the draft's files where they are. No file is moved,
so at no moment is either of the two incomplete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path

from indexer.contract import Draft
from indexer.embedded.arrays import sync_folder
from indexer.embedded.checks import check_checksums, reading
from indexer.embedded.manifest import UNREADABLE, Manifest, read_manifest, write_manifest
from indexer.embedded.names import (
    DRAFT_MANIFEST,
    arrays_number,
    is_draft_folder,
    is_manifest,
    is_of_draft,
    new_draft,
)
from indexer.embedded.snapshot import Snapshot, open_snapshot
from indexer.embedded.status import status_of
from indexer.embedded.view import EmbeddedView
from indexer.embedded.writer import Writer, clear_errors, open_for_writing, remove_quietly
from indexer.errors import IndexClosedError, IndexDamagedError, IndexerError
from indexer.given import listed
from indexer.photo_files.places import places_by_image
from indexer.records import AddReport, CaptionRecord, Document, IndexStatus, generated_by, now

#: Segments of a draft are merged late, since many of them slow nobody's search down.
_MAX_SEGMENTS = 32


def _last_manifest(folder: Path) -> Manifest:
    """The manifest before the one to be published.

    Where it cannot be read, an empty one, with file numbers that no file in the folder has.
    """
    try:
        return read_manifest(folder)
    except UNREADABLE:
        last = max((arrays_number(path.name) or 0 for path in folder.iterdir()), default=0)
        return Manifest("", generation=last, next_file=last + 1)


def draft_folders(folder: Path) -> list[Path]:
    """Folders of drafts, also of published ones, which hold the index's files."""
    return sorted(filter(is_draft_folder, folder.glob("draft-*")))


def unpublished_drafts(folder: Path) -> list[Path]:
    """Folders of drafts that can be resumed."""
    return [path for path in draft_folders(folder) if is_manifest(path / DRAFT_MANIFEST)]


def sweep_drafts(folder: Path) -> None:
    """Remove folders of published drafts that the index no longer uses. The caller holds the lock."""
    try:
        manifest = read_manifest(folder)
    except UNREADABLE:
        return  # it is not known which drafts are in use: all stay until a new index is published
    in_use = {Path(file.path).parts[0] for file in manifest.files()}
    for path in draft_folders(folder):
        if path.name in in_use:
            # Published, by a process that was killed before it could do this.
            remove_quietly((path / DRAFT_MANIFEST).unlink)
        else:
            remove_quietly(partial(_remove_unfinished, path))


def _remove_unfinished(path: Path) -> None:
    """Remove what writers have left in a folder that is no draft, and the folder where it is empty then."""
    # No writer makes a link, so the files behind it are not the index's.
    if path.is_symlink() or (path / DRAFT_MANIFEST).exists():
        return
    for file in filter(is_of_draft, path.iterdir()):
        remove_quietly(file.unlink)
    path.rmdir()


def _sound_drafts(folder: Path, wanted: Callable[[Manifest], bool]) -> Iterator[tuple[str, Snapshot]]:
    """Undamaged drafts whose manifest is wanted, by name; damaged ones go when another draft is published."""
    for path in unpublished_drafts(folder):
        with suppress(*UNREADABLE):  # but a file that cannot be read now may be sound
            snapshot = open_snapshot(folder, f"{path.name}/{DRAFT_MANIFEST}")
            if wanted(snapshot.manifest):
                # Else damage would show only later, when much has been added.
                check_checksums(folder, snapshot.segments)
                yield path.name, snapshot


def _find_resumable(folder: Path, key: str, analyzer: str) -> str | None:
    drafts = _sound_drafts(folder, lambda found: (found.key, found.analyzer) == (key, analyzer))
    # All are opened: a draft that cannot be read now is told of, not removed when another is published.
    names = [name for name, _ in drafts]
    return names[0] if names else None


def _create_draft(folder: Path, key: str, analyzer: str) -> str:
    name = new_draft()
    (folder / name).mkdir()
    sync_folder(folder)  # else a power cut could remove the folder, with all that was added
    write_manifest(folder, Manifest(analyzer, key=key), f"{name}/{DRAFT_MANIFEST}")
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
                resumed = _find_resumable(folder, key, analyzer)
                self._name = resumed or _create_draft(folder, key, analyzer)
            manifest_name = f"{self._name}/{DRAFT_MANIFEST}"
            snapshot = open_snapshot(folder, manifest_name)
            self._writer = Writer(folder, snapshot, manifest_name, f"{self._name}/")
            self._writer.sweep()
        except BaseException:
            self.close()
            raise

    def _check_open(self) -> None:
        """Once closed, the lock is released: another writer may be changing the same files."""
        if self._closed:
            raise IndexClosedError.of(self._folder, "draft")

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

    def known_places(self, model: str) -> dict[str, Sequence[str]]:
        self._check_open()
        places, segments = list[tuple[str, str]](), self._writer.snapshot.segments
        with reading(self._folder, segments):
            for segment in segments:
                rows = segment.all_passing(segment.resolve(generated_by(model)))
                places += segment.places_of(rows)
        return places_by_image(places)

    def left_by_others(self, image_ids: Iterable[str]) -> Sequence[Mapping[str, Sequence[Document]]]:
        self._check_open()
        wanted = listed(image_ids)
        return [view.captions(wanted) for view in self._others]

    @cached_property
    def _others(self) -> tuple[EmbeddedView, ...]:
        """Since the lock is held, nobody is writing them."""
        key = self._writer.snapshot.manifest.key
        drafts = _sound_drafts(self._folder, lambda found: found.key != key)
        return tuple(EmbeddedView(str(self._folder), snapshot) for _, snapshot in drafts)

    def publish(self) -> IndexStatus:
        self._check_open()
        with clear_errors(self._folder), self._writer.swept_on_failure():
            self._merge_and_check()
            draft = self._writer.snapshot.manifest
            published_manifest = _last_manifest(self._folder).following(
                analyzer=draft.analyzer, segments=draft.segments, built_at=now()
            )
            write_manifest(self._folder, published_manifest)
            # Drafts of other builds are outdated by this one; since the lock is held, nobody is writing them.
            for path in unpublished_drafts(self._folder):
                (path / DRAFT_MANIFEST).unlink()
            published = open_snapshot(self._folder)
            Writer(self._folder, published).sweep()
            sweep_drafts(self._folder)
        self.close()
        return status_of(self._folder, published, len(unpublished_drafts(self._folder)))

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
