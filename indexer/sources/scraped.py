"""A folder that `indexer scrape` filled: page titles as captions, and photos to caption."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from captioner.files import is_file
from captioner.problem import Problem
from indexer.records import CaptionRecord
from indexer.sources.source import Source, SourceItem, existing_file, existing_folder


class ScrapedSource(Source):
    """Scraped photos with what the web said of them: title, page, creator, licence, attribution.

    They are those of the moment in which this is made; a scrape into the folder may go on meanwhile.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        from indexer.scrape.manifest import NAME, manifest_size

        self.folder = existing_folder(folder, "what indexer scrape downloaded")
        existing_file(self.folder / NAME, "the manifest that indexer scrape writes")
        self._end = manifest_size(self.folder)

    @property
    def name(self) -> str:
        return self.folder.name

    def fingerprint(self) -> str:
        """Digest the photos and their words only: failed attempts of a scrape change nothing."""
        digest = hashlib.sha256()
        for photo in self._photos():
            digest.update(f"{photo}\n".encode("utf-8", "surrogatepass"))
        return f"scraped {digest.hexdigest()}"

    def captions(self) -> Iterator[SourceItem]:
        from indexer.scrape.data_set import title_records
        from indexer.scrape.manifest import broken_lines

        yield from broken_lines(self.folder, self._end)
        yield from title_records(self.folder, self._end)

    def photos(self) -> Iterator[SourceItem]:
        for photo in self._photos():
            yield photo if is_file(photo.image) else Problem(photo.image, "no such file")

    def caption_count(self) -> int:
        return sum(1 for _ in self.captions())

    def photo_count(self) -> int:
        return sum(1 for _ in self._photos())

    def _photos(self) -> Iterator[CaptionRecord]:
        from indexer.scrape.data_set import scraped_photos

        return scraped_photos(self.folder, self._end)
