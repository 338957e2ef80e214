"""Which tokens a misspelt one may have been meant to be."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nltk.metrics.distance import edit_distance

from captioner.tokens import plain_words
from indexer.corrections import MOST, corrections, edits, near

#: Few letters, so that words are often near; one takes more bytes, and one marks telling words.
letters = st.sampled_from("abcé*2")
words = st.text(letters, min_size=1, max_size=10)


@st.composite
def typed(draw: st.DrawFn) -> tuple[str, str]:
    """A word, and how somebody may have typed it."""
    word = meant = draw(words)
    for _ in range(draw(st.integers(0, 3))):
        at, through = draw(st.integers(0, len(word))), draw(letters)
        ways = (
            word[:at] + word[at + 1 :],
            word[:at] + through + word[at:],
            word[:at] + through + word[at + 1 :],
            word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
        )
        word = draw(st.sampled_from(ways)) or word
    return word, meant


@given(typed() | st.tuples(words, words))
@example(("dgo", "dog"))
@example(("dog", "dog*2"))
@example(("frisbeee", "frisbeés"))
def test_near_is_so_many_edits_away(pair: tuple[str, str]) -> None:
    token, other = pair
    most = 0 if len(token) < 3 or {"2", "*"} & {*token} else 1 if len(token) < 8 else 2
    assert edits(token) == most or ("*" in token and "2" not in token)
    away = edit_distance(token, other, transpositions=True)
    begins = other[0] == token[0] or (len(token) > 1 and other == token[1] + token[0] + token[2:])
    marked = plain_words([other]) != (other,)
    assert bool(near(token, [other])) == (0 < away <= edits(token) and begins and not marked)


@pytest.mark.parametrize(
    ("token", "close", "far"),
    [
        ("dgo", ["dog", "do", "dgoo"], ["dgo", "god", "cog", "dig"]),
        ("odg", ["dog", "od"], ["dig", "dg"]),
        ("baech", ["beach", "baach"], ["batches", "peach"]),
        ("brocolli", ["broccoli", "brocoli"], ["brokli"]),
        ("at", [], ["cat", "a"]),
        ("1920", [], ["1930", "192"]),
        ("dgo*2", [], ["dog*2", "dgo"]),
        ("x" * 40, ["x" * 39], ["x" * 37]),
        ("x" * 41, [], ["x" * 40]),
        ("e-mial", ["e-mail"], []),
        ("neighbour's", ["neigbour's", "neighbours"], []),
        ("www.example", [], ["www.exmaple"]),
        ("http://a", [], ["https://a"]),
        ("dogs,", [], ["dogs"]),
    ],
)
def test_words_near_and_far(token: str, close: list[str], far: list[str]) -> None:
    assert [other for other in [*close, *far] if near(token, [other])] == close


def test_the_most_frequent_come_first_and_slips_of_others_not_at_all() -> None:
    held = {"hors": 900, "home": 300, "hole": 100, "horn": 44, "hose": 45, "cat": 1000, "hore*2": 5000}
    assert corrections("hore", held, held.__getitem__) == ("hors", "home", "hole")
    assert corrections("hoze", held, held.__getitem__) == ("home", "hole", "hose")[:MOST]
    few = {"hors": 900, "hose": 45, "horn": 44}
    assert corrections("hore", few, few.__getitem__) == ("hors", "hose"), "horn is more than 20 times rarer"
    assert corrections("hrn", {"horn": 0}, lambda _: 0) == ()
