"""How an index is changed: new segments, tombstones and merges, then the commit.

All new files are written under new names, and made durable. Then the manifest that names them replaces the
old one: that is the commit. If a writer is killed before it, the next one removes its files, since no
manifest names them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from captioner.tokens import Analyzer
from indexer.analyzers import known_analyzer
from indexer.batching import batches
from indexer.embedded.arrays import sync_folder, write_arrays
from indexer.embedded.checks import check_checksums, reading
from indexer.embedded.dtypes import Int64, Integers, UInt64
from indexer.embedded.layout import segment_arrays
from indexer.embedded.lock import WriteLock
from indexer.embedded.manifest import SegmentEntry, StoredFile, write_manifest
from indexer.embedded.names import MANIFEST, arrays_name, arrays_number
from indexer.embedded.rows import Rows, document_keys, join_rows, rows_of
from indexer.embedded.segment import Segment
from indexer.embedded.snapshot import Snapshot, open_snapshot
from indexer.errors import IndexUnavailableError
from indexer.records import AddReport, CaptionRecord, now
from indexer.storable import Storable

#: Captions held in memory before they are written as a segment.
SPILL_ROWS = 200_000
#: Captions looked up and analysed at a time.
_BATCH_ROWS = 10_000
#: Segments are merged from the smallest up, as long as the next one has less than so many times the rows of
#: those before it. So there are few segments, and each row is rewritten a logarithmic number of times.
_MERGE_FACTOR = 3
#: The most rows of a merged segment, which bounds the memory of a merge.
_MERGE_ROWS = 4_000_000
#: A segment of which a larger share of rows is deleted is rewritten without them.
_SPARSE = 0.3


@contextmanager
def clear_errors(folder: Path) -> Iterator[None]:
    """Turn the system's errors into IndexUnavailableError, whose message says that nothing was lost."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = "no space left on the device" if full else error.strerror or str(error)
        raise IndexUnavailableError(
            f"{folder}: cannot write ({reason}); all that was committed before is intact"
        ) from error


def open_for_writing(folder: Path) -> WriteLock:
    """Take the write lock of an index, and make its folder if needed. Raises IndexLockedError."""
    with clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return WriteLock(folder)


class _Buffer:
    """New captions that are not in a segment yet. Of records with the same key, the last one stays."""

    def __init__(self, analyse: Analyzer) -> None:
        self._analyse = analyse
        self._records: list[CaptionRecord] = []
        self._tokens: list[frozenset[str]] = []
        self._places: dict[bytes, int] = {}  # document key -> place in both lists

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: bytes, default: CaptionRecord | None) -> CaptionRecord | None:
        place = self._places.get(key)
        return default if place is None else self._records[place]

    def put(self, key: bytes, record: CaptionRecord) -> None:
        place = self._places.setdefault(key, len(self._records))
        if place < len(self._records):
            self._records[place] = record  # the same key has the same caption, hence the same tokens
        else:
            self._records.append(record)
            self._tokens.append(self._analyse(record.caption))

    def rows(self, indexed_at: str) -> Rows:
        keys = np.frombuffer(b"".join(self._places), np.uint64).reshape(-1, 2)
        return rows_of(self._records, self._tokens, keys, indexed_at)


#: A caption that is stored: the number of its segment, its row, and its record.
_Stored = tuple[int, int, CaptionRecord | None]
_NOT_STORED: _Stored = (-1, -1, None)


def _find_stored(segments: Sequence[Segment], keys: UInt64) -> dict[int, _Stored]:
    """The captions with these keys that are stored, by the place of their key.

    Of several with one key the latest is given, whose segment comes last.
    """
    stored: dict[int, _Stored] = {}
    for number, segment in enumerate(segments):
        found, rows = segment.find_documents(keys)
        records = segment.records(rows) if len(rows) else []
        places = np.flatnonzero(found).tolist()
        stored.update(
            (place, (number, row, record))
            for place, row, record in zip(places, rows.tolist(), records, strict=True)
        )
    return stored


