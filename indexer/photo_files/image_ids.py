"""Which photo an image id belongs to, and which image id a file has. An image id is one photo's.

It is the photo's that comes with it, unless another one has it already:

- one that came before in the same run (`IdsOfRun`);
- one of the index (`other_owner`), or of a draft that a build goes on with (`is_other`).

The photo is then tried under a longer id, with its folder's name (`with_folder`). A file that has another id
in the index already keeps that (`IdsOfFiles`). The id of a scraped photo is made from its content, so it is
never another one's.
"""

# ruff: noqa: PTH117 (places are texts)

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from captioner.problem import Problem
from indexer import origins
from indexer.contract import CaptionIndex
from indexer.errors import IndexerError
from indexer.photo_files.places import is_same_file, is_there
from indexer.photo_files.stored_paths import RealPaths, beginnings, stored_forms
from indexer.records import CaptionRecord, Document


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A photo as an index knows it: under the image id that its file has there, if any."""

    photo: CaptionRecord
    owner: str | None = None  # the place of another photo, whose id this is in the index
    captioned: bool = False  # whether the index has, under this id, the captions that are to be written
    captions: Sequence[CaptionRecord] = ()  # of an earlier index, to be taken over unchanged
    id_taken: bool = False  # its id begins with its folder's name, since another photo has the shorter id


def is_photo_at(photo: CaptionRecord, place: str) -> bool:
    """Whether the photo is the one at this place, which has the same image id."""
    return photo.source == origins.SCRAPED or is_same_file(photo.image, place)


def is_other(photo: CaptionRecord, place: str) -> bool:
    """Whether the file at this place, which has the same image id, is there and another photo."""
    return not is_photo_at(photo, place) and is_there(place)


def other_owner(photo: CaptionRecord, generated: Sequence[Document], model: str) -> str | None:
    """The place of another photo that has this one's id, by the captions that the index has under it.

    Captions by the model of this run hold the id for their photo even where its file is gone: it would get
    captions of two photos by one model. Those of other models hold it as long as the file is there. Captions
    that name no file hold it for nobody.
    """
    own = [one.record.image for one in generated if one.record.model == model]
    if own:
        return None if any(is_photo_at(photo, place) for place in own) else own[0] or None
    return next((one.record.image for one in generated if is_other(photo, one.record.image)), None)


def with_folder(photo: CaptionRecord) -> CaptionRecord | None:
    """The photo under an id with one folder more of its path, which tells photos of equal names apart.

    None where the id is the whole path already, or does not come from a folder.
    """
    folder = photo.image.removesuffix(f"/{photo.image_id}")
    name = folder.rpartition("/")[2]
    if photo.source != origins.FOLDER or folder == photo.image or not name:
        return None
    return replace(photo, image_id=f"{name}/{photo.image_id}")


class IdsOfRun:
    """The image ids of the photos that one run has met so far."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}  # image id -> the photo that has it
        # A photo is asked for by `has`, and then by `add`.
        self._real, self._files = lru_cache(maxsize=1)(RealPaths().of), set[str]()

    def add(self, photo: CaptionRecord) -> None:
        self._places[photo.image_id] = photo.image
        self._files.add(self._real(photo.image))

    def has(self, photo: CaptionRecord) -> bool:
        """Whether its file was met before: through a link, or in a folder around or below this one."""
        before = self._places.get(photo.image_id)
        return (before is not None and is_photo_at(photo, before)) or (
            photo.source == origins.FOLDER and self._real(photo.image) in self._files
        )

    def owner(self, found: LookedUp) -> str | None:
        """The place of another photo that has its id, of this run or of the index. Asked where not `has`."""
        return self._places.get(found.photo.image_id, found.owner)


def id_of_file(index: CaptionIndex, path: str) -> str | None:
    """The image id by which an index knows a file of this machine, the first in order; None for none.

    A relative path that is stored tells nothing, for nobody knows of which folder it is.
    """
    return min((record.image_id for record in index.records({"image": stored_forms(path)})), default=None)


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
