"""A folder of photos, to be captioned: every photo in it and in the folders below, in order of name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from captioner.files import is_file
from captioner.folders import PhotosBelow, no_photos
from captioner.outside import printable
from captioner.problem import Problem
from indexer.errors import SourceError
from indexer.records import not_text
from indexer.sources.source import Source, SourceItem, existing_folder, photo_of_folder, stamp


class FolderSource(Source):
    """Photos below a folder. `image_id` is the path from the folder, with forward slashes.

    Which files are photos, `captioner.folders` says. Raises SourceError for a folder without any photo.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = existing_folder(folder, "photos")
        self._below = PhotosBelow([self.folder])
        self.unread = self._below.unread
        if not self.paths:
            raise SourceError(f"{folder}: {no_photos(self.unread)}")

    @property
    def name(self) -> str:
        return self.folder.name or str(self.folder)

    def fingerprint(self) -> str:
        return f"folder {stamp(map(Path, self.paths))}"

    def photos(self) -> Iterator[SourceItem]:
        for folder, reason in self._below.unreadable.items():
            yield Problem(folder, f"cannot be read ({reason})")
        for path in map(Path, self.paths):
            photo = photo_of_folder(path.relative_to(self.folder).as_posix(), str(path))
            if not is_file(path):
                yield Problem(str(path), "is a broken link, or gone")
            elif not_text(photo):
                yield Problem(printable(str(path)), "its name is not valid Unicode; rename it")
            else:
                yield photo

    def photo_count(self) -> int:
        return len(self.paths)

    @cached_property
    def paths(self) -> list[str]:
        """The paths of its photos, listed by one walk."""
        return [path for path in self._below if path not in self._below.unreadable]


def folders_among(sources: Sequence[Source]) -> list[FolderSource]:
    return [source for source in sources if isinstance(source, FolderSource)]


def unread_of(sources: Sequence[Source]) -> Counter[str]:
    """Pictures passed over, each once: where folders lie in one another, the outer walk met all."""
    folders = {source.folder: source for source in folders_among(sources)}
    outer = [one for folder, one in folders.items() if folders.keys().isdisjoint(_folders_above(folder))]
    others = [source for source in sources if not isinstance(source, FolderSource)]
    return sum((Counter(source.unread) for source in (*outer, *others)), Counter[str]())


def _folders_above(folder: Path) -> Iterator[Path]:
    """The folders whose walk comes through this one: those above it, unless something between is hidden."""
    while folder != folder.parent and not folder.name.startswith("."):
        folder = folder.parent
        yield folder
