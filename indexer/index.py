"""`open_index`: opens an index of either engine."""

from __future__ import annotations

import os

from indexer.contract import CaptionIndex
from indexer.urls import index_place, is_url


def open_index(where: str | os.PathLike[str], *, create: bool = False) -> CaptionIndex:
    """Open the index at `where`: a folder, or `http[s]://host:9200/NAME` for Elasticsearch.

    With `create`, a place without an index is opened too: `draft` makes one with the analyzer that it is
    given, `add` one with the default analyzer.

    Raises IndexNotFoundError (without `create`), IndexDamagedError, IndexUnavailableError, IndexMismatchError
    for an index of another version's schema or (without `create`) analyzer; IndexerError for other addresses.
    """
    where = index_place(where)
    # Imported here, since each engine imports what it alone needs: Elasticsearch's client, or NumPy.
    if is_url(where):
        from indexer.elastic import ElasticIndex

        return ElasticIndex.open(where, create=create)
    from indexer.embedded import EmbeddedIndex

    return EmbeddedIndex.open(where, create=create)
