"""What a caller gives, looked at before anything is done with it: a wrong value gets one line that says so.

Each takes the error to raise, so that a search says the same of the same value as the index below it.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from reprlib import repr as shortened
from typing import TypeVar

from captioner.given import check_listed, is_number
from indexer.errors import IndexerError

#: Elasticsearch takes no higher one.
HIGHEST_SEED = 2**31 - 1
_T = TypeVar("_T")


def listed(
    given: Iterable[_T],
    what: str = "image ids",
    error: type[Exception] = IndexerError,
    kind: type[object] = str,
) -> list[_T]:
    """All that was given, each of the kind. Raises `error`, also for one text: its letters are several."""
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
    """A number of 1 or more; raises `error` for any other."""
    if not (is_number(given, Integral) and given >= 1):
        raise error(f"{what}, a whole number of 1 or more, not {shortened(given)}")
    return int(given)  # one of NumPy's may be too narrow to reckon with


def seed_of(given: int | None, error: type[Exception] = IndexerError) -> int | None:
    """What a draw is repeated by, if by anything; raises `error` for a number that not both engines take."""
    if given is None:
        return None
    if not (is_number(given, Integral) and 0 <= given <= HIGHEST_SEED):
        raise error(f"a seed is a whole number from 0 to {HIGHEST_SEED:,}, not {shortened(given)}")
    return int(given)


def least_score(given: float, error: type[Exception] = IndexerError) -> float:
    """A Jaccard similarity to be reached; raises `error` for what is none."""
    if not (is_number(given, Real) and 0.0 <= given <= 1.0):
        raise error(f"a least score is from 0 to 1, not {shortened(given)}")
    return float(given)


def check_tokens(given: object, error: type[Exception] = IndexerError) -> None:
    """Raises `error` for what is no set of tokens: a text's letters would be searched for."""
    if not isinstance(given, frozenset):
        raise error(f"tokens are given as a frozenset, not {shortened(given)}")
    for one in given:
        if not isinstance(one, str):
            raise error(f"tokens are given here as text, not {shortened(one)}")
