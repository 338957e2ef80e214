"""A stream of any length, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")


def batches(things: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """All things in their order, `size` at a time; the last batch may have fewer."""
    iterator = iter(things)
    while batch := list(islice(iterator, size)):
        yield batch
