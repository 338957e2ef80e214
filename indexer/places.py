"""Where photos are: which places are one file, which are gone, and by what image id an index knows a file.

Places are texts, as indices hold them: paths, and addresses (s3://, ...), which no `Path` would keep.
"""

# ruff: noqa: PTH100, PTH114, PTH116, PTH117, PTH118, PTH121

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexer import origins
from indexer.contract import CaptionIndex
from indexer.errors import IndexerError
from indexer.records import CaptionRecord, Document

if TYPE_CHECKING:
    from indexer.sources import Problem


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A photo under the image id that its file has already, if any."""

    photo: CaptionRecord
    place: str | None  # of the picture that has this id, where there is one
    captions: Sequence[CaptionRecord] = ()  # of an earlier index, which it can have as they are
    id_taken: bool = False  # it goes by an id with its folder's name, since another one had its own


def with_folder(photo: CaptionRecord) -> CaptionRecord | None:
    """The photo under an id with one folder more of its path, as photos of equal names get.

    None where its id is all of the path, or none that a folder gave.
    """
    folder = photo.image.removesuffix(f"/{photo.image_id}")
    name = folder.rpartition("/")[2]
    if photo.source != origins.FOLDER or folder == photo.image or not name:
        return None
    return replace(photo, image_id=f"{name}/{photo.image_id}")


def is_photo_at(photo: CaptionRecord, place: str) -> bool:
    """Whether the photo is the one at this place; image ids of scraped photos are made of their content."""
    return photo.source == origins.SCRAPED or is_same_file(photo.image, place)


def is_same_file(photo: str, place: str) -> bool:
    """Whether both lead to one file, by whatever links; of addresses and relative paths the text tells."""
    try:
        return photo == place or (os.path.isabs(place) and os.path.samefile(photo, place))
    except (OSError, ValueError):
        return False


def is_there(place: str) -> bool:
    return os.path.isabs(place) and not is_gone(place)


def is_gone(place: str) -> bool:
    """Whether there is no such file; of addresses (s3://, ...) and relative paths nobody knows."""
    try:
        os.stat(place)
    except (FileNotFoundError, NotADirectoryError):
        return os.path.isabs(place)
    except (OSError, ValueError):
        pass
    return False


def beginnings(folder: str) -> list[str]:
    """How the places of files below a folder begin."""
    if not os.path.isabs(folder):
        return [folder]
    return list(dict.fromkeys(os.path.join(each, "") for each in _names(folder)))  # ends with a slash


def _names(path: str) -> tuple[str, ...]:
    """How sources may have noted a file or folder: as it was named, with `..` and links, or resolved."""
    return path, os.path.abspath(path), os.path.realpath(path)  # a Path keeps `..`


def id_of_file(index: CaptionIndex, path: str) -> str | None:
    """The image id by which an index knows a file of this machine, the first in order; None for none."""
    return min(
        (
            image_id
            for name in dict.fromkeys(_names(path))
            for image_id, place in index.places(name)
            if place == name
        ),
        default=None,
    )


class RealPaths:
    """Files without links and `..`; of addresses and relative paths the text. Folders are resolved once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, place: str) -> str:
        if not os.path.isabs(place):
            return place
        folder, name = os.path.split(place)
        try:
            if os.path.islink(place):
                return os.path.realpath(place)
            if folder not in self._folders:
                self._folders[folder] = os.path.realpath(folder)
        except (OSError, ValueError):
            return place
        return os.path.join(self._folders[folder], name)


class IdsOfFiles:
    """By what image ids an index knows the files of a folder that have other ones than it gives.

    They were indexed as those of a folder within this one, or around it, or their names were taken. Names
    that are no path of the file, as files of captions may give it, are none that a folder gave. The index is
    asked for a folder's files once, and only where a photo is new to it by its own id.
    """

    def __init__(self, index: CaptionIndex, tell: Callable[[Problem], None]) -> None:
        self._index, self._tell = index, tell
        self._real = RealPaths()
        self._ids: dict[str, dict[str, str]] = {}  # folder, with its slash -> file -> image id
        #: Photos without another id: tried with their folder, they have none either.
        self._new: set[str] = set()

    def all_named(
        self, photos: Sequence[CaptionRecord], held: Mapping[str, Sequence[Document]]
    ) -> list[CaptionRecord]:
        """The photos under the ids that their files have, where `held` are captions by the ids given.

        An id that has captions of this very file stays, whatever other ids have some, too.
        """
        return [
            photo
            if any(is_same_file(photo.image, one.record.image) for one in held.get(photo.image_id, ()))
            else self.named(photo)
            for photo in photos
        ]

    def named(self, photo: CaptionRecord) -> CaptionRecord:
        """The photo under the id that its file has; of several the first in order."""
        folder = photo.image.removesuffix(photo.image_id)
        if photo.source != origins.FOLDER or folder == photo.image or photo.image in self._new:
            return photo  # its id is none that a folder gave, or it has no other
        if folder not in self._ids:
            self._ids[folder] = self._in(folder)
        ids = self._ids[folder]
        known = ids.get(self._real.of(photo.image)) if ids else None
        if known is None:
            self._new.add(photo.image)
            return photo
        return replace(photo, image_id=known)

    def _in(self, folder: str) -> dict[str, str]:
        """An engine that cannot tell is no reason not to add photos; `tell` is told.

        All are known before the disk is asked, for an engine does not wait for a slow disk.
        """
        from indexer.sources import Problem

        try:
            told = {
                (image_id, place)
                for below in beginnings(folder)
                for image_id, place in self._index.places(below)
                if place != below + image_id and place.endswith(f"/{image_id}")
            }
        except IndexerError as error:
            self._tell(Problem(folder, f"not looked for under other image ids ({error})"))
            return {}
        return {self._real.of(place): image_id for image_id, place in sorted(told, reverse=True)}
