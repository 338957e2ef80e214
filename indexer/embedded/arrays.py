"""A file of named flat arrays: written once, protected by checksums, read through a memory map.

Layout: magic number, length and CRC-32 of a JSON header, the header, then each array on a 64-byte boundary.
The header gives type, length, offset and CRC-32 of every array. There is no pickle: nothing in a file is ever
executed.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from indexer.embedded.dtypes import Integers
from indexer.errors import IndexDamagedError, IndexUnavailableError

_MAGIC = b"CAPTARR1"
_PREFIX = struct.Struct("<8sII")
_ALIGNMENT = 64
#: Types that an array in a file may have.
_TYPES = frozenset({"|u1", "<u2", "<u4", "<u8", "<i4", "<i8"})


@dataclass(frozen=True, slots=True)
class Written:
    """Size and checksum of a file that was written: by these the manifest recognises it."""

    bytes: int
    checksum: int  # of the header, which holds the checksums of the arrays


@dataclass(frozen=True, slots=True)
class Extent:
    """The type of an array in a file, and where it is."""

    kind: str
    length: int
    offset: int  # from where the arrays begin, after the header
    checksum: int

    @property
    def bytes(self) -> int:
        return self.length * np.dtype(self.kind).itemsize


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def sync_folder(folder: Path) -> None:
    """Make new and changed names in a folder durable. Windows has no call for that and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def clear_read_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors into IndexUnavailableError, but for FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise IndexUnavailableError(
            f"{path}: cannot be read ({error.strerror or error}); see to it that this process can"
        ) from error


def write_arrays(path: Path, arrays: Mapping[str, Integers]) -> Written:
    """Write the arrays to a new file. The file appears under its name when it is complete and on disk."""
    extents = _lay_out(arrays)
    header = json.dumps({name: astuple(extent) for name, extent in extents.items()}, separators=(",", ":"))
    encoded = header.encode()
    checksum = zlib.crc32(encoded)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(_PREFIX.pack(_MAGIC, len(encoded), checksum))
        file.write(encoded)
        base = _aligned(_PREFIX.size + len(encoded))
        for name, array in arrays.items():
            file.write(b"\0" * (base + extents[name].offset - file.tell()))
            file.write(np.ascontiguousarray(array).data)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return Written(size, checksum)


def _lay_out(arrays: Mapping[str, Integers]) -> dict[str, Extent]:
    """Where each array goes. Raises TypeError for an array that cannot be stored."""
    extents, offset = {}, 0
    for name, array in arrays.items():
        if array.dtype.str not in _TYPES or array.ndim != 1:
            raise TypeError(f"{name}: cannot store {array.ndim} dimensions of {array.dtype.str}")
        checksum = zlib.crc32(np.ascontiguousarray(array).data)
        extents[name] = Extent(array.dtype.str, len(array), _aligned(offset), checksum)
        offset = extents[name].offset + array.nbytes
    return extents


class ArrayFile:
    """Read-only views of a file's arrays.

    Raises FileNotFoundError where there is no such file, IndexUnavailableError where it cannot be read, and
    IndexDamagedError where its size or header is not as expected. Arrays are compared with their checksums by
    `damaged` only, which has to read them.
    """

    def __init__(self, path: Path, expected: Written) -> None:
        self.path = path
        with clear_read_errors(path), path.open("rb") as file:
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
        """The names among these whose array does not match its checksum."""
        return [name for name in names if zlib.crc32(self[name].data) != self.extents[name].checksum]


def _extents(header: bytes, room: int) -> dict[str, Extent]:
    """Parse a header. `room` is how many bytes the arrays have.

    Raises ValueError, TypeError or AttributeError for a header that `write_arrays` would not have written.
    """
    extents = {name: Extent(*fields) for name, fields in json.loads(header).items()}
    for extent in extents.values():
        numbers = (extent.length, extent.offset, extent.checksum)
        if extent.kind not in _TYPES or not all(isinstance(one, int) and one >= 0 for one in numbers):
            raise ValueError(extent)
        if extent.offset % _ALIGNMENT or extent.offset + extent.bytes > room:
            raise ValueError(extent)
    return extents
