"""Captioned photos and rated pairs to evaluate on, each with the digest of the files it came from."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.caption_files import flickr8k_photos
from captioner.digest import file_digest
from indexer.records import CaptionRecord
from indexer.sources.coco import CocoSource
from indexer.sources.flickr8k import Flickr8kSource
from search.errors import EvaluationError

#: Image -> its captions, in the order of their file.
Captions = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RatedPair:
    """Two images and people's mean rating of how similar they are, 0 to 5."""

    one: str
    other: str
    rating: float


@dataclass(frozen=True, slots=True)
class Photos:
    """A split of a data set: reference captions, and where the pictures are."""

    captions: Captions
    folder: Path

    def paths(self) -> list[Path]:
        return [self.folder / image for image in self.captions]


def flickr8k(folder: Path, split: str, most: int | None = None) -> Photos:
    """The photos of one split, at most the first `most` of them. Raises EvaluationError."""
    records = (item for item in Flickr8kSource(folder).captions() if isinstance(item, CaptionRecord))
    captions = _by_image(record for record in records if record.split == split)
    if not captions:
        raise EvaluationError(f"{folder}: no photos of the split {split!r}; {split}.txt names them")
    photos = flickr8k_photos(folder) or folder / "images"
    return Photos({image: captions[image] for image in sorted(captions)[:most]}, photos)


def coco_captions(files: Iterable[Path]) -> Captions:
    """COCO number (without leading zeros, as the ratings' names give it) -> captions."""
    items = (item for file in files for item in CocoSource(file).captions())
    return _by_image(
        CaptionRecord(coco_number(item.image_id), item.caption)
        for item in items
        if isinstance(item, CaptionRecord)
    )


def coco_number(name: str) -> str:
    """`COCO_val2014_000000006012.jpg` and `000000006012.jpg` are the same photo: "6012".

    `captioner.photo_names` takes the two for one, too, where training and test photos are compared.
    """
    return Path(name).stem.rpartition("_")[2].lstrip("0")


def rated_pairs(file: Path, known: Captions) -> list[RatedPair]:
    """Pairs of `image1,image2,agg_score` (Crisscrossed Captions) whose images both have captions."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            pairs = [
                RatedPair(coco_number(row["image1"]), coco_number(row["image2"]), float(row["agg_score"]))
                for row in csv.DictReader(stream)
            ]
    except (OSError, KeyError, ValueError) as error:
        raise EvaluationError(f"{file}: not a table image1,image2,agg_score ({error})") from None
    pairs = [pair for pair in pairs if pair.one in known and pair.other in known]
    if len(pairs) < 2:
        raise EvaluationError(f"{file}: fewer than two pairs whose images both have captions")
    return pairs


def digest(files: Sequence[Path]) -> str:
    """SHA-256 over the files' contents in their order, 16 digits: which data a report was made from."""
    return file_digest(*files)[:16]


def _by_image(records: Iterable[CaptionRecord]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for record in records:
        found.setdefault(record.image_id, []).append(record.caption)
    return {image: tuple(captions) for image, captions in found.items()}
