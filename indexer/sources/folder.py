"""A folder of photos, to be captioned: every photo in it and in the folders below, in order of name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from captioner.photo import SUFFIXES
from indexer.errors import SourceError
from indexer.records import CaptionRecord
from indexer.sources.source import Item, Problem, existing_folder, stamp


class FolderSource:
    """Photos below a folder. `image_id` is the path from the folder, with forward slashes.

    Links to folders are followed, each folder once, so loops end. Hidden files and folders and files
    without a photo's suffix are no photos. Raises SourceError for a folder without any photo.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = existing_folder(folder, "photos")
        if not self._photos:
            kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
            raise SourceError(f"{folder}: has no photos ({kinds}) in it or below")

    @property
    def name(self) -> str:
        return self._folder.name or str(self._folder)

    def fingerprint(self) -> str:
        return f"folder {stamp([self._folder / photo for photo in self._photos])}"

    def captions(self) -> Iterator[Item]:
        return iter(())

    def photos(self) -> Iterator[Item]:
        yield from self._unreadable
        for photo in self._photos:
            path = self._folder / photo
            if path.is_file():
                yield CaptionRecord(photo, "", image=str(path), source="folder", kind="generated")
            else:
                yield Problem(str(path), "is no ordinary file (a broken link, a pipe or a device), or gone")

    def caption_count(self) -> int:
        return 0

    def photo_count(self) -> int:
        return len(self._photos)

    @cached_property
    def _photos(self) -> list[str]:
        return list(self._walk(self._folder, set()))

    @cached_property
    def _unreadable(self) -> list[Problem]:
        return []

    def _walk(self, folder: Path, seen: set[tuple[int, int]]) -> Iterator[str]:
        try:
            state = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self._unreadable.append(Problem(str(folder), f"cannot be read ({error.strerror})"))
            return
        if (state.st_dev, state.st_ino) in seen:
            return
        seen.add((state.st_dev, state.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                yield from self._walk(folder / entry.name, seen)
            elif Path(entry.name).suffix.lower() in SUFFIXES:
                yield (folder / entry.name).relative_to(self._folder).as_posix()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or one into a place that may not be entered
        return False
