"""The places of photos: whether two are the same file, whether it is gone, and its image id in an index.

Places are texts, as they are stored: paths, and addresses (s3://, ...), which a `Path` would change.
"""

# ruff: noqa: PTH112, PTH116, PTH117, PTH121

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexer import origins
from indexer.contract import CaptionIndex
from indexer.errors import IndexerError
from indexer.records import CaptionRecord, Document
from indexer.spelling import RealPaths, beginnings, detour_in, spellings

if TYPE_CHECKING:
    from indexer.sources import Problem


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A photo as an index knows it: under the image id that its file has there, if any."""

    photo: CaptionRecord
    place: str | None  # of the picture that has this id in the index; None where a caption is to be written
    captions: Sequence[CaptionRecord] = ()  # of an earlier index, to be taken over unchanged
    id_taken: bool = False  # its id begins with its folder's name, since another photo has the shorter id


def with_folder(photo: CaptionRecord) -> CaptionRecord | None:
    """The photo under an id with one folder more of its path, which tells photos of equal names apart.

    None where the id is the whole path already, or does not come from a folder.
    """
    folder = photo.image.removesuffix(f"/{photo.image_id}")
    name = folder.rpartition("/")[2]
    if photo.source != origins.FOLDER or folder == photo.image or not name:
        return None
    return replace(photo, image_id=f"{name}/{photo.image_id}")


def is_photo_at(photo: CaptionRecord, place: str) -> bool:
    """Whether the photo is the one at this place, which has the same image id."""
    # Image ids of scraped photos are made from their content: the same id is the same photo, wherever it is.
    return photo.source == origins.SCRAPED or is_same_file(photo.image, place)


def is_same_file(photo: str, place: str) -> bool:
    """Whether both are one file, also through links. Addresses and relative paths are compared as texts."""
    try:
        return photo == place or (os.path.isabs(place) and os.path.samefile(photo, place))
    except (OSError, ValueError):
        return False


def is_there(place: str) -> bool:
    return os.path.isabs(place) and not is_gone(place)


def is_gone(place: str) -> bool:
    """Whether there is no such file; False where it is not known.

    That is for addresses (s3://, ...) and relative paths; and for paths with `..`, as earlier versions stored
    them, that lead through a folder that is gone: the file may be where it was.
    """
    if _is_found(place) or not os.path.isabs(place):
        return False
    detour = detour_in(place)
    return not detour or os.path.isdir(detour)


def leads_nowhere(place: str) -> bool:
    """Whether no file can be reached by this path, wherever it may be; False for addresses, as `is_gone`."""
    return os.path.isabs(place) and not _is_found(place)


def _is_found(place: str) -> bool:
    """True also where the system does not tell."""
    try:
        os.stat(place)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        pass
    return True


def id_of_file(index: CaptionIndex, path: str) -> str | None:
    """The image id by which an index knows a file of this machine, the first in order; None for none.

    A relative path that is stored tells nothing, for nobody knows of which folder it is.
    """
    return min((record.image_id for record in index.records({"image": spellings(path)})), default=None)


class IdsOfFiles:
    """The image ids of a folder's files in an index, where they are other ids than this folder gives them.

    Such files were indexed with a folder below this one or around it, or with their folder's name since the
    id was taken. Only ids that are the end of the file's path are meant: others come from files of captions.
    The index is asked once for all files of a folder, and only if one of its photos is new under its own id.
    """

    def __init__(self, index: CaptionIndex, tell: Callable[[Problem], None]) -> None:
        self._index, self._tell = index, tell
        self._real = RealPaths()
        self._ids: dict[str, dict[str, str]] = {}  # folder, with its slash -> file -> image id
        #: Photos that have no id in the index: they need not be looked for under a longer id again.
        self._new: set[str] = set()

    def all_named(
        self, photos: Sequence[CaptionRecord], held: Mapping[str, Sequence[Document]]
    ) -> list[CaptionRecord]:
        """The photos under the ids that their files have in the index.

        `held` are the captions of the ids that the photos have now: such an id stays if one of them is of the
        same file, even if the file has other ids, too.
        """
        return [
            photo
            if any(is_same_file(photo.image, one.record.image) for one in held.get(photo.image_id, ()))
            else self.named(photo)
            for photo in photos
        ]

    def named(self, photo: CaptionRecord) -> CaptionRecord:
        """The photo under the id that its file has in the index; of several ids the first in order."""
        folder = photo.image.removesuffix(photo.image_id)
        if photo.source != origins.FOLDER or folder == photo.image or photo.image in self._new:
            return photo  # its id does not come from a folder, or its file has no other
        if folder not in self._ids:
            self._ids[folder] = self._find_ids(folder)
        ids = self._ids[folder]
        known = ids.get(self._real.of(photo.image)) if ids else None
        if known is None:
            self._new.add(photo.image)
            return photo
        return replace(photo, image_id=known)

    def _find_ids(self, folder: str) -> dict[str, str]:
        """The image ids of the files below a folder. An error of the index is a problem, and ends nothing.

        All are read before the disk is asked for any, since a server does not wait for a slow disk.
        """
        from indexer.sources import Problem

        try:
            found = {
                (image_id, place)
                for below in (beginnings(folder) if os.path.isabs(folder) else [folder])
                for image_id, place in self._index.places(below)
                if place != below + image_id and place.endswith(f"/{image_id}")
            }
        except IndexerError as error:
            self._tell(Problem(folder, f"not looked for under other image ids ({error})"))
            return {}
        # In reverse, so that of several ids of a file the first in order stays.
        return {self._real.of(place): image_id for image_id, place in sorted(found, reverse=True)}
