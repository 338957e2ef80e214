"""Formats that are read where what they need is installed, and what is said where it is not."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner import formats
from captioner.errors import PhotoError
from captioner.extras import how_to_install
from captioner.formats import SUFFIXES, UNREAD, what_to_do
from captioner.photo import glance, media_type, open_photo

ORIENTATION = 0x0112


def picture(*, orientation: int = 1) -> bytes:
    """Red above, blue below, as seen upright."""
    image = Image.new("RGB", (96, 64), (220, 20, 20))
    image.paste((20, 20, 220), (0, 32, 96, 64))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    if orientation == 6:
        image = image.transpose(Image.Transpose.ROTATE_90)
    out = io.BytesIO()
    image.save(out, "HEIF", exif=exif.tobytes())
    return out.getvalue()


@pytest.mark.parametrize("orientation", [1, 6])
def test_phones_photos_are_read_upright(orientation: int) -> None:
    content = picture(orientation=orientation)
    image = open_photo(content, smallest=32)
    red, _, blue = np.asarray(image)[8, 48]
    assert (image.mode, image.size, red > 150 > blue) == ("RGB", (96, 64), True)
    assert media_type(content) == glance(content).media_type == "image/heif"


def test_a_size_that_the_pixels_go_beyond_is_refused() -> None:
    """The header says 96x64, the pixels are 1,024 times as many."""
    large = io.BytesIO()
    Image.new("RGB", (3072, 2048), "red").save(large, "HEIF", enc_params={"preset": "ultrafast"})
    told = struct.pack(">II", 3072, 2048)
    forged = large.getvalue().replace(told, struct.pack(">II", 96, 64))
    assert told in large.getvalue() and told not in forged
    with pytest.raises(PhotoError):
        glance(forged)


def test_suffixes_are_read_or_known_to_be_unread() -> None:
    assert {".heic", ".jpg"} <= SUFFIXES
    assert {".svg", ".avif"} <= UNREAD and not SUFFIXES & UNREAD


def test_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert what_to_do([".svg"], 2) == "convert them to JPEG"
    monkeypatch.setattr(formats, "_READ", {"JPEG": (".jpg",)})
    advice = f"convert it to JPEG, or {how_to_install('heic')}, which reads HEIC"
    assert what_to_do([".heic"], 1) == advice
    assert what_to_do([".svg"], 1) == "convert it to JPEG"


@pytest.mark.parametrize("package", ["raise ImportError('libheif.so: wrong version')", "", None])
def test_without_pillow_heif_a_phones_photo_says_what_would_read_it(
    package: str | None, tmp_path: Path
) -> None:
    """`package`: the source of a broken one; None where none is installed."""
    (tmp_path / "IMG_1.HEIC").write_bytes(picture())
    program = "from captioner.photo import open_photo\nopen_photo('IMG_1.HEIC')"
    if package is None:
        program = f"import sys; sys.modules['pillow_heif'] = None\n{program}"
    else:
        (tmp_path / "pillow_heif.py").write_text(package)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    last = run.stderr.splitlines()[-1]
    assert "IMG_1.HEIC: not a photo in a known format (JPEG, PNG" in last
    assert last.endswith(f"convert it to JPEG, or {how_to_install('heic')}, which reads HEIC")
