"""A folder that `indexer scrape` filled: page titles as captions, and photos to caption."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from indexer.sources.source import Item, Problem, existing_file, existing_folder, stamp


class ScrapedSource:
    """Scraped photos with what the web said of them: title, page, creator, licence, attribution."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = existing_folder(folder, "what indexer scrape downloaded")
        self._manifest = existing_file(
            self._folder / "manifest.jsonl", "the manifest that indexer scrape writes"
        )

    @property
    def name(self) -> str:
        return self._folder.name

    def fingerprint(self) -> str:
        return f"scraped {stamp([self._manifest])}"

    def captions(self) -> Iterator[Item]:
        from indexer.scrape.manifest import title_records

        return iter(title_records(self._folder))

    def photos(self) -> Iterator[Item]:
        from indexer.scrape.manifest import scraped_photos

        for photo in scraped_photos(self._folder):
            yield photo if Path(photo.image).is_file() else Problem(photo.image, "no such file")

    def caption_count(self) -> int:
        return sum(1 for _ in self.captions())

    def photo_count(self) -> int:
        from indexer.scrape.manifest import scraped_photos

        return sum(1 for _ in scraped_photos(self._folder))
