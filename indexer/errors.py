"""What can go wrong while indexing; every message is one line for a person to act on.

`indexer.scrape.items` has two more, which end no command: what becomes of one address or one query of a
scrape is told in the words of its item.
"""

from __future__ import annotations


class IndexerError(Exception):
    """Root of this package's errors."""


class SourceError(IndexerError):
    """A source (annotations, JSONL, folder) that cannot be read; the message names file and line."""


class IndexNotFoundError(IndexerError):
    """There is no index at the place named."""


class IndexMismatchError(IndexerError):
    """The index was made with another analyzer or schema than the one asked for."""


class IndexLockedError(IndexerError):
    """Another process is writing to this index."""


class IndexDamagedError(IndexerError):
    """The stored files fail their checks."""


class IndexClosedError(IndexerError):
    """An index or a draft that was closed before it was asked."""

    def __init__(self, where: object, what: str = "index") -> None:
        super().__init__(f"{where}: this {what} is closed; open it again")


class IndexUnavailableError(IndexerError):
    """The engine cannot be reached, refuses, is overloaded or is read-only."""


class ContactLostError(IndexUnavailableError):
    """No answer came, or half of one: whether the request was done, nobody knows."""


class IndexBusyError(IndexUnavailableError):
    """The server does not take the request now; it may take the same one later."""


class IndexIncompleteError(IndexBusyError):
    """A shard of the index, or the cluster's master, is not there now."""


class IndexReadOnlyError(IndexUnavailableError):
    """The index takes no writes; asking again does not help."""


class DownloadError(IndexerError):
    """A data set that cannot be had; the message says how to go on."""


class ScrapeError(IndexerError):
    """A provider or a download that cannot be used at all (single failures go to the manifest)."""
