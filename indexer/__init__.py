"""Captions -> documents in an index, embedded or on Elasticsearch."""

from __future__ import annotations

from indexer.contract import CaptionIndex
from indexer.errors import IndexerError, IndexLockedError, IndexNotFoundError
from indexer.index import open_index
from indexer.records import CaptionRecord, Filters

__all__ = [
    "CaptionIndex",
    "CaptionRecord",
    "Filters",
    "IndexLockedError",
    "IndexNotFoundError",
    "IndexerError",
    "open_index",
]
