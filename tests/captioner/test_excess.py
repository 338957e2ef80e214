"""Small files that would take minutes to decode are refused at once; photos as they are written are not."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from captioner.errors import PhotoError
from captioner.photo import Photo, glance, media_type, open_photo
from tests.captioner.pictures import colour, encoded, noise, scene

# JPEG


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg_of_scans(count: int, width: int = 64, height: int = 48, frame: int = 0xC2) -> bytes:
    """Grey where it is progressive, else of three components; each scan passes over pixels without data."""
    is_progressive = frame == 0xC2
    components = (1,) if is_progressive else (1, 2, 3)
    sampling = b"".join(bytes([number, 0x11, 0]) for number in components)
    table = bytes([1] + [0] * 15) + b"\0"  # one code, for nothing
    head = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC4, b"\0" + table) + segment(0xC4, b"\x10" + table)
    head += segment(frame, struct.pack(">BHHB", 8, height, width, len(components)) + sampling)
    first, further = ((0, 0, 1), (0, 0, 0x10)) if is_progressive else ((0, 63, 0), (0, 63, 0))
    scans = b"".join(segment(0xDA, bytes([1, number, 0, *first])) for number in components)
    scans += segment(0xDA, bytes([1, 1, 0, *further])) * (count - len(components))
    return b"\xff\xd8" + head + scans + b"\xff\xd9"


def behind_start(inserted: bytes) -> bytes:
    """A JPEG with something before its first segment."""
    whole = encoded(scene(), "JPEG")
    return whole[:2] + inserted + whole[2:]


# PNG, TIFF, BMP


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


PROFILE = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(9)))


def png_with(chunks: bytes, before: bytes) -> bytes:
    """A PNG with chunks before the first one of this kind."""
    whole = encoded(scene(), "PNG", compress_level=0)
    place = whole.index(before) - 4
    return whole[:place] + chunks + whole[place:]


def tiff(tags: dict[int, int | list[int]], pixels: bytes, compression: int = 1, order: str = "<") -> bytes:
    """Of grey pixels. A tag's list begins right after the tags; its numbers count from the pixels' start."""
    whole = {**tags, 258: 8, 259: compression, 262: 1, 277: 1}
    start = 8 + 2 + 12 * len(whole) + 4
    lists = [value for value in whole.values() if isinstance(value, list)]
    first = start + sum(4 * len(value) for value in lists)
    entries, body = b"", b""
    for tag, value in sorted(whole.items()):
        if isinstance(value, list):
            entries += struct.pack(f"{order}HHII", tag, 4, len(value), start + len(body))
            places = [first + number if tag in (273, 324) else number for number in value]
            body += struct.pack(f"{order}{len(value)}I", *places)
        else:
            entries += struct.pack(f"{order}HHII", tag, 4, 1, value)
    name = b"II*\0" if order == "<" else b"MM\0*"
    head = struct.pack(f"{order}IH", 8, len(whole))
    return name + head + entries + bytes(4) + body + pixels


def tiff_of_strips(count: int, order: str = "<") -> bytes:
    """All of them at the same place."""
    return tiff({256: 1, 257: count, 273: [0] * count, 278: 1, 279: [1] * count}, b"\x80", order=order)


def tiff_of_tiles(count: int, side: int) -> bytes:
    """One above the other, each one pixel wide in the picture; all at the same place."""
    packed = zlib.compress(bytes([200]) * side * side)
    sizes = {256: 1, 257: side * count, 322: side, 323: side}
    return tiff({**sizes, 324: [0] * count, 325: [len(packed)] * count}, packed, compression=8)


def run_length_bmp(width: int, height: int, more: bytes = b"") -> bytes:
    """Rows that hold one pixel and then end."""
    rows, colours = b"\1\1\0\0" * height + b"\0\1" + more, bytes(4) + b"\xff\0\0\0" + bytes(4 * 254)
    start = 14 + 40 + len(colours)
    sizes = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + sizes + colours + rows


RARE = "the limit for pictures of its rare kind is"
EXCESSIVE: list[tuple[str, Callable[[], bytes]]] = [
    ("more than 100 scans", lambda: jpeg_of_scans(101)),
    ("more than 100 scans", lambda: jpeg_of_scans(101, frame=0xC0)),
    ("more than 25 scans", lambda: jpeg_of_scans(26, 12_000, 10_000)),
    ("more than 10,000 segments", lambda: behind_start(segment(0xE1, b"") * 10_001)),
    ("more than 65,536 bytes between its segments", lambda: behind_start(b"\xff\xd0" * 40_000)),
    ("more than 65,536 bytes between its segments", lambda: behind_start(b"\xff" * 70_000)),
    ("more than 1,000 packed texts", lambda: png_with(PROFILE * 1_001, b"IDAT")),
    ("more than 1,445 chunks", lambda: png_with(chunk(b"abCd", b"") * 1_600, b"IDAT")),
    ("more than 1,445 chunks", lambda: png_with(chunk(b"tEXt", b"") * 1_600, b"IEND")),
    ("100,001 strips or tiles", lambda: tiff_of_strips(100_001)),
    ("100,001 strips or tiles", lambda: tiff_of_strips(100_001, order=">")),
    ("251,658,240 pixels in its tiles", lambda: tiff_of_tiles(15, 4_096)),
    ("its numbers are written as text", lambda: b"P1 2 2\n1 0 1 0\n"),
    ("its numbers are written as text", lambda: b"P2 2 2 255\n" + b"#\n" * 99 + b"1 2 3 4\n"),
    ("its numbers are written as text", lambda: b"P3 1 1 255\n1 2 3\n"),
    ("a header of more than 65,536 bytes", lambda: b"P6\n" + b"#\n" * 40_000 + b"1 1 255\n\1\2\3"),
    (f"2500x2000 in 1 bands; {RARE} 4,194,304 values", lambda: run_length_bmp(2_500, 2_000)),
    (f"1500x1000 in 3 bands; {RARE} 4,194,304 values", lambda: b"P6 1500 1000 254\n" + bytes(4_500_000)),
    (f"9,001,088 bytes; {RARE} 8,388,608", lambda: run_length_bmp(2, 2, bytes(9_000_000))),
]


@pytest.mark.parametrize(("told", "make"), EXCESSIVE)
@pytest.mark.parametrize("look", [media_type, glance, open_photo])
def test_what_would_keep_a_decoder_busy_is_refused(
    look: Callable[[Photo], object], told: str, make: Callable[[], bytes], tmp_path: Path
) -> None:
    content, path = make(), tmp_path / "a.jpg"
    path.write_bytes(content)
    reason = f"would take too long to decode ({told}); convert it to JPEG"
    for photo, name in ((content, "<photo>"), (path, path)):
        with pytest.raises(PhotoError) as caught:
            look(photo)
        assert str(caught.value) == f"{name}: {reason}"


USUAL: dict[str, Callable[[], bytes]] = {
    "progressive": lambda: encoded(noise(), "JPEG", progressive=True, optimize=True),
    "as many scans as libtiff reads": lambda: jpeg_of_scans(100),
    "one scan a component": lambda: jpeg_of_scans(3, frame=0xC0),
    "scans of another picture in a segment": lambda: behind_start(segment(0xE1, b"\xff\xda\0\1" * 9_000)),
    "scans of a film behind it": lambda: encoded(noise(), "JPEG", progressive=True) + b"\xff\xda" * 9_000,
    "a large profile": lambda: encoded(noise(), "JPEG", progressive=True, icc_profile=bytes(900_000)),
    "a picture of several": lambda: encoded(noise(), "MPO", save_all=True, append_images=[noise()] * 9),
    "one piece for each 99 bytes": lambda: _in_pieces(encoded(noise(900, 900), "PNG"), 99),
    "many texts": lambda: png_with(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(9))) * 900, b"IEND"),
    "one strip a row": lambda: tiff_of_strips(30_000),
    "tiles": lambda: tiff_of_tiles(40, 256),
    "a small one of runs": lambda: run_length_bmp(640, 480),
    "of 12 bits": lambda: b"P5 64 48 4095\n" + b"\x0f\xff" * (64 * 48),
    "a few words before the size": lambda: b"P6\n# CREATOR: GIMP\n64 48 # size\n255\n" + bytes(64 * 48 * 3),
}


def _in_pieces(png: bytes, length: int) -> bytes:
    """The same PNG, its pixels cut into chunks of this length."""
    with Image.open(io.BytesIO(png)) as image:
        size, pixels = image.size, image.tobytes()
    row = 3 * size[0]
    packed = zlib.compress(b"".join(b"\0" + pixels[at : at + row] for at in range(0, len(pixels), row)))
    pieces = (chunk(b"IDAT", packed[place : place + length]) for place in range(0, len(packed), length))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(pieces) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", USUAL)
def test_what_encoders_write_is_read(name: str, tmp_path: Path) -> None:
    content, path = USUAL[name](), tmp_path / "a.jpg"
    path.write_bytes(content)
    assert open_photo(content).tobytes() == open_photo(path).tobytes()
    assert glance(content) == glance(path)


def test_an_image_that_was_opened_elsewhere_is_looked_at_too() -> None:
    with (
        Image.open(io.BytesIO(run_length_bmp(2_500, 2_000))) as image,
        pytest.raises(PhotoError, match="rare kind"),
    ):
        open_photo(image)
    with Image.open(io.BytesIO(run_length_bmp(64, 48))) as image:
        assert colour(open_photo(image), 0.0, 0.0) == "b"
