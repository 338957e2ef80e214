"""Photos of a folder that are in the index while their files are gone: to tell of, and to take out.

Image ids are paths below the folder, so photos of a folder below that was renamed come in under new ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.batching import batches
from indexer.contract import CaptionIndex
from indexer.places import beginnings, is_gone

_BATCH = 1_000  # images


def count_gone(index: CaptionIndex, folders: Sequence[Path], there: Collection[str]) -> dict[str, int]:
    """How many images tell of a file below these folders that is gone, by folder, where there are any.

    An image counts once, by the first of the folders. The disk is not asked for the files that are `there`.
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
    """How many captions went, of how many images, and the folders that no caption told of before."""

    captions: int
    images: int
    untold: tuple[Path, ...]


def delete_gone(index: CaptionIndex, folders: Sequence[Path]) -> Deleted:
    """Remove every caption that tells of a file below these folders that is gone.

    Captions of these images that tell of no file, or of another one, stay.
    """
    mentioned = {folder: _files_named(index, folder) for folder in folders}
    gone = _images_gone({place: images for files in mentioned.values() for place, images in files.items()})
    captions = 0
    for batch in batches(gone, _BATCH):
        held = (one for documents in index.captions(batch).values() for one in documents)
        old = [one for one in held if one.record.image in gone[one.record.image_id]]
        index.replace(old, ())
        captions += len(old)
    return Deleted(captions, len(gone), tuple(folder for folder, files in mentioned.items() if not files))


def _files_named(
    index: CaptionIndex, folder: Path, there: Collection[str] = frozenset()
) -> dict[str, set[str]]:
    """Files below a folder that captions tell of -> their images; without the files in `there`.

    All are collected before the disk is asked, since an engine does not wait for a slow disk; and a photo
    of five captions is one file.
    """
    files: dict[str, set[str]] = {}
    for below in beginnings(str(folder.absolute())):
        for image_id, place in index.places(below):
            if place not in there:
                files.setdefault(place, set()).add(image_id)
    return files


def _images_gone(files: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Of files and their images: the images whose files are gone -> where those were."""
    gone: dict[str, set[str]] = {}
    for place in filter(is_gone, files):
        for image_id in files[place]:
            gone.setdefault(image_id, set()).add(place)
    return gone
