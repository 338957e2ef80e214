"""Tokens -> ranked images: exact Jaccard search over captions, and proof that nothing better was missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from captioner.version import version_attribute
from indexer.records import Filters
from search.asked import Asked
from search.errors import NoImageError, NoWordError, QueryError, SearchError
from search.hits import Answer, Hit, Results
from search.jaccard import Explanation, Similarity
from search.photo_question import IndexedImage
from search.searcher import Searcher
from search.wanted import Options

if TYPE_CHECKING:
    __version__: str
else:
    __getattr__ = version_attribute(__name__)

__all__ = [
    "Answer",
    "Asked",
    "Explanation",
    "Filters",
    "Hit",
    "IndexedImage",
    "NoImageError",
    "NoWordError",
    "Options",
    "QueryError",
    "Results",
    "SearchError",
    "Searcher",
    "Similarity",
    "__version__",
]
