"""Captions -> documents in an index, embedded or on Elasticsearch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from captioner.version import version_attribute
from indexer.contract import CaptionIndex
from indexer.errors import IndexerError, IndexLockedError, IndexNotFoundError
from indexer.index import open_index
from indexer.records import CaptionRecord, Filters

if TYPE_CHECKING:
    __version__: str
else:
    __getattr__ = version_attribute(__name__)

__all__ = [
    "CaptionIndex",
    "CaptionRecord",
    "Filters",
    "IndexLockedError",
    "IndexNotFoundError",
    "IndexerError",
    "__version__",
    "open_index",
]
