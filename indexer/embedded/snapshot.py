"""One generation of an index, opened: what a reader holds on to while a writer goes on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from indexer.embedded.checks import damage
from indexer.embedded.manifest import MANIFEST, Manifest, read_manifest
from indexer.embedded.segment import Segment
from indexer.errors import IndexDamagedError

_Stamp = tuple[int, int, int]

#: A writer may replace the manifest between reading it and opening its files; each time it is read again.
_TURNS = 50


def manifest_stamp(folder: Path, name: str = MANIFEST) -> _Stamp:
    """Changes whenever the manifest is replaced. Raises FileNotFoundError."""
    state = os.stat(f"{folder}/{name}")  # noqa: PTH116 - asked for on every search; a Path takes five times as long
    return state.st_ino, state.st_mtime_ns, state.st_size


@dataclass(frozen=True, slots=True)
class Snapshot:
    manifest: Manifest
    segments: tuple[Segment, ...]
    stamp: _Stamp | None = None


def _segments(folder: Path, manifest: Manifest, previous: Snapshot | None) -> tuple[Segment, ...]:
    held = {segment.entry.file: segment for segment in previous.segments} if previous else {}
    return tuple(
        held[entry.file].with_entry(folder, entry) if entry.file in held else Segment(folder, entry)
        for entry in manifest.segments
    )


def open_snapshot(folder: Path, name: str = MANIFEST, previous: Snapshot | None = None) -> Snapshot:
    """The current generation; segments that `previous` has open already are shared.

    Raises FileNotFoundError where there is no manifest, IndexDamagedError where its files are not as written.
    """
    for _ in range(_TURNS):
        stamp = manifest_stamp(folder, name)
        manifest = read_manifest(folder, name)
        try:
            return Snapshot(manifest, _segments(folder, manifest, previous), stamp)
        except (FileNotFoundError, IndexDamagedError) as error:
            if manifest_stamp(folder, name) == stamp:
                raise _damage(folder, error) from None
    raise IndexDamagedError(f"{folder}: the index changes faster than it can be opened; try again")


def _damage(folder: Path, error: Exception) -> IndexDamagedError:
    reason = f"{error.filename} is missing" if isinstance(error, FileNotFoundError) else str(error)
    return damage(folder, reason)
