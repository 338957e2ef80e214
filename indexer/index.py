"""The one way to an index: `open_index`."""

from __future__ import annotations

import os

from indexer.contract import CaptionIndex
from indexer.urls import index_place, is_url


def open_index(where: str | os.PathLike[str], *, create: bool = False) -> CaptionIndex:
    """Open the index at `where`: a folder, or `http[s]://host:9200/NAME` for Elasticsearch.

    With `create`, a place that holds no index yet is opened too, ready for `draft`, which names its analyzer,
    or for `add`, which takes the default one.
    Raises IndexNotFoundError (without `create`), IndexDamagedError, IndexUnavailableError, IndexMismatchError
    for an index of another version's schema or (without `create`) analyzer; IndexerError for other addresses.
    """
    where = index_place(where)
    # Each engine brings what it alone needs: the client of Elasticsearch, NumPy.
    if is_url(where):
        from indexer.elastic import ElasticIndex

        return ElasticIndex.open(where, create=create)
    from indexer.embedded import EmbeddedIndex

    return EmbeddedIndex.open(where, create=create)
