"""Tokens -> ranked images: exact Jaccard search over captions, and proof that nothing better was missed."""

from __future__ import annotations

from indexer.records import Filters
from search.asked import Asked
from search.errors import QueryError, SearchError
from search.hits import Hit, Results
from search.searcher import IndexedImage, Searcher

__all__ = [
    "Asked",
    "Filters",
    "Hit",
    "IndexedImage",
    "QueryError",
    "Results",
    "SearchError",
    "Searcher",
]
