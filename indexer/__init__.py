"""Captions -> documents in an index, embedded or on Elasticsearch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from captioner.version import version_attribute
from indexer.contract import CaptionIndex, Draft, View
from indexer.errors import (
    ContactLostError,
    IndexBusyError,
    IndexClosedError,
    IndexDamagedError,
    IndexerError,
    IndexIncompleteError,
    IndexLockedError,
    IndexMismatchError,
    IndexNotFoundError,
    IndexReadOnlyError,
    IndexUnavailableError,
    RequestRefusedError,
)
from indexer.index import open_index
from indexer.records import (
    AddReport,
    Candidate,
    Candidates,
    CaptionRecord,
    Document,
    Filters,
    IndexStatus,
    Position,
    Query,
    Rejected,
)

if TYPE_CHECKING:
    __version__: str
else:
    __getattr__ = version_attribute(__name__)

__all__ = [
    "AddReport",
    "Candidate",
    "Candidates",
    "CaptionIndex",
    "CaptionRecord",
    "ContactLostError",
    "Document",
    "Draft",
    "Filters",
    "IndexBusyError",
    "IndexClosedError",
    "IndexDamagedError",
    "IndexIncompleteError",
    "IndexLockedError",
    "IndexMismatchError",
    "IndexNotFoundError",
    "IndexReadOnlyError",
    "IndexStatus",
    "IndexUnavailableError",
    "IndexerError",
    "Position",
    "Query",
    "Rejected",
    "RequestRefusedError",
    "View",
    "__version__",
    "open_index",
]
