"""What can go wrong in the captioner; every message is one line for a person to act on."""

from __future__ import annotations

from collections.abc import Iterable
from reprlib import repr as shortened


class CaptionerError(Exception):
    """Root of this package's errors."""


class PhotoError(CaptionerError):
    """A photo that cannot be read or decoded safely."""


class ModelError(CaptionerError):
    """A model that is missing, damaged, or does not fit its vocabulary or configuration."""


class DataError(CaptionerError):
    """A data set (annotations, splits, features) that cannot be used as given."""


class LostProcessError(CaptionerError):
    """Another of the processes that train together, which answers no more."""


class AnalyzerError(CaptionerError):
    """An analyzer name that this version does not know."""


def check_listed(given: object, what: str, error: type[Exception]) -> None:
    """Raise `error` for one thing where many are taken: a text's letters would be taken for them."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise error(f"give {what} as a list, also a single one: [{shortened(given)}]")
