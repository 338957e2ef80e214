"""Word vectors made elsewhere (GloVe) for a decoder's embedding.

Source: Pennington, Socher and Manning, "GloVe: Global Vectors for Word Representation" (EMNLP 2014).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from captioner.errors import DataError
from captioner.legacy.checkpoints import legacy_vocabulary
from captioner.legacy.unpickle import read_matrix
from captioner.vocabulary import Vocabulary

_SPREAD = 0.6  # standard deviation of the random vectors of words that have none; the student project's


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Either GloVe's own text file (`word 0.1 -0.2 ...` a line), or a pickled matrix and its vocab.pkl."""

    path: Path
    vocabulary: Path | None = None  # whose words the matrix's rows belong to

    def matrix(self, words: Vocabulary, size: int, seed: int = 0) -> Tensor:
        """(words, size): each word's vector; a seeded random one where it has none.

        Raises DataError, and ModelError for a pickled matrix or vocabulary that cannot be read.
        """
        generator = torch.Generator().manual_seed(seed)
        rows = _SPREAD * torch.randn(len(words), size, generator=generator)
        found = 0
        for word, vector in self._vectors(words, size):
            if len(vector) != size:
                raise DataError(f"{self.path}: vectors of {len(vector)} numbers; {size} are expected")
            if not bool(vector.isfinite().all()):
                raise DataError(f"{self.path}: the vector of {word!r} holds what is no number")
            rows[words.id(word)] = vector
            found += 1
        if not found:
            raise DataError(f"{self.path}: has a vector of {size} numbers for none of the {len(words)} words")
        return rows

    def _vectors(self, words: Vocabulary, size: int) -> Iterator[tuple[str, Tensor]]:
        if self.vocabulary is None:
            yield from self._lines(words, size)
            return
        theirs, matrix = legacy_vocabulary(self.vocabulary), read_matrix(self.path)
        if len(theirs) != len(matrix):
            raise DataError(f"{self.path}: has {len(matrix)} rows, and {self.vocabulary} {len(theirs)} words")
        yield from ((word, row) for word, row in zip(theirs.words, matrix, strict=True) if word in words)

    def _lines(self, words: Vocabulary, size: int) -> Iterator[tuple[str, Tensor]]:
        """Words and vectors of GloVe's text; lines are split from the right, as words may hold blanks."""
        try:
            with self.path.open(encoding="utf-8") as lines:
                for line in lines:
                    if line.partition(" ")[0] not in words:  # splitting costs thirty times as much
                        continue
                    word, *numbers = line.rstrip().rsplit(" ", size)
                    if word in words:
                        yield word, torch.tensor([float(number) for number in numbers])
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self.path}: not GloVe's text ({error}); a pickled matrix needs its vocab.pkl too"
            ) from None
