"""Checks of the values that callers give: for a wrong one, an error of one line that says what is wrong.

Each check takes the error class to raise, so that a search and the index below it say the same of a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from reprlib import repr as shortened
from typing import TypeVar

from captioner.given import check_listed, is_number
from indexer.errors import IndexerError

#: The highest seed that Elasticsearch takes.
HIGHEST_SEED = 2**31 - 1
_T = TypeVar("_T")


def listed(
    given: Iterable[_T],
    what: str = "image ids",
    error: type[Exception] = IndexerError,
    kind: type[object] = str,
) -> list[_T]:
    """The values as a list. Raises `error` for values of another `kind`, and for a text in place of a list.

    A text would be iterable, too, letter by letter.
    """
    check_listed(given, what, error)
    every = list(given)
    for one in every:
        if not isinstance(one, kind):
            name = "text" if kind is str else kind.__name__
            raise error(f"{what} are given here as {name}, not {shortened(one)}")
    return every


def whole(
    given: int, what: str = "limit is the number of captions wanted", error: type[Exception] = IndexerError
) -> int:
    """A whole number of 1 or more; raises `error` for any other value."""
    if not (is_number(given, Integral) and given >= 1):
        raise error(f"{what}, a whole number of 1 or more, not {shortened(given)}")
    return int(given)  # a NumPy number may be so narrow that calculations overflow


def seed_of(given: int | None, error: type[Exception] = IndexerError) -> int | None:
    """The seed of a random draw, or None; raises `error` for a seed that one of the engines does not take."""
    if given is None:
        return None
    if not (is_number(given, Integral) and 0 <= given <= HIGHEST_SEED):
        raise error(f"a seed is a whole number from 0 to {HIGHEST_SEED:,}, not {shortened(given)}")
    return int(given)


def least_score(given: float, error: type[Exception] = IndexerError) -> float:
    """The least Jaccard similarity of a hit; raises `error` for what is not a number from 0 to 1."""
    if not (is_number(given, Real) and 0.0 <= given <= 1.0):
        raise error(f"a least score is from 0 to 1, not {shortened(given)}")
    return float(given)


def check_tokens(given: object, error: type[Exception] = IndexerError) -> None:
    """Raises `error` for what is not a frozenset of texts: the letters of a text would be searched for."""
    if not isinstance(given, frozenset):
        raise error(f"tokens are given as a frozenset, not {shortened(given)}")
    for one in given:
        if not isinstance(one, str):
            raise error(f"tokens are given here as text, not {shortened(one)}")
