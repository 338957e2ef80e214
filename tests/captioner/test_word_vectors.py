"""Word vectors from GloVe's text, and from the student project's pickled matrix."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from captioner.errors import DataError
from captioner.word_vectors import WordVectors
from tests.captioner.test_legacy import pickled_vocabulary
from tests.captioner.worlds import WORDS


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
