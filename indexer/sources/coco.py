"""COCO caption annotations (`captions_*.json`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from captioner.caption_files import Table, coco_captions, coco_images, coco_tables, photo_in
from captioner.errors import DataError
from captioner.files import is_file
from captioner.problem import Problem
from indexer import origins
from indexer.errors import SourceError
from indexer.records import CaptionRecord
from indexer.sources.source import Source, SourceItem, existing_file, existing_folder, stamp

_SPLIT = re.compile(r"(train|val|test)20\d\d")
_CREATIVE_COMMONS = re.compile(r"creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)")


class CocoSource(Source):
    """Reference captions of COCO; with a folder of its images, photos to caption as well.

    `image_id` is the image's file name as the annotations have it. Licence and attribution are the
    image's own: the annotations' table of licences, and the photo's address at Flickr.
    """

    def __init__(
        self, annotations: str | os.PathLike[str], images: str | os.PathLike[str] | None = None
    ) -> None:
        self._file = existing_file(annotations, "COCO caption annotations")
        self._images = None if images is None else existing_folder(images, "the images of COCO")
        self._dataset = _tables(self._file)

    @property
    def name(self) -> str:
        return self._file.name

    def fingerprint(self) -> str:
        photos = (Path(image["image"]) for image in self._present)
        return f"coco {stamp([self._file])} {stamp(photos)}"

    def captions(self) -> Iterator[SourceItem]:
        """One record an annotation, in the file's order."""
        for found in coco_captions(self._dataset["annotations"], self._records, self.name):
            if isinstance(found, Problem):
                yield found
            else:
                number, caption = found
                yield CaptionRecord(caption=caption, **self._records[number])

    def caption_count(self) -> int:
        return len(self._dataset["annotations"])

    def photos(self) -> Iterator[SourceItem]:
        """The images that are in the folder; those that are not are told of in one problem."""
        if self._images is None:
            return
        for image in self._present:
            yield CaptionRecord(caption="", **{**image, "kind": origins.GENERATED})
        absent = [image["image_id"] for image in self._records.values() if not self._is_present(image)]
        if absent:
            some = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
            total = len(self._records)
            reason = f"{len(absent):,} of the {total:,} images of {self.name} are missing: {some}"
            yield Problem(str(self._images), reason)

    def photo_count(self) -> int:
        return len(self._present)

    @cached_property
    def _records(self) -> Mapping[int | str, dict[str, str]]:
        """Fields of a record by COCO's number of the image; images without a file name are left out."""
        licenses = {str(entry.get("id")): _license(entry) for entry in self._dataset["licenses"]}
        return {image["id"]: self._fields(image, licenses) for image in coco_images(self._dataset["images"])}

    @cached_property
    def _present(self) -> list[dict[str, str]]:
        return [image for image in self._records.values() if self._is_present(image)]

    def _is_present(self, image: Mapping[str, str]) -> bool:
        return self._images is not None and image["image"].startswith(f"{self._images}{os.sep}")

    def _fields(self, image: Mapping[str, Any], licenses: Mapping[str, str]) -> dict[str, str]:
        name = image["file_name"]
        url = str(image.get("coco_url", ""))
        photo = self._photo(name)
        return {
            "image_id": name,
            "image": url if photo is None else str(photo),
            "source": origins.COCO,
            "split": _split(name, url, self.name),
            "license": licenses.get(str(image.get("license")), ""),
            "attribution": str(image.get("flickr_url", "")),
        }

    def _photo(self, name: str) -> Path | None:
        """Where the image lies in the folder. A name that leads out of the folder is never followed."""
        photo = None if self._images is None else photo_in(self._images, name)
        return photo if photo is not None and is_file(photo) else None


def _tables(file: Path) -> Mapping[str, Table]:
    try:
        return coco_tables(file)
    except DataError as error:
        raise SourceError(str(error)) from None


def _license(entry: Mapping[str, Any]) -> str:
    """The short name that Creative Commons use ("CC BY-NC 2.0"), or what the file calls it."""
    found = _CREATIVE_COMMONS.search(str(entry.get("url", "")))
    return f"CC {found[1].upper()} {found[2]}" if found else str(entry.get("name") or entry.get("url") or "")


def _split(*places: str) -> str:
    """train, val or test, from the first of these names that tells."""
    return next((found[1] for place in places if (found := _SPLIT.search(place))), "")
