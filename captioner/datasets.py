"""Captioned photos to train on and to evaluate with: Flickr8k and COCO (`captioner.jsonl`: one's own)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from captioner.caption_files import (
    coco_captions,
    coco_images,
    coco_tables,
    flickr8k_captions,
    flickr8k_photos,
    names_in,
    photo_in,
)
from captioner.counted import counted
from captioner.errors import DataError
from captioner.files import is_file
from captioner.photo_names import PhotoNames
from captioner.preprocess import Preprocess
from captioner.problem import Problem
from captioner.vocabulary import PAD, Vocabulary

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class CaptionedPhoto:
    """A photo and what people wrote about it."""

    image: Path
    captions: tuple[str, ...]
    name: str = ""  # in its data set: the file's path below the folder of the photos

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.image.name)


def flickr8k(folder: Path, split: str) -> list[CaptionedPhoto]:
    """Photos of a split ("train", "dev", ...) in its order: FOLDER/images, captions.txt, SPLIT.txt.

    Raises DataError.
    """
    captions: dict[str, list[str]] = {}
    try:
        with (folder / "captions.txt").open(encoding="utf-8-sig") as lines:
            for image, caption in without_problems(flickr8k_captions(lines, f"{folder}/captions.txt")):
                captions.setdefault(image, []).append(caption)
        names = _read_split(folder / f"{split}.txt")
    except (OSError, UnicodeDecodeError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        raise DataError(f"{folder}: not a Flickr8k folder with split {split!r} ({why})") from None
    missing = [name for name in names if name not in captions]
    if missing:
        raise DataError(
            f"{folder}/{split}.txt: no caption for {missing[0]} ({counted(len(missing), 'such image')})"
        )
    images = flickr8k_photos(folder) or folder / "images"
    return [CaptionedPhoto(_photo_path(images, name), tuple(captions[name]), name) for name in names]


def read_names(file: Path) -> list[str]:
    """Names of photos, one a line. Raises DataError."""
    try:
        return names_in(file)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: not a list of names ({error})") from None


def _read_split(split: Path) -> list[str]:
    """The names of a split's photos. Raises DataError if one is named twice, as it would count twice."""
    names = names_in(split)
    [(name, count)] = Counter(names).most_common(1) or [("", 0)]
    if count > 1:
        raise DataError(f"{split}: names {name} {count} times; leave one of them")
    return names


def coco(annotations: Path, images: Path) -> list[CaptionedPhoto]:
    """Photos of a COCO caption file that have captions, in the order of their ids. Raises DataError."""
    found = coco_file(annotations).items()
    return [CaptionedPhoto(_photo_path(images, name), captions, name) for name, captions in found]


def captions_alone(files: Iterable[Path], without: Iterable[Path]) -> dict[str, tuple[str, ...]]:
    """File name -> captions of COCO caption files, less the photos of `without`. Raises DataError."""
    held_out = PhotoNames(name for file in without for name in coco_file(file))
    found = {name: captions for file in files for name, captions in coco_file(file).items()}
    return {name: captions for name, captions in found.items() if name not in held_out}


def coco_file(annotations: Path) -> dict[str, tuple[str, ...]]:
    """File name -> captions of a COCO caption file. Raises DataError."""
    tables = coco_tables(annotations)
    images = coco_images(tables["images"])
    for field in ("id", "file_name"):
        [(value, count)] = Counter(image[field] for image in images).most_common(1) or [("", 0)]
        if count > 1:
            raise DataError(f"{annotations}: {count} images have the {field} {value!r}")
    names = {image["id"]: image["file_name"] for image in images}
    captions: dict[str, list[str]] = {names[number]: [] for number in sorted(names, key=_numbers_first)}
    for number, caption in without_problems(coco_captions(tables["annotations"], names, str(annotations))):
        captions[names[number]].append(caption)
    return {name: tuple(found) for name, found in captions.items() if found}


def _numbers_first(number: int | str) -> tuple[bool, int | str]:
    return isinstance(number, str), number


def without_problems(found: Iterable[Row | Problem]) -> list[Row]:
    """The rows of a file. Raises DataError if there is any problem: training takes a file whole or not."""
    items = list(found)
    problems = [item for item in items if isinstance(item, Problem)]
    if problems:
        such = counted(len(problems), "such place")
        raise DataError(f"{problems[0]} ({such}; mend them or take them out)")
    return [item for item in items if not isinstance(item, Problem)]


def _photo_path(folder: Path, name: str) -> Path:
    place = photo_in(folder, name)
    if place is None:
        raise DataError(f"{name}: leads out of {folder}, the folder of the photos")
    return place


def check_photos_there(
    photos: Sequence[CaptionedPhoto], named_in: Sequence[str] = (), more: str = ""
) -> None:
    """Raise DataError if the file of a photo is missing.

    `named_in`: the place that names each photo; `more`: what else helps to find the photos.
    """
    missing = [number for number, photo in enumerate(photos) if not is_file(photo.image)]
    if missing:
        first, verb = missing[0], "is" if len(missing) == 1 else "are"
        such = f"{len(missing):,} of {counted(len(photos), 'photo')} {verb} missing"
        image = photos[first].image
        what = f"{named_in[first]}: no such photo: {image}" if named_in else f"{image}: no such photo"
        raise DataError(f"{what} ({such}; {more})" if more else f"{what} ({such})")


def encode(vocabulary: Vocabulary, captions: Sequence[Sequence[str]]) -> Tensor:
    """Word lists -> ids (N, longest + 2): `<start> words <end>`, padded with `<pad>`."""
    rows = [vocabulary.encode(words) for words in captions]
    ids = torch.full((len(rows), max(map(len, rows), default=0)), PAD)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
    return ids


class PhotoPixels(torch.utils.data.Dataset[tuple[int, Tensor]]):
    """Pixels of photos by number, (S, S, 3) uint8. An unreadable photo stops training with its name."""

    def __init__(self, photos: Sequence[CaptionedPhoto], preprocess: Preprocess) -> None:
        self.photos = photos
        self.preprocess = preprocess

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, number: int) -> tuple[int, Tensor]:
        return number, torch.from_numpy(np.array(self.preprocess.pixels(self.photos[number].image)))
