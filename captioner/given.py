"""Check arguments that callers of all three packages give."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from reprlib import repr as shortened


def check_listed(given: object, what: str, error: type[Exception]) -> None:
    """Raise `error` for a single thing in place of a list; a text would be read as a list of its letters."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise error(f"give {what} as a list, also a single one: [{shortened(given)}]")


def is_number(given: object, kind: type[Integral] | type[Real]) -> bool:
    """Whether it is a number of this kind, Python's or NumPy's; True is none, though it counts as 1."""
    return isinstance(given, kind) and not isinstance(given, bool)
