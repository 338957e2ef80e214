"""Photos that are in the index while their files are gone: how many, and their deletion.

This is how renamed subfolders are cleaned up. Image ids are paths below the folder, so their photos are added
under new ids, and the old ids stay.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.batching import batches
from indexer.contract import CaptionIndex
from indexer.photo_files.places import is_gone
from indexer.photo_files.stored_paths import beginnings, detour_in, without_detours

_BATCH = 1_000  # images


def count_gone(index: CaptionIndex, folders: Sequence[Path], there: Collection[str]) -> dict[str, int]:
    """How many images name a file below these folders that is gone, by folder, where there are any.

    An image counts once, for the first of the folders. The files that are `there` are not looked for on the
    disk: they are known to exist.
    """
    counts: dict[str, int] = {}
    counted: set[str] = set()
    for folder in dict.fromkeys(folders):
        gone = _images_gone(_files_named(index, folder, there)).keys() - counted
        counted |= gone
        if gone:
            counts[str(folder)] = len(gone)
    return counts


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many captions were deleted, of how many images; and the folders in which no caption has a file."""

    captions: int
    images: int
    untold: tuple[Path, ...]


def delete_gone(index: CaptionIndex, folders: Sequence[Path]) -> Deleted:
    """Remove every caption that names a file below these folders that is gone.

    Captions of the same images stay if they name no file, or another one.
    """
    named = {folder: _files_named(index, folder) for folder in folders}
    gone = _images_gone({place: images for files in named.values() for place, images in files.items()})
    captions = 0
    for batch in batches(gone, _BATCH):
        documents = (one for held in index.captions(batch).values() for one in held)
        old = [one for one in documents if one.record.image in gone[one.record.image_id]]
        index.replace(old, ())
        captions += len(old)
    return Deleted(captions, len(gone), tuple(folder for folder, files in named.items() if not files))


def _files_named(
    index: CaptionIndex, folder: Path, there: Collection[str] = frozenset()
) -> dict[str, set[str]]:
    """The files below a folder that captions name, with their images; without the files in `there`.

    They are collected before the disk is asked for any, since a server does not wait for a slow disk, and a
    file of five captions is asked for once. One that an earlier version noted by a way through the folder and
    out of it again (`..`) is not below it.
    """
    files: dict[str, set[str]] = {}
    ways = beginnings(folder)
    for below in ways:
        for image_id, place in index.places(below):
            if place not in there:
                files.setdefault(place, set()).add(image_id)
    detours = [place for place in files if detour_in(place)]
    for place in detours:
        if not str(without_detours(place)).startswith(tuple(ways)):
            del files[place]
    return files


def _images_gone(files: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """From files with their images: the images whose files are gone, with these files."""
    gone: dict[str, set[str]] = {}
    for place in filter(is_gone, files):
        for image_id in files[place]:
            gone.setdefault(image_id, set()).add(place)
    return gone
