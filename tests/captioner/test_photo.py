"""Photos from outside: every kind is decoded to upright RGB, everything else gets one clear line."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from captioner import photo
from captioner.errors import PhotoError
from captioner.formats import FORMATS, NAMES
from captioner.photo import (
    MAX_PIXELS,
    glance,
    hash_distance,
    media_type,
    open_photo,
    perceptual_hash,
)
from tests.conftest import ROOT

ORIENTATION = 0x0112


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def scene(width: int = 64, height: int = 48) -> Image.Image:
    """Red above, blue below, with a green left edge."""
    image = Image.new("RGB", (width, height), (220, 20, 20))
    image.paste((20, 20, 220), (0, height // 2, width, height))
    image.paste((20, 220, 20), (0, 0, width // 8, height))
    return image


def colour(image: Image.Image, x: float, y: float) -> str:
    """Which channel is the strongest at a place, x and y from 0 to 1."""
    place = int(x * (image.width - 1)), int(y * (image.height - 1))
    return "rgb"[int(np.argmax(image.getpixel(place)))]


def complaint(photo: str | Path | bytes) -> str:
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


def test_a_missing_file(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.jpg") == f"{tmp_path / 'none.jpg'}: no such file"


def test_a_folder_is_no_photo(tmp_path: Path) -> None:
    assert complaint(tmp_path) == f"{tmp_path}: is a folder, not a photo"


def test_a_pipe_that_is_named_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writing = ThreadPoolExecutor(1).submit((tmp_path / "pipe").write_bytes, encoded(scene(), "JPEG"))
    assert open_photo(tmp_path / "pipe").size == (64, 48)
    writing.result()


def test_a_name_that_cannot_be(tmp_path: Path) -> None:
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


# Damage


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_photo_is_refused(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    whole = encoded(noise, kind)
    assert open_photo(whole).size == (120, 90)
    assert "<photo>: " in complaint(whole[: len(whole) // 2])


SMALL = {
    kind: encoded(scene(16, 12), kind, **options)
    for kind, options in {
        "JPEG": {"exif": Image.Exif()},
        "PNG": {},
        "GIF": {},
        "BMP": {},
        "TIFF": {"compression": "tiff_lzw"},
        "WEBP": {},
        "PPM": {},
        "HEIF": {},
    }.items()
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


# Modes


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (30, 20), name) for name in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP"):
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
        assert colour(open_photo(content), 0.5, 0.5) == "r"


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_shades(kind: str) -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(1, 256).repeat(4, axis=0)
    grey = np.asarray(open_photo(encoded(Image.fromarray(ramp), kind)))
    assert grey.shape == (4, 256, 3)
    assert np.abs(grey[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_sixteen_bit_colour_is_decoded() -> None:
    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    row = b"\x00" + struct.pack(">HHH", 65535, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    assert open_photo(content).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("values", "white"),
    [([0.0, 0.5, 1.0], 1.0), ([0.0, 100.0, 200.0], 200.0), ([0.0, float("nan"), 1.0], 1.0)],
)
def test_float_photos_are_brought_to_eight_bits(values: list[float], white: float) -> None:
    image = Image.fromarray(np.array([values], dtype=np.float32))
    found = np.asarray(open_photo(encoded(image, "TIFF")))[0, :, 0]
    expected = [0 if np.isnan(value) else round(255 * value / white) for value in values]
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_integers_of_32_bits() -> None:
    image = Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.int32))
    assert np.asarray(open_photo(image))[0, :, 0].tolist() == [0, 128, 255]
    dark = Image.fromarray(np.array([[0, 100, 255]], dtype=np.int32))
    assert np.asarray(open_photo(dark))[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize(
    ("mode", "kind"), [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("P", "PNG"), ("YCbCr", "JPEG")]
)
def test_other_colour_models_keep_their_colours(mode: str, kind: str) -> None:
    image = open_photo(encoded(scene().convert(mode), kind), smallest=16)
    assert image.mode == "RGB"
    assert (colour(image, 0.7, 0.2), colour(image, 0.7, 0.9), colour(image, 0.0, 0.5)) == ("r", "b", "g")


def test_lab_keeps_its_colours() -> None:
    lab = Image.merge("LAB", [Image.new("L", (4, 4), value) for value in (138, 209, 198)])  # sRGB red
    red, green, blue = open_photo(encoded(lab, "TIFF")).getpixel((1, 1))
    assert red > 200 and green < 80 and blue < 80


@pytest.mark.parametrize("mode", ["1", "L"])
def test_black_and_white(mode: str) -> None:
    image = Image.new(mode, (10, 10), 0)
    image.paste(255, (5, 0, 10, 10))
    found = open_photo(encoded(image, "PNG"))
    assert (found.getpixel((0, 0)), found.getpixel((9, 9))) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_is_white(mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
    kind = "PNG" if mode != "PA" else "TIFF"
    photo = image if mode == "PA" else encoded(image, kind)
    assert open_photo(photo).getpixel((4, 4)) == (255, 255, 255)


def test_a_transparent_colour_is_white_in_every_mode() -> None:
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert open_photo(encoded(palette, "PNG", transparency=0)).getpixel((4, 4)) == (255, 255, 255)
    key = encoded(Image.new("RGB", (8, 8), (9, 9, 9)), "PNG", transparency=(9, 9, 9))
    assert open_photo(key).getpixel((4, 4)) == (255, 255, 255)


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


# What comes with it


def test_threads_that_decode_at_once_leave_the_warning_filters_as_they_were(tmp_path: Path) -> None:
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


def test_a_phones_picture_of_several_is_a_jpeg_to_browsers() -> None:
    mpo = encoded(scene(), "MPO", save_all=True, append_images=[scene()])
    assert Image.open(io.BytesIO(mpo)).format == "MPO"
    assert media_type(mpo) == glance(mpo).media_type == "image/jpeg"


def test_near_copies_have_near_hashes(photos: Path) -> None:
    cat = open_photo(photos / "chelsea.png")
    copy = open_photo(encoded(cat.resize((200, 133)), "JPEG", quality=60))
    other = open_photo(photos / "coffee.png")
    assert hash_distance(perceptual_hash(cat), perceptual_hash(copy)) <= 4
    assert hash_distance(perceptual_hash(cat), perceptual_hash(other)) > 12


# Large photos

MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "LAB", "I;16", "I", "F")


def in_mode(mode: str, width: int = 90, height: int = 70) -> Image.Image:
    picture = noise(width, height)
    if mode == "LAB":
        return Image.merge("LAB", picture.split())
    if mode in ("I;16", "I", "F"):
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        return Image.fromarray(np.asarray(picture.convert("L")).astype(kind) * kind(3))
    picture = picture.convert(mode)
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


@pytest.mark.parametrize("mode", MODES)
def test_pieces_give_what_the_whole_gives(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = in_mode(mode)
    whole = open_photo(image)
    monkeypatch.setattr(photo, "_PIECE", 16)
    assert np.array_equal(open_photo(image, smallest=16), whole)
    assert glance(image).phash == perceptual_hash(whole)
    monkeypatch.setattr(photo, "_LARGE_PIXELS", 1000)
    assert np.array_equal(open_photo(image), whole)
    reduced = open_photo(image, smallest=16)
    assert (reduced.mode, reduced.size) == ("RGB", (23, 18))  # 70 / 4 is the first above 16
    assert np.array_equal(reduced, whole.reduce(4))


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_photo_is_reduced_and_upright(orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = encoded(noise(500, 380).convert("RGBA"), "PNG", exif=exif)
    before = glance(content)
    monkeypatch.setattr(photo, "_PIECE", 64)
    monkeypatch.setattr(photo, "_LARGE_PIXELS", 1000)
    assert open_photo(content, smallest=120).size == ((167, 127) if orientation == 1 else (127, 167))
    after = glance(content)
    assert (after.size, after.media_type) == (before.size, before.media_type)
    assert hash_distance(after.phash, before.phash) <= 3


_PEAK = """
import io, resource, sys
from PIL import Image
from captioner.photo import glance, open_photo
buffer = io.BytesIO()
picture = Image.new(sys.argv[1], (5000, 5000))
picture.save(buffer, "PNG", compress_level=1)
del picture
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]) << 20, resource.RLIM_INFINITY))
glance(buffer.getvalue())
open_photo(buffer.getvalue(), 256)
"""


@pytest.mark.parametrize(("mode", "bytes_per_pixel"), [("RGBA", 4), ("I;16", 2), ("LA", 4), ("P", 1)])
def test_a_large_photo_takes_little_more_than_its_pixels(mode: str, bytes_per_pixel: int) -> None:
    """25 million pixels: 100 MB in RGBA, which took 600 MB."""
    room = 25 * bytes_per_pixel + 250
    command = [sys.executable, "-c", _PEAK, mode, str(room)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_one_large_photo_at_a_time_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo, "_LARGE_PIXELS", 50_000)
    large = [encoded(noise(400, 200), "PNG"), encoded(noise(2000, 1600), "JPEG", progressive=True)]
    small = [encoded(noise(100, 100), "PNG"), encoded(noise(800, 600), "JPEG")]
    with ThreadPoolExecutor(4) as pool:
        with photo._ONE_LARGE:
            waiting = [pool.submit(look, one) for one in large for look in (glance, open_photo)]
            assert len([glance(one) for one in small]) == 2
            assert open_photo(small[0], smallest=50).size == (100, 100)
            assert not any(one.done() for one in waiting)
        assert len([one.result() for one in waiting]) == 4


# A glance


def noise(width: int = 500, height: int = 380) -> Image.Image:
    """Coarse enough for a clear hash, fine enough to fill a file."""
    chance = np.random.default_rng(5)
    coarse = Image.fromarray(chance.integers(30, 220, (9, 11, 3), dtype=np.uint8)).resize((width, height))
    grain = chance.integers(-20, 20, (height, width, 3))
    return Image.fromarray((np.asarray(coarse).astype(int) + grain).clip(0, 255).astype(np.uint8))


FILES = {
    "baseline": encoded(noise(), "JPEG"),
    "progressive": encoded(noise(), "JPEG", progressive=True),
    "large": encoded(noise(1600, 1200), "JPEG", quality=60),
    "RGB inside": encoded(noise(), "JPEG", keep_rgb=True),
    "CMYK": encoded(noise().convert("CMYK"), "JPEG"),
    "grey": encoded(noise().convert("L"), "JPEG"),
    "PNG": encoded(noise(), "PNG"),
    "WEBP": encoded(noise(), "WEBP"),
    "GIF": encoded(noise(), "GIF"),
    "TIFF": encoded(noise(), "TIFF"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_glance_sees_what_opening_sees(name: str) -> None:
    seen = glance(FILES[name])
    assert seen.media_type == media_type(FILES[name])
    whole = open_photo(FILES[name])
    assert seen.size == whole.size
    assert hash_distance(seen.phash, perceptual_hash(whole)) <= 3


@given(name=st.sampled_from(sorted(FILES)), where=st.floats(0.0, 1.0), last=st.integers(0, 40))
def test_a_file_cut_anywhere_is_seen_at_a_glance(name: str, where: float, last: int) -> None:
    whole = FILES[name]
    for cut in (whole[: int(len(whole) * where)], whole[: len(whole) - last]):
        assert _is_refused(glance, cut) == _is_refused(open_photo, cut)


@given(
    name=st.sampled_from(["baseline", "progressive", "PNG"]),
    place=st.floats(0.0, 0.999),
    value=st.binary(min_size=4, max_size=4),
)
def test_damage_is_seen_at_a_glance_as_by_opening(name: str, place: float, value: bytes) -> None:
    damaged = bytearray(FILES[name])
    start = int(len(damaged) * place)
    damaged[start : start + 4] = value
    assert _is_refused(glance, bytes(damaged)) == _is_refused(open_photo, bytes(damaged))


def _is_refused(look: Callable[[bytes], object], content: bytes) -> bool:
    try:
        look(content)
    except PhotoError as error:
        assert "\n" not in str(error)
        return True
    return False


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_glance_hashes_a_photo_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turned = encoded(noise(), "JPEG", exif=exif)
    assert hash_distance(glance(turned).phash, perceptual_hash(open_photo(turned))) <= 3


def test_a_glance_leaves_an_image_object_as_it_was() -> None:
    image = noise()
    assert glance(image).phash == perceptual_hash(image)
    assert image.mode == "RGB"
