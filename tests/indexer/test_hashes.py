"""Many perceptual hashes at once, against one after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from captioner.photo import hash_distance
from indexer.hashes import Hashes

#: Few bits set, so that near ones are common.
near_hashes = st.sets(st.integers(0, 63), max_size=5).map(
    lambda bits: f"{sum(1 << bit for bit in bits):016x}"
)
any_hashes = st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}")


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
    expected = [place for place, one in enumerate([*first, *added]) if hash_distance(one, asked) <= most]
    assert known.near(asked, most).tolist() == expected


def test_the_last_one_comes_into_the_place_of_one_removed() -> None:
    known = Hashes([f"{0xFF << 12 * number:016x}" for number in range(4)])
    known.remove(1)
    assert [known.near(f"{0xFF << 12 * number:016x}", 0).tolist() for number in range(4)] == [
        [0],
        [],
        [2],
        [1],
    ]
