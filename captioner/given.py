"""What a caller gives, looked at before anything is done with it."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from reprlib import repr as shortened


def check_listed(given: object, what: str, error: type[Exception]) -> None:
    """Raise `error` for one thing where many are taken: a text's letters would be taken for them."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise error(f"give {what} as a list, also a single one: [{shortened(given)}]")


def is_number(given: object, kind: type[Integral] | type[Real]) -> bool:
    """NumPy's, too; but True, which counts as 1 in Python, nobody means so."""
    return isinstance(given, kind) and not isinstance(given, bool)
