"""Files that would keep a decoder busy out of all proportion to their size, and what of.

Pixels have a limit of their own. Here is counted what else costs time: scans, segments, chunks, strips.
"""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Callable, Mapping
from typing import IO, BinaryIO

from PIL import Image

from captioner.heif_boxes import decoded_pixels

#: Scans of a JPEG: each may be a pass over all pixels for 31 bytes. Encoders write 10, libtiff reads 100.
_SCANS = 100
#: Pixels that all scans may pass over together: 25 times a picture of the largest size.
_SCANNED_PIXELS = 3_000_000_000
#: Segments of a JPEG; 255 of them may be a colour profile.
_SEGMENTS = 10_000
#: Bytes between a JPEG's segments, and of a PNM's header: Pillow reads them one by one.
_BETWEEN = 65_536
#: Chunks of a PNG: so many, and one more for each so many bytes.
_CHUNKS, _CHUNK_BYTES = 1_000, 64
#: Those that unpack to 1 MB each.
_PACKED, _PACKED_CHUNKS = (b"iCCP", b"zTXt", b"iTXt"), 1_000
#: Strips or tiles of a TIFF, each of which Pillow holds and decodes by itself.
_STRIPS = 100_000
#: Pixels of all tiles of a TIFF or HEIF, of which those at the edges reach beyond the picture.
_TILED_PIXELS = 240_000_000
#: Values, and half the bytes, of pictures that Pillow decodes in Python, in some seconds.
_VALUES = 1 << 22

_END, _START_OF_SCAN = 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = (0xC0, 0xC1, 0xC9)
#: What begins a segment; between FF and FF00 lie pixels, and restart markers between them.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
_STRIP_TAGS = (273, 279, 324, 325)  # where they begin and how long they are
_BLANK = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM = re.compile(rb"P(?:4(?:%b\d+){2}|[^\s1-4]\S*(?:%b[^\s#]+){3})\s" % (_BLANK, _BLANK))


def excess(file: BinaryIO) -> str:
    """What a file has too much of, before its headers are read; "" for nothing."""
    file.seek(0)
    beginning = file.read(8)
    if beginning[4:] == b"ftyp":
        return _excess_of_heif(file)
    counts = (count for signature, count in _COUNTING.items() if beginning.startswith(signature))
    return next((count(file) for count in counts), "")


def _excess_of_jpeg(file: BinaryIO) -> str:
    """A first scan that has all components is the only one, as of most photos; nothing more is read then."""
    kind = components = between = scans = 0
    most = _SCANS
    file.seek(2)
    for _ in range(_SEGMENTS):
        marker, skipped = _next_marker(file)
        between += 0 if scans else skipped
        if between > _BETWEEN:
            return f"more than {_BETWEEN:,} bytes between its segments"
        if not marker or (marker == _END and scans):
            return ""
        if marker == _END:
            continue  # as Pillow does
        head = _head_of_segment(file)
        if marker in _FRAMES:
            kind, components, most = marker, head[7], _most_scans(head)
        scans += marker == _START_OF_SCAN
        if scans == 1 and kind in _SEQUENTIAL and marker == _START_OF_SCAN and head[2] == components:
            return ""
        if scans > most:
            return f"more than {most:,} scans"
    return f"more than {_SEGMENTS:,} segments"


def _next_marker(file: BinaryIO) -> tuple[int, int]:
    """The next marker that begins a segment, 0 for none; how many bytes lie before it."""
    start, size, last = file.tell(), 64, b""
    while block := last + file.read(size):
        if found := _MARKER.search(block):
            file.seek(found.end() - len(block), os.SEEK_CUR)
            return found[1][0], file.tell() - 2 - start
        if block == last:
            break
        size, last = min(2 * size, 1 << 20), block[-1:]
    return 0, file.tell() - start


def _head_of_segment(file: BinaryIO) -> bytes:
    """A segment's first bytes, its length among them; the file then stands at its end."""
    start, head = file.tell(), file.read(8)
    file.seek(start + max(2, int.from_bytes(head[:2], "big")))
    return head.ljust(8, b"\0")


