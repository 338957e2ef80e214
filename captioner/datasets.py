"""Captioned photos to train on and to evaluate with: Flickr8k and COCO."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from captioner.errors import DataError
from captioner.preprocess import Preprocess
from captioner.training_record import photo_number
from captioner.vocabulary import PAD, Vocabulary


@dataclass(frozen=True, slots=True)
class CaptionedPhoto:
    """A photo and what people wrote about it."""

    image: Path
    captions: tuple[str, ...]


def flickr8k(folder: Path, split: str) -> list[CaptionedPhoto]:
    """Photos of a split ("train", "dev", ...) in its order: FOLDER/images, captions.txt, SPLIT.txt.

    captions.txt is CSV in UTF-8 with the header `image,caption`. Raises DataError.
    """
    captions: dict[str, list[str]] = {}
    try:
        with (folder / "captions.txt").open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines), start=2):
                if row["caption"] is None:
                    raise DataError(f"{folder}/captions.txt: row {number} has no caption")
                captions.setdefault(row["image"], []).append(row["caption"])
        names = (folder / f"{split}.txt").read_text(encoding="utf-8").split()
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{folder}: not a Flickr8k folder with split {split!r} ({error})") from None
    missing = [name for name in names if name not in captions]
    if missing:
        raise DataError(f"{folder}/{split}.txt: no caption for {missing[0]} ({len(missing)} such images)")
    return [CaptionedPhoto(folder / "images" / name, tuple(captions[name])) for name in names]


def coco(annotations: Path, images: Path) -> list[CaptionedPhoto]:
    """Photos of a COCO caption file that have captions, in the order of their ids. Raises DataError."""
    return [CaptionedPhoto(images / name, captions) for name, captions in coco_captions(annotations).items()]


def coco_captions(annotations: Path) -> dict[str, tuple[str, ...]]:
    """File name -> captions, of a COCO caption file. Raises DataError."""
    from pycocotools.coco import COCO

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            data = COCO(str(annotations))
        return {
            str(data.imgs[number]["file_name"]): tuple(
                str(note["caption"]) for note in data.imgToAnns[number]
            )
            for number in sorted(data.imgs)
            if data.imgToAnns[number]
        }
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise DataError(f"{annotations}: not COCO caption annotations ({error!r})") from None


def check_apart(training: Iterable[CaptionedPhoto], testing: Iterable[CaptionedPhoto]) -> None:
    """Refuse to test on photos that were trained on (same file name, by either of COCO's ways to name)."""
    trained = {photo_number(photo.image.name) for photo in training}
    shared = {photo.image.name for photo in testing if photo_number(photo.image.name) in trained}
    if shared:
        raise DataError(f"{len(shared)} test photos are training photos too, such as {min(shared)}")


def check_there(photos: Sequence[CaptionedPhoto]) -> None:
    """Refuse photos that are not there. Raises DataError."""
    missing = [photo.image for photo in photos if not photo.image.is_file()]
    if missing:
        raise DataError(f"{missing[0]}: no such photo ({len(missing)} of {len(photos)} are missing)")


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
