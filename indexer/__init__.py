"""Captions -> documents in an index, embedded or on Elasticsearch."""

from __future__ import annotations

from indexer.contract import CaptionIndex
from indexer.errors import IndexerError
from indexer.index import open_index
from indexer.records import CaptionRecord, Filters

__all__ = ["CaptionIndex", "CaptionRecord", "Filters", "IndexerError", "open_index"]