def _most_scans(frame: bytes) -> int:
    height, width = (int.from_bytes(frame[place : place + 2], "big") for place in (3, 5))
    return min(_SCANS, _SCANNED_PIXELS // max(1, width * height))


def _excess_of_png(file: BinaryIO) -> str:
    most, packed = _CHUNKS + file.seek(0, os.SEEK_END) // _CHUNK_BYTES, 0
    file.seek(8)
    for _ in range(most):
        head = file.read(8)
        packed += head[4:] in _PACKED
        if packed > _PACKED_CHUNKS:
            return f"more than {_PACKED_CHUNKS:,} packed texts"
        if len(head) < 8 or head[4:] == b"IEND":
            return ""
        file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    return f"more than {most:,} chunks"


def _excess_of_tiff(file: BinaryIO) -> str:
    """Of its first page, which alone is read."""
    file.seek(0)
    head = file.read(16).ljust(16, b"\0")
    order = "<" if head.startswith(b"II") else ">"
    is_big = head[2] == 43
    (start,) = struct.unpack(f"{order}Q", head[8:]) if is_big else struct.unpack(f"{order}I", head[4:8])
    file.seek(min(start, 1 << 62))
    tags = int.from_bytes(file.read(8 if is_big else 2), "little" if order == "<" else "big")
    entry = struct.Struct(f"{order}HHQ8x" if is_big else f"{order}HHI4x")
    entries = file.read(entry.size * min(tags, 65_535))
    whole = entries[: len(entries) // entry.size * entry.size]
    most = max((count for tag, _, count in entry.iter_unpack(whole) if tag in _STRIP_TAGS), default=0)
    return f"{most:,} strips or tiles" if most > _STRIPS else ""


def _excess_of_heif(file: BinaryIO) -> str:
    pixels = decoded_pixels(file)
    if pixels == math.inf:
        return "its boxes are too many, or lie too deep"
    return f"{pixels:,.0f} pixels in its tiles" if pixels > _TILED_PIXELS else ""


def _excess_of_pnm(file: BinaryIO) -> str:
    file.seek(0)
    header = file.read(_BETWEEN)
    if header[:2] in (b"P1", b"P2", b"P3"):
        return "its numbers are written as text"
    ends = len(header) < _BETWEEN or _PNM.match(header)
    return "" if ends else f"a header of more than {_BETWEEN:,} bytes"


_COUNTING: Mapping[bytes, Callable[[BinaryIO], str]] = {
    b"\xff\xd8": _excess_of_jpeg,
    b"\x89PNG": _excess_of_png,
    **dict.fromkeys((b"II", b"MM"), _excess_of_tiff),
    b"P": _excess_of_pnm,
}


def excess_of_work(image: Image.Image) -> str:
    """As `excess`, of a picture whose headers have been read and whose pixels have not."""
    if any(tile.codec_name in Image.DECODERS for tile in getattr(image, "tile", ())[:1]):
        return _excess_for_python(image)
    return _excess_of_tiles(image) if image.format == "TIFF" else ""


def _excess_for_python(image: Image.Image) -> str:
    """Of run-length BMP, and of PNM whose white is not 255."""
    values = image.width * image.height * len(image.getbands())
    file: IO[bytes] | None = getattr(image, "fp", None)
    length = file.seek(0, os.SEEK_END) if file else 0
    rare = "the limit for pictures of its rare kind is"
    if values > _VALUES:
        return f"{image.width}x{image.height} in {len(image.getbands())} bands; {rare} {_VALUES:,} values"
    return f"{length:,} bytes; {rare} {2 * _VALUES:,}" if length > 2 * _VALUES else ""


def _excess_of_tiles(image: Image.Image) -> str:
    tags: Mapping[int, object] = getattr(image, "tag_v2", {})
    width, height, tile_width, tile_height = (_side(tags.get(tag)) for tag in (256, 257, 322, 323))
    pixels = -(-width // tile_width) * tile_width * -(-height // tile_height) * tile_height
    return f"{pixels:,} pixels in its tiles" if pixels > _TILED_PIXELS else ""


def _side(value: object) -> int:
    """As a tag tells it; 1 where there is no such tag."""
    return value if isinstance(value, int) and value > 0 else 1
