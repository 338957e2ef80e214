"""From stored bytes to texts and objects, many at a time: what `decoder` does faster where it is compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from indexer.embedded.dtypes import Integers, UInt8

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


def make_many(kind: Callable[..., _T], names: Sequence[str], columns: Sequence[list[Any]]) -> list[_T]:
    """Frozen dataclasses of this kind, whose fields have these names, from a column for each field.

    Each column is a list. A frozen dataclass calls a method for each of its fields, which takes longer for a
    record than to read it; the compiled twin sets the same fields without these calls.
    """
    return list(map(kind, *columns))
