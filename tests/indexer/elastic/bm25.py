"""The engine's score of a caption by one field of near_dice, computed as Lucene's BM25Similarity does."""

from __future__ import annotations

import numpy as np

from indexer.elastic.near_dice import indexed_size

_one = np.float32(1.0)


def bm25(overlap: int, n: int, percent: int, mean: float, idf: float = 1.7) -> float:
    """A sum of `overlap` equal float32 numbers, rounded to float32 once; 0.0 without overlap."""
    k1, average, weight = np.float32(100 / percent), np.float32(mean), np.float32(idf)
    inverse = _one / (k1 * np.float32(indexed_size(n)) / average)
    return float(np.float32(overlap * float(weight - weight / (_one + inverse))))
