"""Photos from outside: every kind is decoded to upright RGB, everything else gets one clear line."""

from __future__ import annotations

import errno
import io
import os
import pickle
import struct
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from captioner.errors import PhotoError, UnreachablePhotoError
from captioner.formats import FORMATS, NAMES
from captioner.photo import MAX_PIXELS, Header, Photo, glance, header, media_type, open_photo
from tests.captioner.pictures import ORIENTATION, colour, encoded, scene


def complaint(photo: Photo) -> str:
    """The error that a photo gets, which is one line."""
    with pytest.raises(PhotoError) as caught:
        open_photo(photo, smallest=256)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims a size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


#: A whole TIFF of a sensor's values, as its colour space (tag 262) says, which Pillow does not know.
SENSORS = encoded(scene(), "TIFF").replace(b"\x06\x01\3\0\1\0\0\0\2\0", b"\x06\x01\3\0\1\0\0\0\x23\x80")

# What is no photo


def test_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.jpg"
    path.write_text("Dear reader,\nthis is no photo.")
    assert complaint(path) == f"{path}: not a photo in a known format ({NAMES})"


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    assert complaint(path) == f"{path}: the file is empty"
    assert complaint(b"") == "<photo>: there are no bytes in it"


@pytest.mark.parametrize(
    "content",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",
        b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    ],
    ids=["svg", "eps", "pdf"],
)
def test_programs_that_pass_for_pictures_are_refused(content: bytes) -> None:
    assert "not a photo in a known format" in complaint(content)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"II*\0\x08\0\0\0" + bytes(40), "TIFF"),
        (b"MM\0*\0\0\0\x08" + bytes(40), "TIFF"),
        (SENSORS, "TIFF"),
        (b"\xff\xd8\xff" + b"x" * 30, "JPEG"),
    ],
)
def test_what_begins_as_a_photo_and_cannot_be_decoded_is_called_that(
    content: bytes, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "scan.tif"
    path.write_bytes(content)
    said = f"a {name} that is damaged, or of a kind that cannot be decoded here; convert it to JPEG"
    assert (complaint(content), complaint(path)) == (f"<photo>: {said}", f"{path}: {said}")
    path = path.rename(tmp_path / "camera.dng")
    assert complaint(path) == f"{path}: not a photo in a known format ({NAMES}); convert it to JPEG"


def test_a_missing_file(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.jpg") == f"{tmp_path / 'none.jpg'}: no such file"


def test_a_folder_is_no_photo(tmp_path: Path) -> None:
    assert complaint(tmp_path) == f"{tmp_path}: is a folder, not a photo"


def test_a_file_that_the_system_does_not_open_is_not_called_damaged(tmp_path: Path) -> None:
    link, within = tmp_path / "x.jpg", tmp_path / "file" / "x.jpg"
    link.symlink_to(link)
    (tmp_path / "file").touch()
    assert complaint(link) == f"{link}: cannot be read (Too many levels of symbolic links)"
    assert complaint(within) == f"{within}: cannot be read (Not a directory)"
    with pytest.raises(UnreachablePhotoError):
        media_type(link)


def test_a_disk_that_does_not_read_is_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: Any, **__: Any) -> Image.Image:
        raise OSError(errno.EIO, "Input/output error")  # the system names no file where it reads

    monkeypatch.setattr(Image, "open", unreadable)
    assert complaint(tmp_path / "x.jpg") == f"{tmp_path / 'x.jpg'}: cannot be read (Input/output error)"


def test_a_place_in_a_file_that_no_file_has_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(b"II+\0\x08\0\0\0" + (2**63 - 1).to_bytes(8, "little"))
    assert complaint(path) == f"{path}: damaged or incomplete image ([Errno 22] Invalid argument)"


def test_an_error_has_the_photos_name_and_the_reason_apart() -> None:
    with pytest.raises(PhotoError) as caught:
        open_photo("a: b.jpg")
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert (error.name, error.reason) == ("a: b.jpg", "no such file")
        assert str(error) == "a: b.jpg: no such file"


def test_a_pipe_that_is_named_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writing = ThreadPoolExecutor(1).submit((tmp_path / "pipe").write_bytes, encoded(scene(), "JPEG"))
    assert open_photo(tmp_path / "pipe").size == (64, 48)
    writing.result()


def test_a_name_that_cannot_be() -> None:
    assert "null byte" in complaint("a\0b.jpg")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may read everything: become somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "private.png"
    scene().save(path)
    open_photo(path)  # all that decoding needs is imported
    path.chmod(0)
    with unprivileged():
        assert complaint(path) == f"{path}: no permission to read it"


@pytest.mark.parametrize(
    "other",
    [np.zeros((9, 9, 3), np.uint8), io.BytesIO(), bytearray(b"\xff\xd8"), None, 3],
    ids=lambda one: type(one).__name__,
)
def test_what_is_no_photo_at_all_says_what_to_give(other: Any) -> None:
    kind = type(other).__name__
    assert complaint(other).startswith("<photo>: give a path, bytes or a PIL image (of an array: Image.from")
    assert complaint(other).endswith(f", not {kind}")


# Damage


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_photo_is_refused(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    whole = encoded(noise, kind)
    assert open_photo(whole).size == (120, 90)
    assert "<photo>: " in complaint(whole[: len(whole) // 2])


SMALL = {
    "JPEG": encoded(scene(16, 12), "JPEG", exif=Image.Exif()),
    "TIFF": encoded(scene(16, 12), "TIFF", compression="tiff_lzw"),
    **{kind: encoded(scene(16, 12), kind) for kind in ("PNG", "GIF", "BMP", "WEBP", "PPM", "HEIF")},
}


@given(
    kind=st.sampled_from(sorted(SMALL)),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 60),
)
def test_damage_anywhere_gives_a_photo_or_a_photo_error(
    kind: str, changes: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(SMALL[kind])
    for place, value in changes:
        content[place % len(content)] = value
    try:
        image = open_photo(bytes(content[: len(content) - cut]), smallest=8)
    except PhotoError as error:
        assert str(error).startswith("<photo>: ") and "\n" not in str(error)
    else:
        assert image.mode == "RGB" and min(image.size) > 0


def test_damaged_metadata_are_no_reason_to_refuse_whole_pixels() -> None:
    broken = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff" + b"\x12\x01\xff\xff" * 20
    assert open_photo(encoded(scene(), "JPEG", exif=broken)).size == (64, 48)


# Size


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(50_000, 50_000))
    assert path.stat().st_size < 100
    assert "too many pixels" in complaint(path)
    with pytest.raises(PhotoError, match="too many pixels"):
        media_type(path)


def test_a_photo_above_our_limit_and_below_pillows_is_refused_too() -> None:
    side = int(MAX_PIXELS**0.5) + 1
    assert f"{side}x{side} is too many pixels" in complaint(png_header(side, side))


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (3, 5000)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_photos_of_any_shape_are_whole(size: tuple[int, int], kind: str) -> None:
    image = open_photo(encoded(Image.new("RGB", size, "red"), kind), smallest=256)
    assert image.size == size and colour(image, 0.5, 0.5) == "r"


def test_a_large_jpeg_is_decoded_smaller_but_never_below_what_was_asked() -> None:
    image = open_photo(encoded(scene(1600, 1200), "JPEG"), smallest=256)
    assert image.size == (400, 300)
    assert open_photo(encoded(scene(1600, 1200), "JPEG")).size == (1600, 1200)


@pytest.mark.parametrize("size", [(0, 0), (0, 10), (10, 0)])
def test_an_image_without_pixels_is_no_photo(size: tuple[int, int]) -> None:
    assert complaint(Image.new("RGB", size)) == f"<photo>: {size[0]}x{size[1]} has no pixels"


# Animations


def test_an_animation_is_its_first_frame_and_an_opened_one_the_frame_it_stands_at() -> None:
    frames = [Image.new("RGB", (8, 8), name) for name in ("red", "lime", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert colour(open_photo(content), 0.5, 0.5) == "r"
    with Image.open(io.BytesIO(content)) as opened:
        opened.seek(2)
        assert colour(open_photo(opened), 0.5, 0.5) == "b"


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("smallest", [None, 16])
def test_exif_orientation_is_obeyed(orientation: int, smallest: int | None) -> None:
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = scene(128, 64)
    stored = upright.transpose(turned[orientation]) if orientation in turned else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = open_photo(encoded(stored, "JPEG", exif=exif, quality=95), smallest)
    assert image.width == 2 * image.height
    assert (colour(image, 0.7, 0.2), colour(image, 0.7, 0.9), colour(image, 0.0, 0.5)) == ("r", "b", "g")


def test_an_image_object_is_turned_upright_too_and_left_as_it_was() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content = encoded(scene().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    with Image.open(io.BytesIO(content)) as given:
        assert open_photo(given).size == (64, 48)
        assert given.size == (48, 64)


def test_threads_that_decode_at_once_leave_the_warning_filters_as_they_were() -> None:
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0] * 256)
    warned = encoded(palette, "PNG", transparency=bytes(range(256)))  # Pillow warns of such a palette
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(open_photo, [warned] * 200))) == 200
    assert list(warnings.filters) == before


def test_media_type_comes_from_the_content(tmp_path: Path) -> None:
    path = tmp_path / "lies.png"
    path.write_bytes(encoded(scene(), "JPEG"))
    assert media_type(path) == "image/jpeg"
    assert open_photo(path).size == (64, 48)


def test_what_a_photo_holds_is_read_from_its_headers_alone() -> None:
    assert header(png_header(300, 20)) == Header(300, 20, 1, grey=False)
    with pytest.raises(PhotoError, match="not a photo"):
        header(b"text")


@pytest.mark.parametrize(
    ("mode", "kind", "grey"),
    [
        *(("1", "PNG", True), ("L", "JPEG", True), ("LA", "PNG", True), ("I;16", "PNG", True)),
        *(("F", "TIFF", True), ("LAB", "TIFF", False), ("CMYK", "JPEG", False), ("P", "GIF", False)),
    ],
)
def test_grey_is_what_is_stored_without_colour(mode: str, kind: str, grey: bool) -> None:
    assert header(encoded(Image.new(mode, (9, 7)), kind)) == Header(9, 7, 1, grey)


@pytest.mark.parametrize(("kind", "frames"), [("GIF", 3), ("TIFF", 3), ("WEBP", 3), ("MPO", 1)])
def test_frames_and_pages_are_counted_but_for_previews(kind: str, frames: int) -> None:
    several = [Image.new("RGB", (9, 7), (90 * number, 0, 0)) for number in range(3)]
    file = encoded(several[0], kind, save_all=True, append_images=several[1:])
    assert header(file).frames == frames


def test_a_phones_picture_of_several_is_a_jpeg_to_browsers() -> None:
    mpo = encoded(scene(), "MPO", save_all=True, append_images=[scene()])
    assert Image.open(io.BytesIO(mpo)).format == "MPO"
    assert media_type(mpo) == glance(mpo).media_type == "image/jpeg"
