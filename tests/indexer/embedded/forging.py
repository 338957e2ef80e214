"""Embedded indices that are not as they were written: damaged bytes, forged ones with fitting checksums."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from indexer.embedded.arrays import ArrayFile, write_arrays
from indexer.embedded.dtypes import Integers
from indexer.embedded.manifest import read_manifest


def overwrite(folder: Path, name: str, value: int, first: int = 0, last: int | None = None) -> None:
    """Damage an array of the first segment: from byte `first` to `last`, every byte is `value`."""
    path, file = _first_segment(folder)
    data = bytearray(path.read_bytes())
    base = -(-(16 + int.from_bytes(data[8:12], "little")) // 64) * 64 + file.extents[name].offset
    for place in range(file.extents[name].bytes)[first:last]:
        data[base + place] = value
    path.write_bytes(data)


def rewrite_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """With a checksum that fits."""
    path = folder / "manifest.json"
    fields = json.loads(json.loads(path.read_bytes())["manifest"])
    change(fields)
    body = json.dumps(fields)
    path.write_text(json.dumps({"checksum": zlib.crc32(body.encode()), "manifest": body}))


def rewrite_arrays(folder: Path, change: Callable[[dict[str, Integers]], object]) -> None:
    """Of the first segment, with checksums that fit."""
    path, file = _first_segment(folder)
    arrays = {name: file[name].copy() for name in file.extents}
    change(arrays)
    written = write_arrays(path, arrays)
    _expect(folder, written.bytes, written.checksum)


def rewrite_header(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Of the first segment's file, with checksums that fit; the arrays stay where they are."""
    path, _ = _first_segment(folder)
    data = path.read_bytes()
    end = 16 + int.from_bytes(data[8:12], "little")
    header = json.loads(data[16:end])
    change(header)
    # Padded to the same multiple of 64: the arrays' places are told from there.
    text = json.dumps(header, separators=(",", ":")).encode().ljust(-(-end // 64) * 64 - 16)
    checksum = zlib.crc32(text)
    new = data[:8] + len(text).to_bytes(4, "little") + checksum.to_bytes(4, "little") + text
    path.write_bytes(new + data[-(-end // 64) * 64 :])
    _expect(folder, path.stat().st_size, checksum)


def _first_segment(folder: Path) -> tuple[Path, ArrayFile]:
    entry = read_manifest(folder).segments[0].file
    return folder / entry.path, ArrayFile(folder / entry.path, entry.written)


def _expect(folder: Path, size: int, checksum: int) -> None:
    rewrite_manifest(
        folder, lambda fields: fields["segments"][0]["file"].update(bytes=size, checksum=checksum)
    )
