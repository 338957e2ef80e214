"""What can go wrong while searching; every message is one line for a person to act on."""

from __future__ import annotations


class SearchError(Exception):
    """Root of this package's errors."""


class QueryError(SearchError):
    """A query that cannot be answered: nothing to search for, a bad cursor, an unknown image."""


class EvaluationError(SearchError):
    """An evaluation whose data, packages or files are missing or do not fit together."""
