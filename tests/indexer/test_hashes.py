"""Many perceptual hashes at once, against one after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from captioner.photo import hash_distance, perceptual_hash
from indexer.hashes import Hashes, hash_array, tells_nothing

#: Few bits of one picture are changed, so that near ones are common.
near_hashes = st.sets(st.integers(0, 63), max_size=5).map(
    lambda bits: f"{0x00FF00FF00FF00FF ^ sum(1 << bit for bit in bits):016x}"
)
#: Rows that are all alike but for some bits, up to the limit and beyond.
shaded = st.builds(
    lambda row, bits: f"{int(f'{row:02x}' * 8, 16) ^ sum(1 << bit for bit in bits):016x}",
    st.integers(0, 255),
    st.sets(st.integers(0, 63), max_size=8),
)
any_hashes = st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}") | shaded


def is_plain(phash: str) -> bool:
    """By the plain definition: at most six bits away from some hash of eight equal rows."""
    return min(hash_distance(phash, f"{row:02x}" * 8) for row in range(256)) <= 6


def near(one: str, other: str, most: int) -> bool:
    return hash_distance(one, other) <= most and not is_plain(one) and not is_plain(other)


@given(
    st.lists(near_hashes | any_hashes, max_size=12),
    st.lists(near_hashes | any_hashes, max_size=12),
    near_hashes | any_hashes,
    st.integers(0, 64),
)
def test_the_near_ones_are_those_within_so_many_bits(
    first: list[str], added: list[str], asked: str, most: int
) -> None:
    known = Hashes(first)
    for one in added:
        known.add(one)
    assert len(known) == len(first) + len(added)
    expected = [place for place, one in enumerate([*first, *added]) if near(one, asked, most)]
    assert known.near(asked, most).tolist() == expected


@given(st.lists(any_hashes, max_size=12))
def test_plain_ones_are_those_of_rows_alike(hashes: list[str]) -> None:
    assert tells_nothing(hash_array(hashes)).tolist() == [is_plain(one) for one in hashes]


Light = npt.NDArray[np.float64]


def page(light: Light, first: int, lines: int) -> Image.Image:
    """A page with text on it, under this light."""
    written = Image.new("L", (800, 1100), 255)
    draw = ImageDraw.Draw(written)
    for line in range(lines):
        draw.text((60, 60 + 30 * line), f"{(first + line) ** 40}"[: 40 + 7 * line % 50], fill=0)
    return Image.fromarray((np.asarray(written) / 255 * light).astype(np.uint8))


ACROSS, DOWN = np.meshgrid(np.linspace(0, 1, 800), np.linspace(0, 1, 1100))


@pytest.mark.parametrize(
    "light",
    [
        150 + 90 * ACROSS,
        240 - 90 * ACROSS,
        150 + 45 * ACROSS + 45 * DOWN,
        170 + 70 * abs(2 * ACROSS - 1),
    ],
    ids=["from the right", "from the left", "from a corner", "from both sides"],
)
def test_different_pages_under_one_light_are_not_near(light: Light) -> None:
    letter, bill = (perceptual_hash(page(light, *text)) for text in ((3, 30), (9, 12)))
    assert hash_distance(letter, bill) <= 6
    assert Hashes([letter, letter]).near(bill, 6).tolist() == []


@pytest.mark.parametrize(
    "light", [0 * ACROSS, 255 + 0 * ACROSS, 255 * DOWN, 255 - 255 * DOWN, 128 * DOWN * ACROSS]
)
def test_blank_pictures_and_gradients_are_near_to_none(light: Light) -> None:
    phash = perceptual_hash(Image.fromarray(light.astype(np.uint8)))
    assert Hashes([phash]).near(phash, 6).tolist() == []


def test_the_last_one_comes_into_the_place_of_one_removed() -> None:
    known = Hashes([f"{0xFF << 12 * number:016x}" for number in range(4)])
    known.remove(1)
    assert [known.near(f"{0xFF << 12 * number:016x}", 0).tolist() for number in range(4)] == [
        [0],
        [],
        [2],
        [1],
    ]
