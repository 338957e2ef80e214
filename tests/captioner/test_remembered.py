"""What is remembered of words, and what is not."""

from __future__ import annotations

import pytest

from captioner import remembered
from captioner.remembered import LONGEST, Remembered


def test_a_short_word_is_made_once_and_a_longer_one_leaves_nothing() -> None:
    made: list[str] = []

    def make(word: str) -> str:
        made.append(word)
        return word.upper()

    short, long = "z" * LONGEST, "z" * (LONGEST + 1)
    of_words = Remembered(make)
    for word in (short, long) * 2:
        assert of_words[word] == word.upper()
    assert made == [short, long, long]
    assert list(of_words) == [short]


def test_there_are_never_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MOST", 3)
    of_words = Remembered(len)
    for number in range(10):
        assert of_words[f"w{number}"] == 2
        assert len(of_words) <= 3
