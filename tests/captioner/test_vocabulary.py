"""Words and their ids."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import ModelError
from captioner.vocabulary import SPECIALS, UNK, Vocabulary

words = st.lists(st.text(min_size=1, max_size=6), unique=True).map(
    lambda found: [word for word in found if word not in SPECIALS]
)


@given(words)
def test_words_of_any_script_come_back_from_their_ids(given_words: list[str]) -> None:
    vocabulary = Vocabulary([*SPECIALS, *given_words])
    assert vocabulary.decode(vocabulary.encode(given_words)) == given_words


def test_frequent_words_come_first_and_rare_ones_are_unknown() -> None:
    captions = [["a", "dog"], ["a", "cat"], ["a", "dog"], ["Größe"]]
    vocabulary = Vocabulary.build(captions, 2)
    assert vocabulary.words == (*SPECIALS, "a", "dog")
    assert vocabulary.id("cat") == UNK and "cat" not in vocabulary
    assert vocabulary.decode([4, 3, 5, 2, 4]) == ["a", "dog"]


def test_a_file_keeps_words_and_digest(tmp_path: Path) -> None:
    vocabulary = Vocabulary([*SPECIALS, "狗", "café", 'quo"te', "собака"])
    vocabulary.save(tmp_path / "vocab.json")
    again = Vocabulary.load(tmp_path / "vocab.json")
    assert again.words == vocabulary.words and again.digest == vocabulary.digest
    assert again.digest != Vocabulary([*SPECIALS, "café", "狗", 'quo"te', "собака"]).digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a vocabulary"),
        ('{"a": 1}', "a JSON list of words"),
        ('["a"]', "a vocabulary begins with"),
        ('["<pad>", "<start>", "<end>", "<unk>", "a", "a"]', "the word 'a' stands twice"),
        ('["<pad>", "<start>", "<end>", "<unk>", "\\ud800"]', r"the word '\\ud800' is no text"),
    ],
)
def test_other_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text(text)
    with pytest.raises(ModelError, match=rf"vocab\.json: .*{message}"):
        Vocabulary.load(tmp_path / "vocab.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"vocab\.json: the vocabulary is missing"):
        Vocabulary.load(tmp_path / "vocab.json")
