"""HEIF: a grid of large tiles that shows little of them, and grids as phones write them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from captioner.errors import PhotoError
from captioner.photo import glance, media_type, open_photo
from tests.captioner.pictures import colour, encoded, scene


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def full(kind: bytes, content: bytes, version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]) + content)


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    while content:
        (length,) = struct.unpack(">I", content[:4])
        yield content[4:8], content[8:length]
        content = content[length:]


def grid(tile: Image.Image, rows: int, size: tuple[int, int], levels: int = 1) -> bytes:
    """A HEIF of rows x rows places, all of the same tile; with more levels, a grid of such grids."""
    file = dict(boxes(encoded(tile, "HEIF")))
    meta = dict(boxes(file[b"meta"][4:]))
    listed = [*boxes(dict(boxes(meta[b"iprp"]))[b"ipco"])]
    items = [(1, b"hvc1"), *((2 + level, b"grid") for level in range(levels))]
    entries = [full(b"infe", struct.pack(">HH4sx", item, 0, kind), version=2) for item, kind in items]
    of_tile = bytes(number | 0x80 * (kind == b"hvcC") for number, (kind, _) in enumerate(listed, 1))
    owned = struct.pack(">IHB", len(items), 1, len(of_tile)) + of_tile
    owned += b"".join(struct.pack(">HBB", item, 1, len(listed) + 1) for item, _ in items[1:])
    properties = b"".join(box(*one) for one in listed) + full(b"ispe", struct.pack(">II", *size))
    places = struct.pack(">H", rows * rows)
    references = [
        box(b"dimg", struct.pack(">H", item) + places + struct.pack(">H", item - 1) * rows * rows)
        for item, _ in items[1:]
    ]
    shape = struct.pack(">BBBBHH", 0, 0, rows - 1, rows - 1, *size)

    def described(start: int) -> bytes:
        where = struct.pack(">BBH", 0x44, 0, len(items))
        where += struct.pack(">HHHHII", 1, 0, 0, 1, start, len(file[b"mdat"]))
        where += b"".join(struct.pack(">HHHHII", item, 1, 0, 1, 0, len(shape)) for item, _ in items[1:])
        return full(
            b"meta",
            box(b"hdlr", meta[b"hdlr"])
            + full(b"pitm", struct.pack(">H", items[-1][0]))
            + full(b"iloc", where, version=1)
            + full(b"iinf", struct.pack(">H", len(items)) + b"".join(entries))
            + full(b"iref", b"".join(references))
            + box(b"iprp", box(b"ipco", properties) + full(b"ipma", owned))
            + box(b"idat", shape),
        )

    head = box(b"ftyp", file[b"ftyp"])
    return head + described(len(head) + len(described(0)) + 8) + box(b"mdat", file[b"mdat"])


def test_a_grid_as_phones_write_it_is_read() -> None:
    content = grid(scene(512, 512), 6, (3072, 3072))
    image = open_photo(content)
    assert image.size == (3072, 3072)
    assert [colour(image, 0.5, place / 12) for place in (0.5, 1.5, 2.5, 3.5)] == ["r", "b", "r", "b"]
    assert glance(content).media_type == "image/heif"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (grid(Image.new("RGB", (2000, 1500)), 9, (16, 16)), "243,000,000 pixels in its tiles"),
        (grid(Image.new("RGB", (500, 500)), 6, (64, 64), levels=2), "324,000,000 pixels in its tiles"),
        (grid(scene(), 1, (16, 16), levels=9), "its boxes are too many, or lie too deep"),
        (
            box(b"ftyp", b"heicmif1") + full(b"meta", bytes(1_000_000)),
            "its boxes are too many, or lie too deep",
        ),
    ],
)
def test_a_grid_that_shows_little_of_what_is_decoded_is_refused(
    content: bytes, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(content)
    for photo in (content, path):
        with pytest.raises(PhotoError) as caught:
            media_type(photo)
        assert caught.value.reason == f"would take too long to decode ({told}); convert it to JPEG"


def test_boxes_that_are_cut_or_lie_about_their_length_are_damage() -> None:
    whole = grid(scene(), 2, (64, 64))
    for cut in range(0, len(whole), 7):
        with pytest.raises(PhotoError):
            open_photo(whole[:cut])
    for place in range(0, whole.index(b"mdat"), 4):
        for wrong in (b"\0\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff"):
            try:
                assert open_photo(whole[:place] + wrong + whole[place + 4 :]).mode == "RGB"
            except PhotoError as error:
                assert "\n" not in str(error)
