"""A scraped folder into an index in one go: titles and generated captions."""

from __future__ import annotations

from pathlib import Path

from indexer import build as building
from indexer.build import BuildReport, Captioning
from indexer.errors import IndexNotFoundError
from indexer.index import open_index
from indexer.loading import Progress, Tell, no_progress
from indexer.sources import ScrapedSource


def index_scraped(
    folder: Path,
    where: str,
    captioning: Captioning,
    *,
    tell: Tell = lambda problem: None,
    progress: Progress = no_progress,
) -> BuildReport:
    """Caption the photos that have no caption yet, and add all to the index, which is made if need be.

    Raises IndexerError, also when there is no photo to make an index of.
    """
    sources = [ScrapedSource(folder)]
    try:
        index = open_index(where)
    except IndexNotFoundError:
        with open_index(where, create=True) as index:
            return building.build(index, sources, captioning, tell=tell, progress=progress)
    with index:
        return building.add(index, sources, captioning, tell=tell, progress=progress)
