"""Rows -> the arrays of a segment.

Captions with equal token sets are folded into one *set*; sets are numbered by (size, smallest image id),
rows by (set, image id). So the sets of one size are neighbours, and among sets of equal score the first are
those with the smallest image ids. Postings: for every token the ascending numbers of the sets that hold it,
hence by size too.
"""

from __future__ import annotations

import numpy as np

from indexer.embedded.dtypes import Bool, Int64, Integers, UInt64
from indexer.embedded.rows import COLUMNS, Rows
from indexer.embedded.strings import Strings

#: Seed of the random numbers that token sets are hashed with while folding; any will do.
_HASH_SEED = 0x5E7


def _smallest(array: Integers, top: int | None = None) -> Integers:
    """The array in the narrowest unsigned type that holds it (and `top`)."""
    largest = int(array.max(initial=0)) if top is None else top
    kind = (
        np.uint8
        if largest < 1 << 8
        else np.uint16
        if largest < 1 << 16
        else np.uint32
        if largest < 1 << 32
        else np.uint64
    )
    return array.astype(kind)


def _strings(name: str, table: Strings) -> dict[str, Integers]:
    return {f"{name}.blob": table.blob, f"{name}.starts": _smallest(table.starts)}


def _fold(matrix: Int64, images: Int64, weights: UInt64) -> tuple[Int64, Bool]:
    """Order of the rows of one size, and which of them begin a new set.

    Rows are brought together by a hash of their tokens and compared in full. Two sets of one hash, which is
    unheard of, could interleave: then equal sets are folded less, and nothing else changes.
    """
    # Sums of uint64 wrap around, which is what a hash wants.
    order = np.lexsort((images, weights[matrix].sum(axis=1, dtype=np.uint64)))
    matrix = matrix[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (matrix[1:] != matrix[:-1]).any(axis=1)
    # The first row of each set has its smallest image; number the sets by it.
    firsts = images[order[begins]]
    rank = np.empty(len(firsts), np.int64)
    rank[np.argsort(firsts, kind="stable")] = np.arange(len(firsts))
    row_rank = rank[np.cumsum(begins) - 1]
    again = np.argsort(row_rank, kind="stable")
    new = np.ones(len(order), bool)
    new[1:] = np.diff(row_rank[again]) > 0
    return order[again], new


def _sets(rows: Rows) -> tuple[Int64, dict[str, Integers]]:
    """The order of the rows, and the arrays that describe the sets."""
    images = rows.columns["image_id"].codes
    starts = np.cumsum(rows.sizes) - rows.sizes
    weights = np.random.default_rng(_HASH_SEED).integers(
        0, 1 << 64, len(rows.vocabulary), np.uint64, endpoint=False
    )
    by_size = np.argsort(rows.sizes, kind="stable")
    sizes, counts = np.unique(rows.sizes, return_counts=True)
    orders, firsts, tokens, class_sets, done = [], [], [], [0], 0
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        members = by_size[done : done + count]
        matrix = rows.tokens[starts[members][:, None] + np.arange(size)]
        order, new = _fold(matrix, images[members], weights)
        orders.append(members[order])
        firsts.append(np.flatnonzero(new) + done)
        tokens.append(matrix[order[new]].ravel())
        class_sets.append(class_sets[-1] + len(firsts[-1]))
        done += count
    arrays = {
        "class.sizes": sizes.astype(np.int64),
        "class.sets": np.array(class_sets, np.int64),
        "set.rows": _smallest(np.concatenate([*firsts, [done]])),
        "set.tokens": _smallest(np.concatenate(tokens), max(256, len(rows.vocabulary))),
    }
    return np.concatenate(orders), arrays


def postings_of(
    tokens: Integers, class_sizes: Integers, class_sets: Integers, vocabulary: int
) -> dict[str, Integers]:
    """For every token the sets that hold it, given the tokens of all sets."""
    sizes = np.repeat(class_sizes, np.diff(class_sets))
    holder = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    starts = np.zeros(vocabulary + 1, np.int64)
    np.cumsum(np.bincount(tokens, minlength=vocabulary), out=starts[1:])
    return {"posting.sets": holder[np.argsort(tokens, kind="stable")], "posting.starts": _smallest(starts)}


def _columns(rows: Rows, order: Int64) -> dict[str, Integers]:
    arrays: dict[str, Integers] = {}
    for name in COLUMNS:
        column = rows.columns[name].used()
        arrays |= _strings(name, column.values)
        # A column of one value needs no codes.
        codes = column.codes[order] if len(column.values) > 1 else np.zeros(0, np.int64)
        arrays[f"{name}.codes"] = _smallest(codes, len(column.values))
        arrays[f"{name}.counts"] = _smallest(np.bincount(column.codes, minlength=len(column.values)))
    return arrays


def segment_arrays(rows: Rows) -> dict[str, Integers]:
    """The arrays of a segment of one row or more."""
    order, arrays = _sets(rows)
    arrays |= _strings("vocabulary", rows.vocabulary)
    arrays |= postings_of(
        arrays["set.tokens"], arrays["class.sizes"], arrays["class.sets"], len(rows.vocabulary)
    )
    arrays |= _columns(rows, order)
    images = rows.columns["image_id"].used().codes[order]
    arrays["image.rows"] = _smallest(np.argsort(images, kind="stable"), len(rows))
    ids = rows.ids[order]
    by_id = np.lexsort((ids[:, 1], ids[:, 0]))
    arrays |= {"id.high": ids[by_id, 0], "id.low": ids[by_id, 1], "id.rows": _smallest(by_id, len(rows))}
    return arrays
