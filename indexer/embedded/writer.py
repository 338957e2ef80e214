"""Changes to a generation: new segments, tombstones, merges, and the commit that makes them count.

Files of a commit are written under new names and made durable first; then the manifest that names them
replaces the old one. Killed in between, the files that no manifest names are swept by the next writer.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

import numpy as np

from captioner.tokens import Analyzer, analyzer
from indexer.embedded.arrays import sync_folder, write_arrays
from indexer.embedded.layout import segment_arrays
from indexer.embedded.lock import WriteLock
from indexer.embedded.manifest import MANIFEST, SegmentEntry, StoredFile, write_manifest
from indexer.embedded.rows import RECORD_FIELDS, Rows, document_keys, join_rows, rows_of
from indexer.embedded.segment import Segment
from indexer.embedded.snapshot import Snapshot, open_snapshot
from indexer.embedded.strings import Array
from indexer.errors import IndexUnavailableError
from indexer.records import AddReport, CaptionRecord, Rejected

#: Captions held in memory before they become a segment.
SPILL_ROWS = 200_000
#: Captions looked up and analysed at a time.
_BATCH_ROWS = 10_000
#: A segment is merged with those after it when they hold more than a third of its rows: few segments, each
#: row rewritten a logarithmic number of times.
_MERGE_FACTOR = 3
#: More rows than this are never merged into one segment, which bounds the memory of a merge.
_MERGE_ROWS = 4_000_000
#: A segment with this share of deleted rows is rewritten without them.
_SPARSE = 0.3


def now() -> str:
    """ISO 8601, UTC, whole seconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def clear_errors(folder: Path) -> Iterator[None]:
    """Turn the system's refusals into one line that says that nothing was lost."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = "no space left on the device" if full else error.strerror or str(error)
        raise IndexUnavailableError(
            f"{folder}: cannot write ({reason}); what was committed before is whole"
        ) from error


def open_for_writing(folder: Path) -> WriteLock:
    """The write lock of an index; the folder is made where there is none. Raises IndexLockedError."""
    with clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return WriteLock(folder)


def _checked(record: CaptionRecord) -> str:
    """Why a record cannot be stored; empty where it can."""
    for name in RECORD_FIELDS:
        value = getattr(record, name)
        if not isinstance(value, str):
            return f"{name} is {type(value).__name__}, not text"
    return ""


class Writer:
    """Changes one folder's manifest (of an index, or of a draft). The caller holds the write lock."""

    def __init__(
        self, root: Path, snapshot: Snapshot, manifest_name: str = MANIFEST, subfolder: str = ""
    ) -> None:
        self._root, self._name, self._subfolder = root, manifest_name, subfolder
        self.snapshot = snapshot
        self._next_file = snapshot.manifest.next_file
        self._analyse: Analyzer = analyzer(snapshot.manifest.analyzer)

    # Adding.

    def new_segments(
        self, records: Iterable[CaptionRecord], present: Sequence[Segment]
    ) -> tuple[list[Segment], AddReport]:
        """Write segments of the captions that are not in `present` yet; nothing counts before `commit`."""
        segments: list[Segment] = []
        total, stamp = AddReport(), now()
        held: list[tuple[list[CaptionRecord], list[frozenset[str]], Array]] = []
        source = iter(records)
        known: set[bytes] = set()
        while batch := list(islice(source, _BATCH_ROWS)):
            fresh, keys, report = self._fresh(batch, [*present, *segments], known)
            total += report
            if fresh:
                held.append((fresh, [self._analyse(record.caption) for record in fresh], keys))
            if len(known) >= SPILL_ROWS:
                segments.append(self._spill(held, stamp))
                held.clear()
                known.clear()
        if held:
            segments.append(self._spill(held, stamp))
        return segments, total

    def _fresh(
        self, batch: list[CaptionRecord], segments: Sequence[Segment], known: set[bytes]
    ) -> tuple[list[CaptionRecord], Array, AddReport]:
        """Records that are neither stored nor given before, with their keys; `known` grows by them."""
        rejected = []
        sound = []
        for record in batch:
            if reason := _checked(record):
                rejected.append(Rejected(str(record.image_id), "", reason))
            else:
                sound.append(record)
        keys = document_keys([record.document_id for record in sound])
        stored = np.zeros(len(sound), bool)
        for segment in segments:
            stored |= segment.find(keys)[0]
        raw = keys.tobytes()
        places = []
        for place in np.flatnonzero(~stored).tolist():
            key = raw[16 * place : 16 * place + 16]
            if key not in known:
                known.add(key)
                places.append(place)
        report = AddReport(len(places), len(sound) - len(places), tuple(rejected))
        return [sound[place] for place in places], keys[places], report

    def _spill(
        self, held: Sequence[tuple[list[CaptionRecord], list[frozenset[str]], Array]], stamp: str
    ) -> Segment:
        records = [record for part, _, _ in held for record in part]
        tokens = [tokens for _, part, _ in held for tokens in part]
        return self._segment(rows_of(records, tokens, np.concatenate([keys for _, _, keys in held]), stamp))

    def _segment(self, rows: Rows) -> Segment:
        entry = SegmentEntry(self._write("segment", segment_arrays(rows)), len(rows))
        return Segment(self._root, entry)

    def _write(self, kind: str, arrays: Mapping[str, Array]) -> StoredFile:
        path = f"{self._subfolder}{kind}-{self._next_file:06d}.arrays"
        self._next_file += 1
        with clear_errors(self._root):
            written = write_arrays(self._root / path, arrays)
        return StoredFile(path, written.bytes, written.checksum)

    # Deleting.

    def without_images(self, image_ids: Sequence[str]) -> tuple[list[Segment], int]:
        """The segments with tombstones on all captions of these images, and how many are new."""
        rows = [
            segment.rows_of_images(segment.column("image_id").places(image_ids))
            for segment in self.snapshot.segments
        ]
        return list(self._without(rows)), sum(map(len, rows))

    def without_documents(self, document_ids: Sequence[str]) -> tuple[Segment, ...]:
        """The segments with tombstones on these captions."""
        keys = document_keys(document_ids)
        return self._without([segment.find(keys)[1] for segment in self.snapshot.segments])

    def _without(self, rows: Sequence[Array]) -> tuple[Segment, ...]:
        """The segments with tombstones on these rows of each."""
        pairs = zip(self.snapshot.segments, rows, strict=True)
        return tuple(self._bury(segment, gone) if len(gone) else segment for segment, gone in pairs)

    def _bury(self, segment: Segment, rows: Array) -> Segment:
        deleted = np.zeros(len(segment), bool) if segment.deleted is None else segment.deleted.copy()
        deleted[rows] = True
        tombstones = self._write("deleted", {"deleted": np.packbits(deleted)})
        entry = SegmentEntry(segment.entry.file, len(segment), int(deleted.sum()), tombstones)
        return segment.with_entry(self._root, entry)

    # Merging and committing.

    def merged(self, segments: Sequence[Segment]) -> list[Segment]:
        """Fewer segments with the same captions: small ones at the end joined, sparse ones rewritten."""
        kept = [self._join([segment]) if self._sparse(segment) else [segment] for segment in segments]
        ordered = sorted((segment for part in kept for segment in part), key=lambda s: -s.entry.live)
        first = len(ordered) - 1
        rows = ordered[-1].entry.live if ordered else 0
        while first > 0 and self._joinable(ordered[first - 1].entry.live, rows):
            first -= 1
            rows += ordered[first].entry.live
        return [*ordered[:first], *self._join(ordered[first:])] if len(ordered) - first > 1 else ordered

    def merged_to_few(self, segments: Sequence[Segment]) -> list[Segment]:
        """As few segments as the memory of a merge allows: one, up to 4 million captions."""
        groups: list[list[Segment]] = []
        for segment in sorted(segments, key=lambda s: -s.entry.live):
            for group in groups:
                if sum(member.entry.live for member in group) + segment.entry.live <= _MERGE_ROWS:
                    group.append(segment)
                    break
            else:
                groups.append([segment])
        joined = [group if self._compact(group) else self._join(group) for group in groups]
        return [segment for group in joined for segment in group]

    @staticmethod
    def _compact(group: Sequence[Segment]) -> bool:
        return len(group) == 1 and not group[0].entry.deleted

    @staticmethod
    def _sparse(segment: Segment) -> bool:
        return segment.entry.deleted > _SPARSE * len(segment)

    @staticmethod
    def _joinable(larger: int, rows: int) -> bool:
        return larger < _MERGE_FACTOR * rows and larger + rows <= _MERGE_ROWS

    def _join(self, segments: Sequence[Segment]) -> list[Segment]:
        parts = [segment.rows() for segment in segments if segment.entry.live]
        return [self._segment(join_rows(parts))] if parts else []

    def commit(self, segments: Sequence[Segment], **changes: str) -> Snapshot:
        """Make these segments the index, durably, and remove what no longer belongs to it."""
        manifest = self.snapshot.manifest.following(
            segments=tuple(segment.entry for segment in segments), next_file=self._next_file, **changes
        )
        with clear_errors(self._root):
            sync_folder(self._root / self._subfolder)
            write_manifest(self._root, manifest, self._name)
        self.snapshot = open_snapshot(self._root, self._name, Snapshot(manifest, tuple(segments)))
        self.sweep()
        return self.snapshot

    @contextmanager
    def swept_on_failure(self) -> Iterator[None]:
        """Leave no file of an attempt that failed: on a full disk, they would keep it full."""
        try:
            yield
        except BaseException:
            self.sweep()
            raise

    def sweep(self) -> None:
        """Remove files that are not part of this generation, left by earlier ones or by a killed writer.

        POSIX keeps a removed file for readers that have it open; Windows refuses to remove it, and a later
        sweep will.
        """
        named = {self._root / file.path for file in self.snapshot.manifest.files()}
        folders = {path.parent for path in named} | {self._root / self._subfolder}
        for folder in folders:
            for path in folder.glob("*.arrays*"):
                if path not in named:
                    remove_quietly(path.unlink)


def remove_quietly(remove: Callable[[], object]) -> None:
    """Remove what may be in use or gone already; what stays is found again by the next sweep."""
    try:
        remove()
    except OSError:
        return


def problems(snapshot: Snapshot) -> list[str]:
    """Reads every file: one line for each part that does not hold what was written."""
    return [problem for segment in snapshot.segments for problem in segment.problems()]
