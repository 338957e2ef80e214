"""Word vectors from GloVe's text, and from the student project's pickled matrix."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from captioner.errors import DataError
from captioner.train.word_vectors import WordVectors
from tests.captioner.original import pickled_vocabulary
from tests.captioner.worlds import WORDS


def test_words_with_blanks_in_them_end_nothing(tmp_path: Path) -> None:
    """As in glove.840B.300d.txt; "a name@domain.com" is no vector of "a"."""
    (tmp_path / "glove.txt").write_text(". . . 1 2\na name@domain.com 3 4\na 5 6\nsky 7 -0.5\n")
    rows = WordVectors(tmp_path / "glove.txt").matrix(WORDS, 2)
    assert rows[WORDS.id("a")].tolist() == [5, 6] and rows[WORDS.id("sky")].tolist() == [7, -0.5]


@pytest.mark.parametrize(
    ("size", "message"),
    [(3, "vectors of 2 numbers; 3 are expected"), (1, "has a vector of 1 numbers for none of the 16 words")],
)
def test_vectors_of_another_size_are_refused(size: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "glove.txt").write_text("sky 1 2\n")
    with pytest.raises(DataError, match=message):
        WordVectors(tmp_path / "glove.txt").matrix(WORDS, size)


def test_vectors_of_what_is_no_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "glove.txt").write_text("sky nan 1\n")
    with pytest.raises(DataError, match="the vector of 'sky' holds what is no number"):
        WordVectors(tmp_path / "glove.txt").matrix(WORDS, 2)


def test_word_vectors_are_found_by_word_in_a_pickled_matrix_too(tmp_path: Path) -> None:
    theirs = [*WORDS.words[:4], "sky", "moon", "wall"]
    (tmp_path / "vocab.pkl").write_bytes(pickled_vocabulary(theirs))
    (tmp_path / "weights_matrix.pkl").write_bytes(pickle.dumps([[float(n), -1.0] for n in range(7)]))
    vectors = WordVectors(tmp_path / "weights_matrix.pkl", tmp_path / "vocab.pkl")
    rows = vectors.matrix(WORDS, 2)
    assert rows[WORDS.id("wall")].tolist() == [6.0, -1.0]
    assert torch.equal(rows, vectors.matrix(WORDS, 2))
    with pytest.raises(DataError, match="vectors of 2 numbers; 5 are expected"):
        vectors.matrix(WORDS, 5)
    with pytest.raises(DataError, match="not GloVe's text"):
        WordVectors(tmp_path / "weights_matrix.pkl").matrix(WORDS, 2)
