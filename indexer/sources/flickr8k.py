"""Flickr8k captions: a CSV file with the header `image,caption`, five captions a photo."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TextIO

from captioner.caption_files import flickr8k_captions, flickr8k_photos, names_in, photo_in
from captioner.errors import DataError
from captioner.problem import Problem
from indexer import origins
from indexer.errors import SourceError
from indexer.records import CaptionRecord
from indexer.sources.source import Source, SourceItem, existing_file, stamp

#: Hodosh, Young and Hockenmaier, JAIR 47 (2013): the licence is the data set's; photos stay their owners'.
LICENSE = "research and education only"
SPLITS = ("train", "dev", "test")


class Flickr8kSource(Source):
    """Reference captions of Flickr8k, from its folder or from `captions.txt`.

    Beside the captions, `train.txt`, `dev.txt` and `test.txt` (image names, one a line) tell the split
    and `images/` (or `Images/`) has the photos; both may be missing.
    """

    def __init__(self, place: str | os.PathLike[str]) -> None:
        captions = Path(place) / "captions.txt" if Path(place).is_dir() else Path(place)
        self._file = existing_file(captions, "the captions of Flickr8k")
        try:
            with self._open() as lines:
                next(flickr8k_captions(lines, str(self._file)), None)
        except DataError as error:
            raise SourceError(str(error)) from None

    @property
    def name(self) -> str:
        return self._file.name

    def fingerprint(self) -> str:
        return f"flickr8k {stamp([self._file, *self._split_files().values()])}"

    def captions(self) -> Iterator[SourceItem]:
        with self._open() as lines:
            for found in flickr8k_captions(lines, self.name):
                yield found if isinstance(found, Problem) else self._record(*found)

    def caption_count(self) -> int:
        with self._open() as lines:
            return sum(1 for _ in lines) - 1

    def _open(self) -> TextIO:
        return self._file.open(encoding="utf-8-sig", errors="surrogateescape")

    def _record(self, image_id: str, caption: str) -> CaptionRecord:
        return CaptionRecord(
            image_id,
            caption,
            image=self._photo(image_id),
            source=origins.FLICKR8K,
            split=self._splits.get(image_id, ""),
            license=LICENSE,
            attribution=f"https://www.flickr.com/photo.gne?id={image_id.split('_')[0]}",
        )

    def _photo(self, image_id: str) -> str:
        return str(photo_in(self._folder, image_id) or "") if self._folder else ""

    @cached_property
    def _folder(self) -> Path | None:
        return flickr8k_photos(self._file.parent)

    @cached_property
    def _splits(self) -> Mapping[str, str]:
        return {
            name: split
            for split, file in self._split_files().items()
            for name in names_in(file, errors="replace")
        }

    def _split_files(self) -> Mapping[str, Path]:
        files = {split: self._file.parent / f"{split}.txt" for split in SPLITS}
        return {split: file for split, file in files.items() if file.is_file()}
