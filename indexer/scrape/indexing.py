"""A scraped folder into an index in one go: titles and generated captions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from indexer import build as building
from indexer import origins
from indexer.build import BuildReport, Captioning
from indexer.contract import CaptionIndex
from indexer.errors import IndexNotFoundError
from indexer.index import open_index
from indexer.loading import Tell
from indexer.photo_files.places import is_gone, is_same_file
from indexer.progress import Progress, no_progress
from indexer.records import CaptionRecord, Document
from indexer.scrape.data_set import replaced_photos
from indexer.sources import ScrapedSource

#: Parts of a photo's path below its folder: images/ab/<sha256>.jpg.
_BELOW = 3


def index_scraped(
    folder: Path,
    where: str,
    captioning: Captioning,
    *,
    rejects: Path | None = None,
    tell: Tell = lambda problem: None,
    progress: Progress = no_progress,
) -> BuildReport:
    """Caption the photos that have no caption yet, and add all to the index, which is made if need be.

    Photos that a refresh has replaced leave it; what people wrote of them stays. Captions that the index
    refuses go to the file `rejects`. Raises IndexerError, also when there is no photo to make an index of.
    """
    source = ScrapedSource(folder)
    try:
        index = open_index(where)
    except IndexNotFoundError:
        with open_index(where, create=True) as index:
            return building.build(index, [source], captioning, rejects=rejects, tell=tell, progress=progress)
    with index:
        report = building.add(index, [source], captioning, rejects=rejects, tell=tell, progress=progress)
        gone = _in_index(index, replaced_photos(source.folder))
        if not gone:
            return report
        index.replace(gone, ())
        return replace(report, status=index.status())


def _in_index(index: CaptionIndex, photos: Iterable[CaptionRecord]) -> list[Document]:
    """The titles and generated captions of these photos that the index has from this folder."""
    places = {photo.image_id: photo.image for photo in photos}
    return [
        one
        for image_id, documents in index.captions(places).items()
        for one in documents
        if one.record.source == origins.SCRAPED
        and one.record.kind in (origins.GENERATED, origins.TITLE)
        and _is_from_here(one.record.image, places[image_id])
    ]


def _is_from_here(image: str, place: str) -> bool:
    """Whether a caption tells of the file at this place, or of one that was there before its folder moved.

    Files are named by their content, so one that is gone is known by the end of its path.
    """
    same_name = Path(image).parts[-_BELOW:] == Path(place).parts[-_BELOW:]
    return is_same_file(place, image) or (same_name and is_gone(image))
