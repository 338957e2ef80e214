"""Formats that are read where what they need is installed, and what is said where it is not."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from captioner import formats
from captioner.formats import FORMATS, SUFFIXES, UNREAD, what_to_do
from captioner.photo import glance, media_type, open_photo

ORIENTATION = 0x0112
TYPES = {"AVIF": "image/avif", "HEIF": "image/heif"}


def picture(kind: str, *, orientation: int = 1) -> bytes:
    """Red above, blue below, as seen upright."""
    image = Image.new("RGB", (96, 64), (220, 20, 20))
    image.paste((20, 20, 220), (0, 32, 96, 64))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    if orientation == 6:
        image = image.transpose(Image.Transpose.ROTATE_90)
    out = io.BytesIO()
    image.save(out, kind, exif=exif.tobytes())
    return out.getvalue()


def test_the_test_machine_reads_what_phones_save() -> None:
    assert set(TYPES) <= set(FORMATS)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("orientation", [1, 6])
def test_phones_photos_are_read_upright(kind: str, orientation: int) -> None:
    content = picture(kind, orientation=orientation)
    image = open_photo(content, smallest=32)
    red, _, blue = image.getpixel((48, 8))
    assert (image.mode, image.size, red > 150 > blue) == ("RGB", (96, 64), True)
    assert media_type(content) == glance(content).media_type == TYPES[kind]


def test_suffixes_are_read_or_known_to_be_unread() -> None:
    assert {".heic", ".avif", ".jpg"} <= SUFFIXES
    assert ".svg" in UNREAD and not SUFFIXES & UNREAD


def test_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert what_to_do([".svg"]) == "convert them to JPEG"
    monkeypatch.setattr(formats, "_READ", {"JPEG": (".jpg",)})
    assert (
        what_to_do([".svg", ".heic"]) == "convert them to JPEG, or pip install pillow-heif, which reads HEIC"
    )
    assert what_to_do([".svg"]) == "convert them to JPEG"


def test_without_pillow_heif_a_phones_photo_says_what_would_read_it(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(picture("HEIF"))
    program = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from captioner.photo import open_photo\n"
        f"open_photo({str(tmp_path / 'IMG_1.HEIC')!r})"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    last = run.stderr.splitlines()[-1]
    assert (
        "IMG_1.HEIC: not a photo in a known format (JPEG, PNG" in last and "pip install pillow-heif" in last
    )
