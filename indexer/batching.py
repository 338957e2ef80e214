"""A stream of any length, taken some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")


def batches(things: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """All of them in their order, `size` at a time; the last batch has what is left."""
    iterator = iter(things)
    while batch := list(islice(iterator, size)):
        yield batch
