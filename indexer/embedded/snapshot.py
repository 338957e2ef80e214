"""A snapshot: one generation of an index, opened. A reader keeps it while a writer makes the next one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from indexer.embedded.checks import damaged_index
from indexer.embedded.manifest import Manifest, read_manifest
from indexer.embedded.names import MANIFEST
from indexer.embedded.segment import Segment
from indexer.errors import IndexDamagedError, IndexUnavailableError

_Stamp = tuple[int, int, int]

#: A writer may replace the manifest, and remove files, before all of them are opened here. Then the manifest
#: is read again, so many times at most.
_ATTEMPTS = 50


def manifest_stamp(folder: Path, name: str = MANIFEST) -> _Stamp:
    """What tells one manifest from the next without reading it. Raises FileNotFoundError."""
    state = os.stat(f"{folder}/{name}")  # noqa: PTH116 - asked for on every search; a Path takes five times as long
    return state.st_ino, state.st_mtime_ns, state.st_size


@dataclass(frozen=True, slots=True)
class Snapshot:
    manifest: Manifest
    segments: tuple[Segment, ...]
    stamp: _Stamp | None = None  # None: not read from a file


def _open_segments(folder: Path, manifest: Manifest, previous: Snapshot | None) -> tuple[Segment, ...]:
    opened = {segment.entry.file: segment for segment in previous.segments} if previous else {}
    return tuple(
        opened[entry.file].with_entry(folder, entry) if entry.file in opened else Segment(folder, entry)
        for entry in manifest.segments
    )


def open_snapshot(folder: Path, name: str = MANIFEST, previous: Snapshot | None = None) -> Snapshot:
    """Open the current generation; segments that `previous` has opened already are used again.

    Raises as `read_manifest`, and IndexDamagedError where a file is missing or not as it was written.
    """
    for _ in range(_ATTEMPTS):
        stamp = manifest_stamp(folder, name)
        manifest = read_manifest(folder, name)
        try:
            return Snapshot(manifest, _open_segments(folder, manifest, previous), stamp)
        except (FileNotFoundError, IndexDamagedError) as error:
            if manifest_stamp(folder, name) == stamp:
                raise damaged_index(folder, _reason(error)) from None
        except IndexUnavailableError:  # also how some systems tell of a file that was removed meanwhile
            if manifest_stamp(folder, name) == stamp:
                raise
    raise IndexDamagedError(f"{folder}: the index changes faster than it can be opened; try again")


def _reason(error: Exception) -> str:
    return f"{error.filename} is missing" if isinstance(error, FileNotFoundError) else str(error)
