"""Words that a query denies, which a set of words cannot."""

from __future__ import annotations

import pytest

from captioner.tokens import analyzer
from search.negation import how_to_exclude, negated, split_excluded
from tests.search.worlds import searcher_of


@pytest.mark.parametrize(
    ("caption", "denied"),
    [
        ("a dog, not on the beach", ["beach"]),
        ("No dog.", ["dog"]),
        ("without a Beach, a dog", ["beach"]),
        ("a man with no hat and without any red shoes", ["hat", "red"]),
        ("a dog that isn't on a beach", ["beach"]),
        ("a dog that isn’t on a beach", ["beach"]),
        ("neither cats nor dogs", ["cats", "dogs"]),
        ("a dog with no", []),
        ("not of the", []),
        ("a dog on the beach", []),
        ("a nottingham know-how notice", []),
        ("", []),
    ],
)
def test_it_is_the_next_word_that_counts(caption: str, denied: list[str]) -> None:
    assert negated(caption, analyzer("english/2")(caption), "english/2") == denied


def test_words_that_are_not_searched_for_are_left_out() -> None:
    assert negated("no dog and no cat", analyzer("english/2")("cat"), "english/2") == ["cat"]
    found = searcher_of("a dog", "a cat").text("a cat, no dog", without=["dog"])
    assert found.negated == ()


def test_words_that_no_caption_has_are_left_out() -> None:
    """To exclude them excludes nothing; what they may be misspelt for is said beside them."""
    searcher = searcher_of("a dog on the beach", "a cat")
    found = searcher.text("a dgo, not on the baech, without a cat")
    assert found.unknown >= {"baech"}
    assert found.negated == ("cat",)


def test_the_first_page_tells() -> None:
    searcher = searcher_of("a dog", "a dog and a cat", "a cat")
    first = searcher.text("a dog, no cat", 1)
    assert first.negated == ("cat",)
    assert searcher.text("a dog, no cat", 1, after=first.cursor).negated == ()


def test_where_no_counts_as_a_word_it_says_something() -> None:
    assert negated("no dog", analyzer("words/1")("no dog"), "words/1") == []


def test_an_answer_tells_them_once() -> None:
    results = searcher_of("a dog", "a cat").texts(["a cat, no dog", "cats without a dog"])
    assert results.negated == ("dog",)
    assert results.as_json()["query"]["negated"] == ["dog"]
    assert "negated" not in searcher_of("a dog").text("a dog").as_json()["query"]


def test_how_to_say_it() -> None:
    assert how_to_exclude(["hat", "shoes", "hat"]).endswith(": -hat -shoes, or --without hat --without shoes")


@pytest.mark.parametrize(
    ("text", "caption", "without"),
    [
        ("a dog -beach", "a dog", ("beach",)),
        ("a dog -beach -élan  runs", "a dog runs", ("beach", "élan")),
        ("a dog -hot-dog,", "a dog", ("hot-dog,",)),
        ("a  man in a T-shirt - two-tone", "a  man in a T-shirt - two-tone", ()),
        ("-beach", "", ("beach",)),
        ("-beach a dog", "a dog", ("beach",)),
        ("-hot-dog -T-shirt", "", ("hot-dog", "T-shirt")),
        ("T-shirt", "T-shirt", ()),
        ("- a dog", "- a dog", ()),
        ("-5 dogs", "-5 dogs", ()),
        ("10 -5 --x -- -_", "10 -5 --x -- -_", ()),
        ("", "", ()),
    ],
)
def test_a_hyphen_before_a_word_does_without_it(text: str, caption: str, without: tuple[str, ...]) -> None:
    assert split_excluded(text) == (caption, without)
