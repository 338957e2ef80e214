"""How alike two photos are by the captions that people wrote for both: CIDEr between the two sets.

Source: Vedantam, Zitnick and Parikh, CIDEr (CVPR 2015), equations 1-3: tf-idf vectors of n-grams of 1 to
4 words, cosine between captions, averaged over all pairs and over n, times 10. The mean of cosines over
pairs is the dot product of the mean unit vectors, so that all photos are compared by one sparse product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from captioner.tokens import words
from search.evaluation.data import Captions
from search.evaluation.extra import extra

_LONGEST = 4
#: Gains are kept in thousandths, as trec_eval takes whole numbers; below this they count as none.
LEAST = 100


def cider_relevance(queries: Captions, archive: Captions) -> dict[str, dict[str, int]]:
    """query photo -> photo of the archive -> 1000 x CIDEr, where that is `LEAST` or more."""
    total: Any = 0.0
    for length in range(1, _LONGEST + 1):
        known, rarity = _rarity(archive, length)
        total = total + _vectors(queries, length, known, rarity) @ _vectors(archive, length, known, rarity).T
    gains = (total * (10_000.0 / _LONGEST)).tocsr()
    names = list(archive)
    relevance: dict[str, dict[str, int]] = {}
    for row, query in enumerate(queries):
        part = slice(gains.indptr[row], gains.indptr[row + 1])
        values = np.rint(gains.data[part]).astype(int)
        relevance[query] = {
            names[column]: int(value)
            for column, value in zip(gains.indices[part], values, strict=True)
            if value >= LEAST and names[column] != query
        }
    return relevance


def _grams(caption: str, length: int) -> list[tuple[str, ...]]:
    found = words(caption)
    return [tuple(found[start : start + length]) for start in range(len(found) - length + 1)]


def _rarity(archive: Captions, length: int) -> tuple[dict[tuple[str, ...], int], Any]:
    seen: Counter[tuple[str, ...]] = Counter()
    for captions in archive.values():
        seen.update({gram for caption in captions for gram in _grams(caption, length)})
    return {gram: number for number, gram in enumerate(seen)}, np.log(
        len(archive) / np.array(list(seen.values()) or [1], float)
    )


def _vectors(photos: Captions, length: int, known: dict[tuple[str, ...], int], rarity: Any) -> Any:
    """(photos, n-grams): the mean of each photo's unit caption vectors."""
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    for row, captions in enumerate(photos.values()):
        for caption in captions:
            numbers, weights = _unit(_grams(caption, length), known, rarity)
            rows += [row] * len(numbers)
            columns += numbers
            values += [weight / len(captions) for weight in weights]
    sparse: Any = extra("scipy.sparse")
    return sparse.csr_matrix((values, (rows, columns)), shape=(len(photos), max(len(known), 1)))


def _unit(
    grams: Sequence[tuple[str, ...]], known: dict[tuple[str, ...], int], rarity: Any
) -> tuple[list[int], list[float]]:
    counts = Counter(known[gram] for gram in grams if gram in known)
    weights = np.array(list(counts.values()), float) * rarity[list(counts)] if counts else np.zeros(0)
    norm = float(np.linalg.norm(weights))
    return (list(counts), list(weights / norm)) if norm else ([], [])
