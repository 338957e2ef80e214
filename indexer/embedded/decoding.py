"""From stored numbers and bytes to captions, texts and objects, many at a time.

`decoder` does the same faster, where it is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from indexer.embedded.dtypes import Float64, Int32, Int64, Integers, UInt8
from indexer.embedded.token_sets import TokenSets

_T = TypeVar("_T")


def decode_many(blob: UInt8, starts: Integers, places: Integers) -> list[str]:
    """The texts at these places: text n has the bytes `blob[starts[n] : starts[n + 1]]`, in UTF-8.

    Raises IndexError for a place that is not there, and for a text that does not lie within the bytes, as in
    a damaged file; UnicodeDecodeError for bytes that are no text.
    """
    if len(places) and int(places.min()) < 0:
        raise IndexError(f"no text {places.min()}")
    begins, ends = starts[places].tolist(), starts[places.astype(np.int64) + 1].tolist()
    if not all(0 <= begin <= end <= len(blob) for begin, end in zip(begins, ends, strict=True)):
        raise IndexError("a text does not lie within the texts")
    data = memoryview(blob.data)
    return [str(data[begin:end], "utf-8", "surrogatepass") for begin, end in zip(begins, ends, strict=True)]


def locate(blob: UInt8, starts: Integers, wanted: bytes) -> tuple[int, bool]:
    """How many texts of a sorted table (see `decode_many`) are less than `wanted`, and whether it is one.

    UTF-8 sorts bytes as it sorts code points. Raises IndexError as `decode_many`.
    """
    low, high, found = 0, len(starts) - 1, False
    while low < high:
        middle = (low + high) // 2
        begin, end = starts.item(middle), starts.item(middle + 1)
        if not 0 <= begin <= end <= len(blob):
            raise IndexError(f"text {middle} does not lie within the texts")
        here = blob[begin:end].tobytes()
        if here < wanted:
            low = middle + 1
        else:
            high, found = middle, here == wanted
    return low, found


def make_many(kind: Callable[..., _T], names: Sequence[str], columns: Sequence[list[Any]]) -> list[_T]:
    """Frozen dataclasses of this kind, whose fields have these names, from a column for each field.

    Each column is a list. A frozen dataclass calls a method for each of its fields, which takes longer for a
    record than to read it; the compiled twin sets the same fields without these calls.
    """
    return list(map(kind, *columns))


def unfold(
    token_sets: TokenSets, sets: Int32, scores: Float64, images: Integers, most: int
) -> tuple[Float64, Integers, Int32, Int64]:
    """The first `most` (1 or more) captions that these sets stand for: the best first, equal ones by image.

    `images` has the image of every caption of the segment. Gives scores, images, sets and rows. Raises
    IndexError for a set that is not there, and ValueError for sets that hold more captions than there are, as
    in a damaged file.
    """
    # The images of a set's captions ascend, so no caption behind the first `most` of its set is wanted.
    rows, lengths = token_sets.rows_of(sets, most)
    scores, sets, images = scores.repeat(lengths), sets.repeat(lengths), images[rows]
    order = np.lexsort((images, -scores))[:most]
    return scores[order], images[order], sets[order], rows[order]


def decode_sets(
    token_sets: TokenSets, sets: Int32, blob: UInt8, starts: Integers, known: dict[int, str]
) -> list[frozenset[str]]:
    """The tokens of each of these sets: number n is the text n of a table (see `decode_many`).

    Those that were decoded before are in `known`, to which the others are added.
    """
    begins, sizes = token_sets.token_spans(sets)
    spans = zip(begins.tolist(), (begins + sizes).tolist(), strict=True)
    held = [token_sets.tokens[begin:end].tolist() for begin, end in spans]
    new = [token for token in {*chain.from_iterable(held)} if token not in known]
    known.update(zip(new, decode_many(blob, starts, np.array(new, np.int64)), strict=True))
    return [frozenset(map(known.__getitem__, tokens)) for tokens in held]
