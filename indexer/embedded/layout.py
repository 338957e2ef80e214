"""How a segment is laid out: from rows to its arrays.

Captions with equal token sets are folded into one *set*. Sets are numbered by size, then by their smallest
image id; rows by set, then by image id. So the sets of one size (a *size class*) are neighbours, and of sets
with equal score the lowest number has the smallest image id. The posting list of a token has the numbers of
the sets that hold it, ascending, hence by size too.
"""

from __future__ import annotations

import numpy as np

from indexer.embedded.dtypes import Bool, Int64, Integers, UInt64
from indexer.embedded.rows import COLUMNS, Rows
from indexer.embedded.strings import Strings

#: Seed of the random numbers that token sets are hashed with to fold them; any will do.
_HASH_SEED = 0x5E7


def _narrowed(array: Integers, largest: int | None = None) -> Integers:
    """The array in the narrowest unsigned type that holds `largest`, or else its own largest number."""
    return array.astype(np.min_scalar_type(int(array.max(initial=0)) if largest is None else largest))


def _strings(name: str, table: Strings) -> dict[str, Integers]:
    return {f"{name}.blob": table.blob, f"{name}.starts": _narrowed(table.starts)}


def _fold(matrix: Int64, images: Int64, weights: UInt64) -> tuple[Int64, Bool]:
    """The order of the rows of one size, and which of them, in this order, begin a new set.

    `matrix` has the tokens of a row in each row. Rows are sorted by a hash of their tokens, then neighbours
    are compared in full. Should two different sets ever have the same hash, their rows may alternate: then
    some equal sets are not folded, and nothing else changes.
    """
    # Sums of uint64 wrap around, as a hash may.
    by_hash = np.lexsort((images, weights[matrix].sum(axis=1, dtype=np.uint64)))
    matrix = matrix[by_hash]
    begins = np.ones(len(by_hash), bool)
    begins[1:] = (matrix[1:] != matrix[:-1]).any(axis=1)
    # The first row of each set has its smallest image; sets are numbered by it.
    first_images = images[by_hash[begins]]
    numbers = np.empty(len(first_images), np.int64)
    numbers[np.argsort(first_images, kind="stable")] = np.arange(len(first_images))
    set_of_row = numbers[np.cumsum(begins) - 1]
    by_set = np.argsort(set_of_row, kind="stable")
    new_set = np.ones(len(by_hash), bool)
    new_set[1:] = np.diff(set_of_row[by_set]) > 0
    return by_hash[by_set], new_set


def _set_arrays(rows: Rows) -> tuple[Int64, dict[str, Integers]]:
    """The order of the rows, and the arrays of size classes and sets."""
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
        order, new_set = _fold(matrix, images[members], weights)
        orders.append(members[order])
        firsts.append(np.flatnonzero(new_set) + done)
        tokens.append(matrix[order[new_set]].ravel())
        class_sets.append(class_sets[-1] + len(firsts[-1]))
        done += count
    arrays = {
        "class.sizes": sizes.astype(np.int64),
        "class.sets": np.array(class_sets, np.int64),
        "set.rows": _narrowed(np.concatenate([*firsts, [done]])),
        "set.tokens": _narrowed(np.concatenate(tokens), max(256, len(rows.vocabulary))),
    }
    return np.concatenate(orders), arrays


def posting_arrays(
    tokens: Integers, class_sizes: Integers, class_sets: Integers, vocabulary: int
) -> dict[str, Integers]:
    """The posting lists, made from the tokens of all sets; `vocabulary` is how many tokens there are."""
    sizes = np.repeat(class_sizes, np.diff(class_sets))
    set_of_token = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    starts = np.zeros(vocabulary + 1, np.int64)
    np.cumsum(np.bincount(tokens, minlength=vocabulary), out=starts[1:])
    by_token = np.argsort(tokens, kind="stable")
    return {"posting.sets": set_of_token[by_token], "posting.starts": _narrowed(starts)}


def _column_arrays(rows: Rows, order: Int64) -> dict[str, Integers]:
    arrays: dict[str, Integers] = {}
    for name in COLUMNS:
        column = rows.columns[name].used()
        arrays |= _strings(name, column.values)
        # A column of one value needs no codes.
        codes = column.codes[order] if len(column.values) > 1 else np.zeros(0, np.int64)
        arrays[f"{name}.codes"] = _narrowed(codes, len(column.values))
        arrays[f"{name}.counts"] = _narrowed(np.bincount(column.codes, minlength=len(column.values)))
    return arrays


def segment_arrays(rows: Rows) -> dict[str, Integers]:
    """The arrays of a segment of one row or more."""
    order, arrays = _set_arrays(rows)
    arrays |= _strings("vocabulary", rows.vocabulary)
    arrays |= posting_arrays(
        arrays["set.tokens"], arrays["class.sizes"], arrays["class.sets"], len(rows.vocabulary)
    )
    arrays |= _column_arrays(rows, order)
    images = rows.columns["image_id"].used().codes[order]
    arrays["image.rows"] = _narrowed(np.argsort(images, kind="stable"), len(rows))
    ids = rows.ids[order]
    by_id = np.lexsort((ids[:, 1], ids[:, 0]))
    arrays |= {"id.high": ids[by_id, 0], "id.low": ids[by_id, 1], "id.rows": _narrowed(by_id, len(rows))}
    return arrays
