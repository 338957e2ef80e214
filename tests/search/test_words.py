"""Marks in captions, and the words behind tokens."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.outside import clean
from captioner.tokens import DEFAULT, analyzer, plain_words
from indexer.records import CaptionRecord
from search.render.table import table
from search.render.words import (
    columns,
    implied,
    marked,
    reasons,
    said,
    shorten,
    shorten_start,
    spans,
    spoken,
    words_of_tokens,
    wrap,
)
from search.searcher import Searcher
from tests.indexer.memory import MemoryIndex
from tests.search.worlds import NamingCaptioner

texts = st.text(max_size=60)
captions = st.text(
    st.sampled_from("aeiou dogs cats running ünïcode 🐕 two-tone it's 7 . , <b>&"), max_size=60
)


@settings(deadline=None)
@given(captions)
def test_every_marked_word_gives_a_shared_token_and_no_other_does(caption: str) -> None:
    analyze = analyzer(DEFAULT)
    shared = frozenset(sorted(analyze(caption))[::2])
    marked = spans(caption, shared, analyze)
    assert marked == sorted(marked)
    assert all(end <= start for (_, end), (start, _) in pairwise(marked))
    for start, end in marked:
        assert analyze(caption[start:end]) & shared
    assert spans(caption, (), analyze) == []


@settings(deadline=None)
@given(captions)
def test_every_stem_has_a_word(caption: str) -> None:
    analyze = analyzer(DEFAULT)
    tokens = analyze(caption)
    words = words_of_tokens(caption, tokens, analyze)
    assert words.keys() == set(plain_words(tokens)) and all(words.values())


def test_marks_count_code_points() -> None:
    caption = "🐕 a dog's Frisbee"
    analyze = analyzer(DEFAULT)
    assert [caption[a:b] for a, b in spans(caption, analyze("dogs frisbees"), analyze)] == [
        "dog's",
        "Frisbee",
    ]


@pytest.mark.parametrize("name", [DEFAULT, "words/1"])
@pytest.mark.parametrize(
    "word", ["कुत्ता", "ภาพสุนัข", "நாய்", "été", "e\u0301te\u0301", "d'e\u0301te\u0301", "10:30", "dog/cat", "C++"]
)
def test_words_of_all_scripts_are_marked_and_named(word: str, name: str) -> None:
    caption = f"A photo: “{word}”, at sea."
    analyze = analyzer(name)
    tokens = analyze(word)
    assert [caption[start:end] for start, end in spans(caption, tokens, analyze)] == [word]
    assert set(words_of_tokens(caption, tokens, analyze).values()) == {word.lower()}


def test_words_without_a_space_between_are_marked_apart() -> None:
    caption = "a dog,cat and man—horse"
    analyze = analyzer("english/1")
    tokens = analyze("cat horse")
    assert [caption[start:end] for start, end in spans(caption, tokens, analyze)] == ["cat", "horse"]
    assert words_of_tokens(caption, tokens, analyze) == {"cat": "cat", "hors": "horse"}


def test_shared_words_are_marked_as_they_are_written() -> None:
    pieces = marked("Two dogs, running.", {"dog", "run"}, analyzer("english/1"))
    assert [piece for piece, mark in pieces if mark] == ["dogs,", "running."]
    assert "".join(piece for piece, _ in pieces) == "Two dogs, running."


def test_tokens_are_spoken_in_the_captions_words() -> None:
    assert spoken({"dog", "ski", "unseen"}, "A Dog, skiing.", analyzer("english/1")) == [
        "dog",
        "skiing",
        "unseen",
    ]


def test_words_without_a_space_between_are_spoken_apart() -> None:
    index = MemoryIndex([CaptionRecord("i", "two dogs,cats and (dog)house")], "english/2")
    results = Searcher(index, NamingCaptioner).text("a horse,cow near dogs,cats by a (dog)house")
    why = reasons(results.hits[0], analyzer("english/2"))
    assert (why.shared, why.lacks) == (["dogs", "cats", "house"], ["horse", "cow"])


@pytest.mark.parametrize("word", ["été", "e\u0301te\u0301", "“été”"])
def test_a_word_is_named_itself_however_it_is_written(word: str) -> None:
    analyze = analyzer("english/2")
    assert spoken(analyze(word), f"a {word}", analyze) == [word.strip("“”")]


def test_a_word_shared_in_part_is_shared() -> None:
    index = MemoryIndex([CaptionRecord("i", "a puppy on a sofa")], "english/2")
    results = Searcher(index, NamingCaptioner).text("a dog on a sofa")
    why = reasons(results.hits[0], analyzer("english/2"))
    assert why.shared[0] == "sofa"
    assert all("*" not in word for word in (*why.shared, *why.lacks, *why.adds))
    assert "sofa" not in (*why.lacks, *why.adds)
    assert "*" not in table(results, color=False)


@given(texts, st.integers(1, 20))
def test_cut_text_fits(text: str, width: int) -> None:
    assert columns(shorten(clean(text), width)) <= width
    assert columns(shorten_start(clean(text), width)) <= width


def test_wide_and_combining_characters_are_measured() -> None:
    assert [columns("海滩"), columns("e\u0301"), columns("dog")] == [4, 1, 3]


@given(texts, st.integers(4, 30), st.integers(1, 4))
def test_wrapped_words_fit_and_only_a_cut_loses_any(text: str, width: int, most: int) -> None:
    words = [(word, False) for word in clean(text).split()]
    lines = wrap(words, width, most)
    assert len(lines) <= most
    assert all(columns(" ".join(word for word, _ in line)) <= width for line in lines)
    flat = [word for line in lines for word, _ in line]
    if "…" not in "".join(flat):
        assert flat == [word for word, _ in words]


def test_what_a_word_only_implies_is_named_with_the_word() -> None:
    analyze = analyzer("english/2")
    caption = "a puppy sleeps"
    assert "dog" in analyze(caption)
    assert spoken(frozenset({"dog"}), caption, analyze) == ["dog (implied by puppy)"]
    assert spoken(frozenset({"puppi", "dog"}), caption, analyze) == ["puppy"]


def test_a_stem_that_is_only_implied_is_spelled_as_a_word() -> None:
    analyze, caption = analyzer("english/2"), "food in a restaurant"
    assert "tabl" in analyze(caption)
    assert spoken({"food", "tabl"}, caption, analyze) == ["food", "table (implied by restaurant)"]
    assert words_of_tokens(caption, {"food", "tabl"}, analyze) == {"food": "food", "tabl": "table"}


@pytest.mark.parametrize(
    ("caption", "tokens", "words"),
    [
        ("a man in a helmet", {"man"}, ["man"]),
        ("a helmet on a man", {"man"}, ["man"]),
        ("a puppy and a dog", {"dog", "dog*2", "dog*3"}, ["dog"]),
        ("a dog, a puppy", {"dog", "puppi", "puppi*2"}, ["dog", "puppy"]),
        ("men near a helmet, men", {"men", "man"}, ["men", "man (implied by helmet)"]),
    ],
)
def test_a_word_that_implies_another_does_not_stand_for_it_where_that_is_said(
    caption: str, tokens: set[str], words: list[str]
) -> None:
    assert spoken(tokens, caption, analyzer("english/2")) == words


def test_a_word_that_implies_another_is_not_marked_for_it_where_that_is_said() -> None:
    analyze = analyzer("english/2")
    for caption in ("a man, in a (helmet)", "a helmet on a man"):
        assert [caption[start:end] for start, end in spans(caption, {"man"}, analyze)] == ["man"]
        assert [piece for piece, mark in marked(caption, {"man"}, analyze) if mark] in (["man,"], ["man"])
    assert [piece for piece, mark in marked("a (helmet) lies", {"man"}, analyze) if mark] == ["(helmet)"]


def test_no_word_is_shared_and_added_at_once() -> None:
    index = MemoryIndex([CaptionRecord("i", "a man in a helmet is riding a bike")], "english/2")
    hit = Searcher(index, NamingCaptioner).text("a man is riding a bike").hits[0]
    analyze = analyzer("english/2")
    assert reasons(hit, analyze).adds == ["helmet"]
    marks = [piece for piece, mark in marked(hit.caption, hit.shared, analyze) if mark]
    assert marks == reasons(hit, analyze).shared == ["man", "riding", "bike"]


def test_what_nobody_said_stands_apart_from_what_was_said() -> None:
    tokens = frozenset({"couch", "zebra", "stand", "live", "room"})
    analyze = analyzer("english/2")
    caption = "a Zebra in a living room near couches"
    assert said(tokens, caption, analyze) == ["zebra", "living", "room", "couches"]
    assert implied(tokens, caption, analyze) == {"stand": "zebra"}
    assert implied(tokens, "couches, a zebra", analyze) == {
        "live": "couches",
        "room": "couches",
        "stand": "zebra",
    }


@pytest.mark.parametrize("word", ["dogs,", "two-tone.", "'cat'"])
def test_words_that_punctuation_sticks_to_are_marked_and_named(word: str) -> None:
    """As the tokens of the student's project are."""
    caption, analyze = f"a {word} here", analyzer("seed/1")
    assert [caption[start:end] for start, end in spans(caption, {word}, analyze)] == [word]
    assert spoken({word}, caption, analyze) == [word]