class Writer:
    """Changes an index or a draft by new generations of its manifest. The caller holds the write lock."""

    def __init__(
        self, root: Path, snapshot: Snapshot, manifest_name: str = MANIFEST, subfolder: str = ""
    ) -> None:
        self._root, self._name, self._subfolder = root, manifest_name, subfolder
        self.snapshot = snapshot
        self._next_file = snapshot.manifest.next_file
        self._analyse = known_analyzer(str(root), snapshot.manifest.analyzer)

    # Adding.

    def with_records(
        self, records: Iterable[CaptionRecord], present: Sequence[Segment]
    ) -> tuple[tuple[Segment, ...], AddReport]:
        """The segments `present`, followed by new ones with the records. Nothing is committed.

        A caption that is stored already with other metadata is replaced, and counted as updated.
        """
        segments, total, time = list(present), AddReport(), now()
        replaced: dict[int, set[int]] = {}  # segment number -> rows
        buffer, storable = _Buffer(self._analyse), Storable(records)
        for batch in batches(storable, _BATCH_ROWS):
            total += self._buffer_changes(batch, segments, buffer, replaced)
            if len(buffer) >= SPILL_ROWS:
                segments.append(self._write_segment(buffer.rows(time)))
                buffer = _Buffer(self._analyse)
        if len(buffer):
            segments.append(self._write_segment(buffer.rows(time)))
        rows = [np.array(sorted(replaced.get(number, ())), np.int64) for number in range(len(segments))]
        return self._without_rows(segments, rows), storable.reported(total)

    def _buffer_changes(
        self,
        batch: Sequence[CaptionRecord],
        segments: Sequence[Segment],
        buffer: _Buffer,
        replaced: dict[int, set[int]],
    ) -> AddReport:
        """Buffer the captions that are new or differ from the stored ones; note the rows these `replaced`."""
        keys = document_keys([record.document_id for record in batch])
        with reading(self._root, segments):
            stored = _find_stored(segments, keys)
        key_bytes = keys.tobytes()
        added = updated = 0
        for place, record in enumerate(batch):
            key = key_bytes[16 * place : 16 * place + 16]
            number, row, stored_record = stored.get(place, _NOT_STORED)
            before = buffer.get(key, stored_record)
            if record == before:
                continue
            buffer.put(key, record)
            added += 1
            updated += before is not None
            if stored_record is not None:
                replaced.setdefault(number, set()).add(row)
        return AddReport(added, len(batch) - added, updated=updated)

    def _write_segment(self, rows: Rows) -> Segment:
        entry = SegmentEntry(self._write("segment", segment_arrays(rows)), len(rows))
        return Segment(self._root, entry)

    def _write(self, kind: str, arrays: Mapping[str, Integers]) -> StoredFile:
        path = f"{self._subfolder}{arrays_name(kind, self._next_file)}"
        self._next_file += 1
        with clear_errors(self._root):
            written = write_arrays(self._root / path, arrays)
        return StoredFile(path, written.bytes, written.checksum)

    # Deleting.

    def without_images(self, image_ids: Sequence[str]) -> tuple[list[Segment], int]:
        """The segments with tombstones for all captions of these images, and how many of these are new."""
        with reading(self._root, self.snapshot.segments):
            rows = [
                segment.rows_of_images(segment.column("image_id").codes_of(image_ids))
                for segment in self.snapshot.segments
            ]
        return list(self._without_rows(self.snapshot.segments, rows)), sum(map(len, rows))

    def without_documents(self, document_ids: Sequence[str]) -> tuple[Segment, ...]:
        """The segments with tombstones for these captions."""
        keys = document_keys(document_ids)
        with reading(self._root, self.snapshot.segments):
            rows = [segment.find_documents(keys)[1] for segment in self.snapshot.segments]
        if sum(map(len, rows)) < len(keys):
            # Either they were deleted meanwhile, or they were read from damaged files: then their captions,
            # and so their ids, are not those that were written.
            check_checksums(self._root, self.snapshot.segments)
        return self._without_rows(self.snapshot.segments, rows)

    def _without_rows(self, segments: Sequence[Segment], rows: Sequence[Int64]) -> tuple[Segment, ...]:
        """The segments with tombstones for these rows of each."""
        pairs = zip(segments, rows, strict=True)
        return tuple(self._add_tombstones(segment, gone) if len(gone) else segment for segment, gone in pairs)

    def _add_tombstones(self, segment: Segment, rows: Int64) -> Segment:
        deleted = np.zeros(len(segment), bool) if segment.deleted is None else segment.deleted.copy()
        deleted[rows] = True
        tombstones = self._write("deleted", {"deleted": np.packbits(deleted)})
        entry = SegmentEntry(segment.entry.file, len(segment), int(deleted.sum()), tombstones)
        return segment.with_entry(self._root, entry)

    # Merging and committing.

    def merged(self, segments: Sequence[Segment]) -> list[Segment]:
        """The same captions in fewer segments: the smallest are merged, sparse ones are rewritten."""
        dense = [self._merge([segment]) if self._is_sparse(segment) else [segment] for segment in segments]
        ordered = sorted((segment for part in dense for segment in part), key=lambda s: -s.entry.live)
        first = len(ordered) - 1  # of those to be merged
        rows = ordered[-1].entry.live if ordered else 0
        while first > 0 and self._is_mergeable(ordered[first - 1].entry.live, rows):
            first -= 1
            rows += ordered[first].entry.live
        return [*ordered[:first], *self._merge(ordered[first:])] if len(ordered) - first > 1 else ordered

    def merged_to_few(self, segments: Sequence[Segment]) -> list[Segment]:
        """Merge into as few segments as memory allows: one, up to 4 million captions."""
        groups: list[list[Segment]] = []
        for segment in sorted(segments, key=lambda s: -s.entry.live):
            for group in groups:
                if sum(member.entry.live for member in group) + segment.entry.live <= _MERGE_ROWS:
                    group.append(segment)
                    break
            else:
                groups.append([segment])
        merged = [group if self._is_merged(group) else self._merge(group) for group in groups]
        return [segment for group in merged for segment in group]

    @staticmethod
    def _is_merged(group: Sequence[Segment]) -> bool:
        return len(group) == 1 and not group[0].entry.deleted

    @staticmethod
    def _is_sparse(segment: Segment) -> bool:
        return segment.entry.deleted > _SPARSE * len(segment)

    @staticmethod
    def _is_mergeable(larger: int, rows: int) -> bool:
        return larger < _MERGE_FACTOR * rows and larger + rows <= _MERGE_ROWS

    def _merge(self, segments: Sequence[Segment]) -> list[Segment]:
        """One segment with the live captions of these, or none where there are none."""
        filled = [segment for segment in segments if segment.entry.live]
        # A merge would write damaged data with new checksums that fit, and it would never be found.
        check_checksums(self._root, filled)
        with reading(self._root, filled):
            return [self._write_segment(join_rows([segment.rows() for segment in filled]))] if filled else []

    def commit(self, segments: Sequence[Segment], **changes: str) -> Snapshot:
        """Make these segments the next generation, durably, and remove files that it does not need."""
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
        """Remove the files of a change that fails: they could be what fills the disk."""
        try:
            yield
        except BaseException:
            self.sweep()
            raise

    def sweep(self) -> None:
        """Remove files that are not part of this generation: of earlier ones, or of a killed writer.

        On POSIX, readers that have a removed file open can still read it. Windows refuses to remove such a
        file, and a later sweep does.
        """
        named = {self._root / file.path for file in self.snapshot.manifest.files()}
        folders = {path.parent for path in named} | {self._root / self._subfolder}
        for folder in folders:
            if folder != self._root and folder.is_symlink():
                continue  # no writer makes a link, so the files behind it are not the index's
            for path in folder.glob("*.arrays*"):
                if path not in named and arrays_number(path.name) is not None:
                    remove_quietly(path.unlink)


def remove_quietly(remove: Callable[[], object]) -> None:
    """Try to remove a file, which may be in use or gone already; if it stays, the next sweep finds it."""
    try:
        remove()
    except OSError:
        return
