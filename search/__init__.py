"""Tokens -> ranked images: exact Jaccard search over captions, and proof that nothing better was missed."""

from __future__ import annotations

from search.errors import QueryError, SearchError
from search.hits import Hit, Results
from search.searcher import Searcher

__all__ = ["Hit", "QueryError", "Results", "SearchError", "Searcher"]
