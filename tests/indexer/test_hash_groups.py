"""Groups of near hashes against the plain definition, which compares every two."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from indexer.hash_groups import MOST, groups
from tests.indexer.test_hashes import is_plain, near

#: Few pictures and what becomes of them when some bits change: pairs at and just beyond the limit are common.
bits = st.sets(st.integers(0, 63), max_size=MOST + 1).map(lambda chosen: sum(1 << bit for bit in chosen))
pictures = st.sampled_from([0, 0xF0F0F0F0F0F0F0F0, 0x00FF00FF00FF00FF, 0x0123456789ABCDEF])
hashes = st.builds(lambda picture, changed: f"{picture ^ changed:016x}", pictures, bits)


def plainly(given_hashes: Sequence[str], most: int) -> list[list[int]]:
    found: list[list[int]] = []
    for place, one in enumerate(given_hashes):
        around = (group for group in found if near(one, given_hashes[group[0]], most))
        group = next(around, None)
        if group is None:
            found.append([place])
        else:
            group.append(place)
    return [group for group in found if len(group) > 1]


@given(st.lists(hashes, max_size=30), st.integers(0, MOST))
def test_groups_are_those_of_the_plain_definition(given_hashes: list[str], most: int) -> None:
    assert groups(given_hashes, most) == plainly(given_hashes, most)


@given(hashes, st.sets(st.integers(0, 63), min_size=MOST, max_size=MOST))
def test_two_are_found_whichever_bits_differ(one: str, changed: set[int]) -> None:
    other = f"{int(one, 16) ^ sum(1 << bit for bit in changed):016x}"
    assume(not is_plain(one) and not is_plain(other))
    assert groups([one, other], MOST) == [[0, 1]]
    assert groups([one, other], MOST - 1) == []


def test_copies_among_many_are_found() -> None:
    draw = random.Random(7)
    originals = [draw.getrandbits(64) for _ in range(3_000)]
    copies = [one ^ sum(1 << bit for bit in draw.sample(range(64), 3)) for one in originals[:300]]
    found = groups([f"{one:016x}" for one in originals + copies], MOST)
    assert found == [[place, 3_000 + place] for place in range(300)]


def test_a_chain_is_no_group() -> None:
    """Each is near the next one; the third is not near the first, and stands for itself and the fourth."""
    chain = [f"{0x00FF00FF00FF00FF ^ ((1 << 4 * number) - 1):016x}" for number in range(4)]
    assert groups(chain, 4) == [[0, 1], [2, 3]]
    assert groups([chain[1], chain[0], chain[2]], 4) == [[0, 1, 2]]


def test_very_many_equal_and_almost_equal_pictures_are_one_group() -> None:
    draw = random.Random(7)
    one = 0x00FF00FF00FF00FF
    almost = [f"{one ^ sum(1 << bit for bit in draw.sample(range(64), 3)):016x}" for _ in range(5_000)]
    assert groups([f"{one:016x}"] * 200_000 + almost, MOST) == [[*range(205_000)]]


@pytest.mark.parametrize("most", [-1, MOST + 1])
def test_more_bits_than_are_looked_for_are_refused(most: int) -> None:
    with pytest.raises(ValueError, match="grouped by 0 to 6 bits"):
        groups([], most)
