"""Flickr8k captions: a CSV file with the header `image,caption`, five captions a photo."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TextIO

from indexer.errors import SourceError
from indexer.records import CaptionRecord
from indexer.sources.source import Item, Problem, existing_file, stamp

#: Hodosh, Young and Hockenmaier, JAIR 47 (2013): the licence is the data set's; photos stay their owners'.
LICENSE = "research and education only"
SPLITS = ("train", "dev", "test")


class Flickr8kSource:
    """Reference captions of Flickr8k, from its folder or from `captions.txt`.

    Beside the captions, `train.txt`, `dev.txt` and `test.txt` (image names, one a line) tell the split
    and `images/` (or `Images/`) has the photos; both may be missing.
    """

    def __init__(self, place: str | os.PathLike[str]) -> None:
        captions = Path(place) / "captions.txt" if Path(place).is_dir() else Path(place)
        self._file = existing_file(captions, "the captions of Flickr8k")
        _check_header(self._file)

    @property
    def name(self) -> str:
        return self._file.name

    def fingerprint(self) -> str:
        return f"flickr8k {stamp([self._file, *self._split_files().values()])}"

    def captions(self) -> Iterator[Item]:
        with self._open() as lines:
            next(lines)
            for number, line in enumerate(lines, start=2):
                if line.strip():
                    yield self._read(line, number)

    def caption_count(self) -> int:
        with self._open() as lines:
            return sum(1 for _ in lines) - 1

    def photos(self) -> Iterator[Item]:
        return iter(())

    def photo_count(self) -> int:
        return 0

    def _open(self) -> TextIO:
        return self._file.open(encoding="utf-8-sig", errors="surrogateescape")

    def _read(self, line: str, number: int) -> Item:
        """Each line by itself: a quotation mark without its partner spoils no other line."""
        try:
            image_id, caption = next(csv.reader([line], strict=True))
        except csv.Error as error:
            return Problem(f"{self.name}: line {number}", str(error))
        except ValueError:
            return Problem(f"{self.name}: line {number}", "has not the two fields image and caption")
        return CaptionRecord(
            image_id,
            caption,
            image=self._photo(image_id),
            source="flickr8k",
            split=self._splits.get(image_id, ""),
            license=LICENSE,
            attribution=f"https://www.flickr.com/photo.gne?id={image_id.split('_')[0]}",
        )

    def _photo(self, image_id: str) -> str:
        return str(self._folder / image_id) if self._folder and image_id == Path(image_id).name else ""

    @cached_property
    def _folder(self) -> Path | None:
        folders = (self._file.parent / name for name in ("images", "Images"))
        return next((folder for folder in folders if folder.is_dir()), None)

    @cached_property
    def _splits(self) -> Mapping[str, str]:
        return {
            name: split
            for split, file in self._split_files().items()
            for name in file.read_text(encoding="utf-8", errors="replace").split()
        }

    def _split_files(self) -> Mapping[str, Path]:
        files = {split: self._file.parent / f"{split}.txt" for split in SPLITS}
        return {split: file for split, file in files.items() if file.is_file()}


def _check_header(file: Path) -> None:
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        header = [field.strip() for field in lines.readline(1024).split(",")]
    if header != ["image", "caption"]:
        raise SourceError(f"{file}: does not begin with the line image,caption of Flickr8k's captions.txt")
