"""One file of named flat arrays: written once, checked by checksums, read through a memory map.

Layout: magic, length and CRC-32 of a JSON header, the header, then each array on a 64-byte boundary. The
header names type, length, place and CRC-32 of every array; no pickle, nothing in a file is ever executed.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.embedded.dtypes import Integers
from indexer.errors import IndexDamagedError

_MAGIC = b"CAPTARR1"
_PREFIX = struct.Struct("<8sII")
_ALIGNMENT = 64
#: Types that a file may name.
_TYPES = frozenset({"|u1", "<u2", "<u4", "<u8", "<i4", "<i8"})


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was written: what the manifest remembers to know it again."""

    bytes: int
    checksum: int  # of the header, which holds the checksums of the arrays


@dataclass(frozen=True, slots=True)
class Extent:
    """Where an array is in its file, and what it is."""

    kind: str
    length: int
    offset: int
    checksum: int

    @property
    def bytes(self) -> int:
        return self.length * np.dtype(self.kind).itemsize


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable, where the system can (Windows cannot, and need not)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_arrays(path: Path, arrays: Mapping[str, Integers]) -> Written:
    """Write the arrays to a new file, durable once this returns; the name appears last."""
    extents, offset = {}, 0
    for name, array in arrays.items():
        if array.dtype.str not in _TYPES or array.ndim != 1:
            raise TypeError(f"{name}: cannot store {array.ndim} dimensions of {array.dtype.str}")
        offset = _aligned(offset)
        data = np.ascontiguousarray(array)
        extents[name] = [array.dtype.str, len(array), offset, zlib.crc32(data.data)]
        offset += array.nbytes
    header = json.dumps(extents, separators=(",", ":")).encode()
    checksum = zlib.crc32(header)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(_PREFIX.pack(_MAGIC, len(header), checksum))
        file.write(header)
        base = _aligned(_PREFIX.size + len(header))
        for name, array in arrays.items():
            file.write(b"\0" * (base + int(extents[name][2]) - file.tell()))
            file.write(np.ascontiguousarray(array).data)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return Written(size, checksum)


class ArrayFile:
    """Read-only views of a file's arrays.

    Raises FileNotFoundError where the file is gone, and IndexDamagedError where its size or header is not the
    one expected. The arrays themselves are checked by `damaged`, which reads them all.
    """

    def __init__(self, path: Path, expected: Written) -> None:
        self.path = path
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != expected.bytes or size < _PREFIX.size:
                raise IndexDamagedError(f"{path}: {size:,} bytes long instead of {expected.bytes:,}")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, length, checksum = _PREFIX.unpack_from(self._map)
        header = self._map[_PREFIX.size : _PREFIX.size + length]
        if magic != _MAGIC or checksum != expected.checksum or zlib.crc32(header) != checksum:
            raise IndexDamagedError(f"{path}: the header does not match its checksum")
        self._base = _aligned(_PREFIX.size + length)
        try:
            self.extents = _extents(header, size - self._base)
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise IndexDamagedError(f"{path}: the header does not say where the arrays are") from None

    def __getitem__(self, name: str) -> Integers:
        extent = self.extents[name]
        return np.frombuffer(self._map, np.dtype(extent.kind), extent.length, self._base + extent.offset)

    def damaged(self, names: Iterable[str]) -> list[str]:
        """Those of these arrays that do not match their checksums."""
        return [name for name in names if zlib.crc32(self[name].data) != self.extents[name].checksum]


def _extents(header: bytes, room: int) -> dict[str, Extent]:
    """Raises ValueError, TypeError or AttributeError for a header that no writer makes of so many bytes."""
    extents = {name: Extent(*fields) for name, fields in json.loads(header).items()}
    for extent in extents.values():
        numbers = (extent.length, extent.offset, extent.checksum)
        if extent.kind not in _TYPES or not all(isinstance(one, int) and one >= 0 for one in numbers):
            raise ValueError(extent)
        if extent.offset % _ALIGNMENT or extent.offset + extent.bytes > room:
            raise ValueError(extent)
    return extents
