"""Changes to a generation: new segments, tombstones, merges, and the commit that makes them count.

Files of a commit are written under new names and made durable first; then the manifest that names them
replaces the old one. Killed in between, the files that no manifest names are swept by the next writer.
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
from indexer.embedded.manifest import MANIFEST, SegmentEntry, StoredFile, write_manifest
from indexer.embedded.rows import Rows, document_keys, join_rows, rows_of
from indexer.embedded.segment import Segment
from indexer.embedded.snapshot import Snapshot, open_snapshot
from indexer.errors import IndexUnavailableError
from indexer.records import AddReport, CaptionRecord, Rejected, now
from indexer.storable import storable

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


class _Held:
    """New captions that are not in a segment yet, each once: the latest."""

    def __init__(self, analyse: Analyzer) -> None:
        self._analyse = analyse
        self._records: list[CaptionRecord] = []
        self._tokens: list[frozenset[str]] = []
        self.places: dict[bytes, int] = {}  # document key -> its place in the lists

    def get(self, key: bytes, otherwise: CaptionRecord | None) -> CaptionRecord | None:
        place = self.places.get(key)
        return otherwise if place is None else self._records[place]

    def put(self, key: bytes, record: CaptionRecord) -> None:
        place = self.places.setdefault(key, len(self._records))
        if place < len(self._records):
            self._records[place] = record  # of the same key, so with the same caption and tokens
        else:
            self._records.append(record)
            self._tokens.append(self._analyse(record.caption))

    def rows(self, stamp: str) -> Rows:
        keys = np.frombuffer(b"".join(self.places), np.uint64).reshape(-1, 2)
        return rows_of(self._records, self._tokens, keys, stamp)


#: A caption as it is stored: number of its segment, its row, and its record.
_Place = tuple[int, int, CaptionRecord | None]
_NOWHERE: _Place = (-1, -1, None)


def _stored(segments: Sequence[Segment], keys: UInt64) -> dict[int, _Place]:
    """Which of the keys are stored, by their place; of several the latest, whose segment comes last."""
    found: dict[int, _Place] = {}
    for number, segment in enumerate(segments):
        held, rows = segment.find(keys)
        records = segment.records(rows) if len(rows) else []
        places = np.flatnonzero(held).tolist()
        found.update(
            (place, (number, row, record))
            for place, row, record in zip(places, rows.tolist(), records, strict=True)
        )
    return found


class Writer:
    """Changes one folder's manifest (of an index, or of a draft). The caller holds the write lock."""

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
        """These segments and new ones, which hold the records too; nothing counts before `commit`.

        A caption that is there already with other metadata is replaced. It counts as added.
        """
        segments, total, stamp = list(present), AddReport(), now()
        gone: dict[int, set[int]] = {}
        held = _Held(self._analyse)
        rejected: list[Rejected] = []
        for batch in batches(storable(records, rejected), _BATCH_ROWS):
            total += self._take(batch, segments, held, gone)
            if len(held.places) >= SPILL_ROWS:
                segments.append(self._segment(held.rows(stamp)))
                held = _Held(self._analyse)
        if held.places:
            segments.append(self._segment(held.rows(stamp)))
        rows = [np.array(sorted(gone.get(number, ())), np.int64) for number in range(len(segments))]
        return self._without(segments, rows), total + AddReport(rejected=tuple(rejected))

    def _take(
        self,
        batch: Sequence[CaptionRecord],
        segments: Sequence[Segment],
        held: _Held,
        gone: dict[int, set[int]],
    ) -> AddReport:
        """Hold what is new or differs from what is stored, whose rows (by segment) are `gone` then."""
        keys = document_keys([record.document_id for record in batch])
        with reading(self._root, segments):
            stored = _stored(segments, keys)
        raw = keys.tobytes()
        added = 0
        for place, record in enumerate(batch):
            key = raw[16 * place : 16 * place + 16]
            number, row, there = stored.get(place, _NOWHERE)
            if record == held.get(key, there):
                continue
            held.put(key, record)
            added += 1
            if there is not None:
                gone.setdefault(number, set()).add(row)
        return AddReport(added, len(batch) - added)

    def _segment(self, rows: Rows) -> Segment:
        entry = SegmentEntry(self._write("segment", segment_arrays(rows)), len(rows))
        return Segment(self._root, entry)

    def _write(self, kind: str, arrays: Mapping[str, Integers]) -> StoredFile:
        path = f"{self._subfolder}{kind}-{self._next_file:06d}.arrays"
        self._next_file += 1
        with clear_errors(self._root):
            written = write_arrays(self._root / path, arrays)
        return StoredFile(path, written.bytes, written.checksum)

    # Deleting.

    def without_images(self, image_ids: Sequence[str]) -> tuple[list[Segment], int]:
        """The segments with tombstones on all captions of these images, and how many are new."""
        with reading(self._root, self.snapshot.segments):
            rows = [
                segment.rows_of_images(segment.column("image_id").places(image_ids))
                for segment in self.snapshot.segments
            ]
        return list(self._without(self.snapshot.segments, rows)), sum(map(len, rows))

    def without_documents(self, document_ids: Sequence[str]) -> tuple[Segment, ...]:
        """The segments with tombstones on these captions."""
        keys = document_keys(document_ids)
        with reading(self._root, self.snapshot.segments):
            rows = [segment.find(keys)[1] for segment in self.snapshot.segments]
        if sum(map(len, rows)) < len(keys):
            # Deleted meanwhile; or their captions were damaged when they were read, and so have other ids.
            check_checksums(self._root, self.snapshot.segments)
        return self._without(self.snapshot.segments, rows)

    def _without(self, segments: Sequence[Segment], rows: Sequence[Int64]) -> tuple[Segment, ...]:
        """The segments with tombstones on these rows of each."""
        pairs = zip(segments, rows, strict=True)
        return tuple(self._bury(segment, gone) if len(gone) else segment for segment, gone in pairs)

    def _bury(self, segment: Segment, rows: Int64) -> Segment:
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
        held = [segment for segment in segments if segment.entry.live]
        # Damage would be written again with checksums that fit, and never be found.
        check_checksums(self._root, held)
        with reading(self._root, held):
            return [self._segment(join_rows([segment.rows() for segment in held]))] if held else []

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
            if folder != self._root and folder.is_symlink():
                continue  # no writer makes one, and what it leads to is not the index's
            for path in folder.glob("*.arrays*"):
                if path not in named:
                    remove_quietly(path.unlink)


def remove_quietly(remove: Callable[[], object]) -> None:
    """Remove what may be in use or gone already; what stays is found again by the next sweep."""
    try:
        remove()
    except OSError:
        return
