"""The manifest: which files are the index. Replaced in one atomic step, it is what "committed" means."""

from __future__ import annotations

import json
import os
import re
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from indexer.embedded.arrays import Written, sync_folder
from indexer.errors import IndexDamagedError, IndexMismatchError

MANIFEST = "manifest.json"
#: Of what this version writes; it reads all up to this. Another field of captions makes another number, so
#: that a version which would leave it out in a merge refuses the index.
SCHEMA = 1
#: Names that a writer gives. Another could lead out of the folder, where files would be read and swept.
_FILE_NAME = re.compile(r"(?:draft-[0-9a-f]+/)?(?:segment|deleted)-[0-9]+\.arrays")
#: What is raised where there is no manifest that this version can read.
UNREADABLE = (FileNotFoundError, IndexDamagedError, IndexMismatchError)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of arrays, by its path below the folder of the index."""

    path: str
    bytes: int
    checksum: int

    @property
    def written(self) -> Written:
        return Written(self.bytes, self.checksum)


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """An immutable segment, and which of its rows are deleted."""

    file: StoredFile
    rows: int
    deleted: int = 0
    tombstones: StoredFile | None = None

    @property
    def live(self) -> int:
        return self.rows - self.deleted


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation of an index (or, with `key`, of a draft)."""

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
        """The next generation, as this version writes it, whichever wrote this one."""
        return replace(self, **{"generation": self.generation + 1, "schema": SCHEMA, **changes})


def read_manifest(folder: Path, name: str = MANIFEST) -> Manifest:
    """Raises FileNotFoundError, IndexDamagedError, or IndexMismatchError for another version's files."""
    path = folder / name
    try:
        outer = json.loads(path.read_bytes())
        body = str(outer["manifest"])
        if zlib.crc32(body.encode()) != outer["checksum"]:
            raise ValueError("checksum")
        fields = json.loads(body)
        if _whole(fields["schema"], 1) > SCHEMA:
            raise IndexMismatchError(
                f"{folder}: made with schema {fields['schema']}, this version reads {SCHEMA}; "
                "use the version that made it, or build it again"
            )
        return _manifest(fields)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise IndexDamagedError(
            f"{path}: the manifest is incomplete or damaged; build the index again (indexer build)"
        ) from None


def _manifest(fields: dict[str, Any]) -> Manifest:
    """Raises ValueError, KeyError or TypeError for what no writer makes, whatever its checksum says."""
    found = replace(Manifest(**fields), segments=tuple(_segment(entry) for entry in fields["segments"]))
    _whole(found.generation)
    _whole(found.next_file, 1)
    paths = [file.path for file in found.files()]
    if len(set(paths)) < len(paths):
        raise ValueError("a file twice")
    if not all(isinstance(text, str) for text in (found.analyzer, found.built_at, found.key)):
        raise TypeError("not text")
    return found


def _segment(entry: dict[str, Any]) -> SegmentEntry:
    tombstones = _file(entry["tombstones"]) if entry["tombstones"] else None
    rows = _whole(entry["rows"], 1)
    deleted = _whole(entry["deleted"], 1 if tombstones else 0, rows if tombstones else 0)
    return SegmentEntry(_file(entry["file"]), rows, deleted, tombstones)


def _file(fields: dict[str, Any]) -> StoredFile:
    if not _FILE_NAME.fullmatch(fields["path"]):
        raise ValueError("path")
    return StoredFile(fields["path"], _whole(fields["bytes"]), _whole(fields["checksum"]))


def _whole(value: object, least: int = 0, most: int = (1 << 63) - 1) -> int:
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError("number")
    return value


def write_manifest(folder: Path, manifest: Manifest, name: str = MANIFEST) -> None:
    """Make `manifest` the current one. Killed at any moment, the old or the new one is there, whole."""
    body = json.dumps(asdict(manifest), ensure_ascii=True)
    outer = json.dumps({"checksum": zlib.crc32(body.encode()), "manifest": body})
    temporary = folder / (name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(outer)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / name)
    sync_folder((folder / name).parent)
