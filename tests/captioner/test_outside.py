"""Text from outside on a terminal, in a picture and in a page: nothing of it commands, and all else stays."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.outside import clean, error_text, one_line, printable

COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467.jpg"

texts = st.text(st.characters(exclude_categories=()), max_size=60)  # lone surrogates, too


@pytest.mark.parametrize("show", [printable, clean])
def test_words_of_any_script_and_joined_emoji_stay_whole(show: Callable[[str], str]) -> None:
    for text in ("caf\u00e9 \u72ac.jpg", FAMILY, "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"):
        assert show(text) == text


def test_a_name_shows_what_it_holds() -> None:
    assert printable("a\nb\x1b[31m\udcff\u202egpj") == r"a\nb\x1b[31m\udcff\u202egpj"
    assert printable("two  spaces\u00a0wide") == "two  spaces\u00a0wide"


def test_a_sentence_is_one_line_with_a_mark_where_something_was() -> None:
    assert clean("a\n dog\x1b[31m\u202ereversed\u00a0here") == "a dog\ufffd[31m\ufffdreversed here"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (ValueError("a" * 10_000), "a" * 200),
        (KeyError("name"), "'name'"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_error_of_others_is_one_short_line(error: Exception, text: str) -> None:
    assert error_text(error) == text


def test_what_another_program_says_is_one_short_line() -> None:
    assert one_line(" not\n  ready\t", 100) == "not ready"
    assert one_line("many words " * 10**6, 15) == "many words many"


@given(texts)
def test_what_is_shown_commands_nothing_and_can_be_written(text: str) -> None:
    for show in (printable, clean):
        shown = show(text)
        assert not COMMANDS.search(shown)
        assert show(shown) == shown
        shown.encode()
