"""What an srcset offers, however odd it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.scrape.providers.srcset import candidates
from tests.indexer.scrape.conftest import timeless


@pytest.mark.parametrize(
    ("srcset", "found"),
    [
        ("", []),
        (" ,\n, ", []),
        ("a.jpg", [(0, 1, "a.jpg")]),
        ("a.jpg 1x, b.jpg 2x", [(0, 1, "a.jpg"), (0, 2, "b.jpg")]),
        ("a.jpg 1x,b.jpg 1.5x", [(0, 1, "a.jpg"), (0, 1.5, "b.jpg")]),
        ("a.jpg\t320w ,\r\n b.jpg  640w,", [(320, 0, "a.jpg"), (640, 0, "b.jpg")]),
        ("a.jpg, b.jpg", [(0, 1, "a.jpg"), (0, 1, "b.jpg")]),
        ("a.jpg,b.jpg", [(0, 1, "a.jpg,b.jpg")]),  # without a blank a comma is of the address
        (
            "w_100,h_50/a.jpg 100w,w_200,h_100/a.jpg 200w",
            [(100, 0, "w_100,h_50/a.jpg"), (200, 0, "w_200,h_100/a.jpg")],
        ),
        ("data:image/png;base64,AA== 1x, b 2x", [(0, 1, "data:image/png;base64,AA=="), (0, 2, "b")]),
        (",,a.jpg,,,, b.jpg 3x", [(0, 1, "a.jpg"), (0, 3, "b.jpg")]),
        ("a 100w 50h, b 50h 200w", [(100, 0, "a"), (200, 0, "b")]),
        ("a (1, 2) 2x, b", [(0, 1, "b")]),
        ("a (1, b 2x", []),
        ("a 1e1x, b .5x, c 2E-1x", [(0, 10, "a"), (0, 0.5, "b"), (0, 0.2, "c")]),
        (f"a {'9' * 5000}w", [(float("inf"), 0, "a")]),
        ("a\u00a02x", [(0, 1, "a\u00a02x")]),  # no blank of HTML
        *(
            (f"a {wrong}, b 2x", [(0, 2, "b")])
            for wrong in (
                "0w",
                "1.5w",
                "-1x",
                "1.x",
                "x",
                "2",
                "50h",
                "9w 1x",
                "1x 2x",
                "9w 0h",
                "+1x",
                "²x",
                "1y",
            )
        ),
    ],
)
def test_candidates(srcset: str, found: list[tuple[float, float, str]]) -> None:
    assert list(candidates(srcset)) == found


@timeless
@given(st.text(alphabet="a1wxh.,( )\t"))
def test_no_address_has_a_blank_or_a_comma_at_an_end(srcset: str) -> None:
    for candidate in candidates(srcset):
        assert candidate.address == candidate.address.strip(" \t,") != ""
