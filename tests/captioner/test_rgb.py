"""Every mode becomes RGB: shades, colours and transparency, and large photos piece by piece."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from captioner import photo
from captioner.photo import glance, hash_distance, open_photo, perceptual_hash
from tests.captioner.pictures import ORIENTATION, colour, encoded, noise, scene
from tests.conftest import ROOT


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
    red, green, blue = np.asarray(open_photo(encoded(lab, "TIFF")))[1, 1]
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
    assert np.array_equal(np.asarray(open_photo(image, smallest=16)), np.asarray(whole))
    assert glance(image).phash == perceptual_hash(whole)
    monkeypatch.setattr(photo, "_LARGE_PIXELS", 1000)
    assert np.array_equal(np.asarray(open_photo(image)), np.asarray(whole))
    reduced = open_photo(image, smallest=16)
    assert (reduced.mode, reduced.size) == ("RGB", (23, 18))  # 70 / 4 is the first above 16
    assert np.array_equal(np.asarray(reduced), np.asarray(whole.reduce(4)))


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


def test_what_is_large_once_decoded_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A JPEG that is reduced while it is decoded is small, unless it is progressive: all of that is held."""

    class Turn:
        taken = 0

        def __enter__(self) -> None:
            self.taken += 1

        def __exit__(self, *_: object) -> None: ...

    turn = Turn()
    monkeypatch.setattr(photo, "_LARGE_PIXELS", 50_000)
    monkeypatch.setattr(photo, "_ONE_LARGE", turn)
    large = [encoded(noise(400, 200), "PNG"), encoded(noise(800, 600), "JPEG", progressive=True)]
    for one in (encoded(noise(100, 100), "PNG"), encoded(noise(800, 600), "JPEG")):
        glance(one)
        open_photo(one, smallest=50)
    assert turn.taken == 0
    for number, one in enumerate(large, 1):
        glance(one)
        open_photo(one, smallest=50)
        assert turn.taken == 2 * number


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
