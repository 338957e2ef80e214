"""Hashes, and a glance, which sees what opening sees without decoding it all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from captioner.errors import PhotoError
from captioner.photo import glance, hash_distance, media_type, open_photo, perceptual_hash
from tests.captioner.pictures import ORIENTATION, encoded, noise


def test_near_copies_have_near_hashes(photos: Path) -> None:
    cat = open_photo(photos / "chelsea.png")
    copy = open_photo(encoded(cat.resize((200, 133)), "JPEG", quality=60))
    other = open_photo(photos / "coffee.png")
    assert hash_distance(perceptual_hash(cat), perceptual_hash(copy)) <= 4
    assert hash_distance(perceptual_hash(cat), perceptual_hash(other)) > 12


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


def test_an_image_in_memory_may_be_the_first_that_a_process_sees() -> None:
    """Pillow knows no format before the first file."""
    first = 'from PIL import Image; from captioner.photo import glance; glance(Image.new("RGB", (64, 64)))'
    subprocess.run([sys.executable, "-c", first], check=True)


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
