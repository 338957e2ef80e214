"""What corrections cost the embedded engine: not more than so much, whatever its vocabulary."""

from __future__ import annotations

from itertools import islice, permutations
from pathlib import Path

import pytest
from nltk.metrics import distance

from indexer import open_index
from indexer.contract import CaptionIndex
from indexer.embedded import misspelt
from indexer.embedded.dtypes import Integers
from indexer.embedded.strings import Strings
from indexer.records import CaptionRecord


def index_of(folder: Path, words: list[str]) -> CaptionIndex:
    index = open_index(folder, create=True)
    index.add(CaptionRecord(f"i{number}", word) for number, word in enumerate(words))
    return index


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens to which the edits have been counted."""
    tokens, count = list[str](), distance.edit_distance

    def counting(token: str, other: str, transpositions: bool) -> int:
        tokens.append(other)
        return int(count(token, other, transpositions=transpositions))

    monkeypatch.setattr(distance, "edit_distance", counting)
    return tokens


def test_edits_are_counted_to_a_few_tokens_only(tmp_path: Path, counted: list[str]) -> None:
    alike = ["a" + "".join(letters) for letters in islice(permutations("bcdghkmp"), 3000)]
    index = index_of(tmp_path / "index", [*alike, "abcdghkmpr"])
    assert len(index.corrections(["abcdghkmpx"])["abcdghkmpx"]) == 3
    assert 0 < len(counted) <= 100


def test_the_tokens_with_the_same_letters_are_among_the_few(tmp_path: Path, counted: list[str]) -> None:
    others = [f"fris{one}{two}ee" for one in "acdefghijklmnop" for two in "acdefghijklmnopqrst"]
    index = index_of(tmp_path / "index", [*others, "frisbee"])
    assert "frisbe" in index.corrections(["frizbe"])["frizbe"]
    assert counted


def test_a_letter_of_several_bytes_is_one_edit_too(tmp_path: Path) -> None:
    index = index_of(tmp_path / "index", ["dôg", "tree"])
    assert index.corrections(["dug", "trée"]) == {"dug": ("dôg",), "trée": ("tree",)}


def test_few_tokens_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = ["a" + "".join(letters) for letters in islice(permutations("bcdghkmp"), 3000)]
    index = index_of(tmp_path / "index", [*tokens, "abcdghkmprx"])
    decoded, many = list[str](), Strings.many

    def noting(strings: Strings, places: Integers) -> list[str]:
        found = many(strings, places)
        decoded.extend(found)
        return found

    monkeypatch.setattr(Strings, "many", noting)
    assert index.corrections(["abcdghkmpx"])["abcdghkmpx"]
    assert 0 < len(decoded) <= 1000
    assert "abcdghkmprx" in decoded, "the letters of some others differ more"


def test_what_is_no_vocabulary_of_a_language_is_not_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = index_of(tmp_path / "index", ["dog", "door", "dress", "cat"])
    monkeypatch.setattr(misspelt, "_LOOKED_THROUGH", 3)
    assert index.corrections(["dgo", "kat", "caat"]) == {"caat": ("cat",)}
