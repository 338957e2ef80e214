"""The manifest: the list of the files that are the index. Replacing it, in one atomic step, is the commit."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from indexer.embedded.arrays import Written, clear_read_errors, sync_folder
from indexer.embedded.names import ARRAYS_PATH, MANIFEST, MANIFEST_BEGINNING
from indexer.errors import IndexDamagedError, IndexMismatchError

#: The schema that this version writes; it reads this one and all before it. Each new field of captions raises
#: the number: an older version, whose merges would lose the field, then refuses the index.
SCHEMA = 1
#: The errors of `read_manifest`: there is no manifest that this version can read.
UNREADABLE = (FileNotFoundError, IndexDamagedError, IndexMismatchError)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of arrays."""

    path: str  # below the folder of the index
    bytes: int
    checksum: int

    @property
    def written(self) -> Written:
        return Written(self.bytes, self.checksum)


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """A segment (whose file never changes) with its tombstones in one generation."""

    file: StoredFile
    rows: int
    deleted: int = 0
    tombstones: StoredFile | None = None

    @property
    def live(self) -> int:
        return self.rows - self.deleted


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation of an index, or of a draft, which has a `key`."""

    analyzer: str
    generation: int = 0
    segments: tuple[SegmentEntry, ...] = ()
    next_file: int = 1
    built_at: str = ""
    key: str = ""
    schema: int = SCHEMA

    @property
    def captions(self) -> int:
        return sum(segment.live for segment in self.segments)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files())

    def files(self) -> list[StoredFile]:
        """Every file that this generation needs."""
        tombstones = [segment.tombstones for segment in self.segments if segment.tombstones is not None]
        return [*(segment.file for segment in self.segments), *tombstones]

    def following(self, **changes: Any) -> Manifest:
        """The next generation, with this version's schema."""
        return replace(self, **{"generation": self.generation + 1, "schema": SCHEMA, **changes})


def read_manifest(folder: Path, name: str = MANIFEST) -> Manifest:
    """Raises FileNotFoundError, IndexUnavailableError where it cannot be read, IndexDamagedError, or
    IndexMismatchError for a newer version's schema.
    """
    path = folder / name
    with clear_read_errors(path):
        written = path.read_bytes()
    try:
        outer = json.loads(written)
        body = str(outer["manifest"])
        if zlib.crc32(body.encode()) != outer["checksum"]:
            raise ValueError("checksum")
        fields = json.loads(body)
        if _parse_number(fields["schema"], 1) > SCHEMA:
            raise IndexMismatchError(
                f"{folder}: made with schema {fields['schema']}, this version reads {SCHEMA}; "
                "use the version that made it, or build it again"
            )
        return _parse_manifest(fields)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise IndexDamagedError(
            f"{path}: the manifest is incomplete or damaged; build the index again (indexer build)"
        ) from None


def _parse_manifest(fields: dict[str, Any]) -> Manifest:
    """Raises ValueError, KeyError or TypeError for fields that no writer writes: a checksum can be forged."""
    segments = tuple(_parse_segment(entry) for entry in fields["segments"])
    manifest = replace(Manifest(**fields), segments=segments)
    _parse_number(manifest.generation)
    _parse_number(manifest.next_file, 1)
    paths = [file.path for file in manifest.files()]
    if len(set(paths)) < len(paths):
        raise ValueError("a file twice")
    if not all(isinstance(text, str) for text in (manifest.analyzer, manifest.built_at, manifest.key)):
        raise TypeError("not text")
    return manifest


def _parse_segment(entry: dict[str, Any]) -> SegmentEntry:
    tombstones = _parse_file(entry["tombstones"]) if entry["tombstones"] else None
    rows = _parse_number(entry["rows"], 1)
    deleted = _parse_number(entry["deleted"], 1 if tombstones else 0, rows if tombstones else 0)
    return SegmentEntry(_parse_file(entry["file"]), rows, deleted, tombstones)


def _parse_file(fields: dict[str, Any]) -> StoredFile:
    if not ARRAYS_PATH.fullmatch(fields["path"]):
        raise ValueError("path")
    return StoredFile(fields["path"], _parse_number(fields["bytes"]), _parse_number(fields["checksum"]))


def _parse_number(value: object, least: int = 0, most: int = (1 << 63) - 1) -> int:
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError("number")
    return value


def write_manifest(folder: Path, manifest: Manifest, name: str = MANIFEST) -> None:
    """Replace the current manifest. Killed at any moment, either the old or the new one is there, whole."""
    body = json.dumps(asdict(manifest), ensure_ascii=True)
    outer = f'{MANIFEST_BEGINNING}{zlib.crc32(body.encode())}, "manifest": {json.dumps(body)}}}'
    temporary = folder / (name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(outer)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / name)
    sync_folder((folder / name).parent)
