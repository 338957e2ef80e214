"""The errors of this package; every message is one line that a person can act on.

Some stand outside this tree, since they are caught next door: those of `scrape.addresses`,
`cluster.photos` and `elastic.connection`. Those of `scrape.items` stand in it and end no command: they are
the outcome of one address or one query.
"""

from __future__ import annotations


class IndexerError(Exception):
    """Root of this package's errors."""


class SourceError(IndexerError):
    """A source (annotations, JSON lines, folder) cannot be read; the message names file and line."""


#: Follows the command that makes an index which is not there.
OR_IN_PYTHON = ", or in Python with open_index(..., create=True)"


class IndexNotFoundError(IndexerError):
    """There is no index at this place."""


class IndexMismatchError(IndexerError):
    """The index was made with another analyzer or schema than the one asked for."""


class IndexLockedError(IndexerError):
    """Another process is writing to this index."""


class IndexDamagedError(IndexerError):
    """The stored files fail their checks."""


class IndexClosedError(IndexerError):
    """The index or draft was closed before this call."""

    @classmethod
    def of(cls, where: object, what: str = "index") -> IndexClosedError:
        return cls(f"{where}: this {what} is closed; open it again")


class IndexUnavailableError(IndexerError):
    """The engine cannot be reached, refuses, is overloaded or is read-only."""


class ContactLostError(IndexUnavailableError):
    """No complete answer came, so it is not known whether the server did what was asked."""


class IndexBusyError(IndexUnavailableError):
    """The server refuses the request for now; the same one may succeed later."""


class IndexIncompleteError(IndexBusyError):
    """A shard of the index, or the cluster's master, is not there now."""


class RequestRefusedError(IndexUnavailableError):
    """The server does not take a request of this kind; another kind may do."""


class IndexReadOnlyError(IndexUnavailableError):
    """The index refuses writes; the same request will not succeed later."""


class DownloadError(IndexerError):
    """A data set cannot be downloaded; the message says what to do."""


class ScrapeError(IndexerError):
    """A provider or a folder of a scrape cannot be used at all; failures of one item go to its manifest."""
