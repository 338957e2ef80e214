"""Captioned photos of one's own, as JSON lines: which are to be learnt from, and which held out to score on.

A line has a `caption`, and an `image`: the path of the photo (or, where there is none, an `image_id` that is
one). `indexer build --jsonl` reads such lines, and `indexer export` writes them. Captions that a captioner
wrote are passed over: who learns from his own words learns his own mistakes.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from captioner.caption_files import Problem, json_lines
from captioner.counted import counted
from captioner.datasets import CaptionedPhoto, sound
from captioner.errors import DataError
from captioner.files import is_file

#: One photo in so many is held out to score on, where no line says which.
HELD_OUT = 10
TRAIN, DEV = "train", "dev"
#: What others call the photos that a model is scored on while it learns.
_NAMES_OF_DEV = ("val", "validation")
_TEXTS = ("image", "image_id", "caption", "kind", "model", "split")
_FORM = '{"image": "photo.jpg", "caption": "a dog on a beach"}'


@dataclass(frozen=True, slots=True)
class _Line:
    """What one line says of a photo."""

    where: str
    image: Path
    name: str
    caption: str
    split: str  # "" where it names none


@dataclass(frozen=True, slots=True)
class _Photo:
    """What all lines say of a photo."""

    where: str  # the first of them
    photo: CaptionedPhoto
    split: str


@dataclass(frozen=True, slots=True)
class JsonlPhotos:
    """The photos of a file, in its order."""

    file: Path
    folder: Path  # where relative paths begin
    photos: Sequence[_Photo]
    remarks: Sequence[str]  # what is not learnt from, for people to know

    def of(self, split: str = "") -> list[CaptionedPhoto]:
        """Those of a split, and those that are of none; without a split, all.

        Raises DataError where there are none, or a photo is not there.
        """
        wanted = _usual(split)
        found = [one for one in self.photos if not wanted or one.split in ("", wanted)]
        if not found:
            raise DataError(
                f"{self.file}: has no photo of the split {split}, but of {_counted(self.photos)}; "
                "name another split, or another file"
            )
        self._check_there(found)
        return [one.photo for one in found]

    def _check_there(self, photos: Sequence[_Photo]) -> None:
        missing = [one for one in photos if not is_file(one.photo.image)]
        if missing:
            such = f"{len(missing):,} of {counted(len(photos), 'photo')} are missing"
            begin = f"paths that are not absolute begin at {self.folder}"
            raise DataError(f"{missing[0].where}: no such photo: {missing[0].photo.image} ({such}; {begin})")


def jsonl(file: Path, images: Path | None = None, *, hold_out: bool = False) -> JsonlPhotos:
    """The photos of a file of JSON lines. Their paths begin at `images`, or at the file's folder.

    With `hold_out`, photos without a split are "dev", one in ten, or "train": by their names, so each is the
    same in every run, also when others have come. Raises DataError.
    """
    folder = Path(os.path.abspath(images or file.parent))  # noqa: PTH100 - a Path keeps `..`
    try:
        with file.open("rb") as stream:
            found = sound(_line(one, folder) for one in json_lines(stream, str(file)))
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}") from None
    photos = _photos(line for line in found if line is not None)
    generated = found.count(None)
    if not photos:
        only = f"only {counted(generated, 'caption')} that a captioner wrote" if generated else "no captions"
        raise DataError(f"{file}: has {only}; a line is such as {_FORM}")
    divided = _divided(photos) if hold_out else photos
    return JsonlPhotos(file, folder, divided, tuple(_remarks(file, photos, divided, generated)))


def _line(found: tuple[str, Mapping[str, Any]] | Problem, folder: Path) -> _Line | Problem | None:
    """None for what a captioner wrote."""
    if isinstance(found, Problem):
        return found
    where, known = found
    for name in _TEXTS:
        if not isinstance(known.get(name, ""), str):
            return Problem(where, f"{name} must be a string, not {type(known[name]).__name__}")
    image, image_id, caption, kind, model, split = (known.get(name, "") for name in _TEXTS)
    if kind == "generated" or model:
        return None
    reason = _unfit(image or image_id, caption)
    if reason:
        return Problem(where, reason)
    place = folder / (image or image_id)
    return _Line(where, place, _name(place, folder, image_id), caption, _usual(split))


def _unfit(image: str, caption: str) -> str:
    """Why nothing can be learnt from a line; empty where it can."""
    if not image:
        return "has no image, the path of a photo"
    if "://" in image:
        return f"its photo is at an address, {image}: download it, and name its file as image"
    return "" if caption.strip() else "has no caption"


def _name(place: Path, folder: Path, image_id: str) -> str:
    """From the folder on. Of photos elsewhere the image id if the path ends so, for they may all move."""
    path = _spelled(place)
    if path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    return image_id if path.as_posix().endswith(f"/{image_id}") else path.as_posix()


def _spelled(place: Path) -> Path:
    """In one way, for one photo."""
    return Path(os.path.normpath(place))


def _photos(lines: Iterable[_Line]) -> list[_Photo]:
    """What all lines say of each photo, in the order of the first ones."""
    found: dict[Path, list[_Line]] = {}
    for line in lines:
        found.setdefault(_spelled(line.image), []).append(line)
    return [_photo(lines) for lines in found.values()]


def _photo(lines: Sequence[_Line]) -> _Photo:
    """Raises DataError for one of two splits: it would be learnt from and tested on."""
    first = lines[0]
    splits = {line.split: line.where for line in lines if line.split}
    if len(splits) > 1:
        (one, where), (other, elsewhere), *_ = splits.items()
        raise DataError(f"{elsewhere}: its photo is of the split {other} here, and of {one} in {where}")
    captioned = CaptionedPhoto(first.image, tuple(line.caption for line in lines), first.name)
    return _Photo(first.where, captioned, next(iter(splits), ""))


def _usual(split: str) -> str:
    return DEV if split in _NAMES_OF_DEV else split


def _divided(photos: Sequence[_Photo]) -> list[_Photo]:
    return [one if one.split else replace(one, split=_by_name(one.photo.name)) for one in photos]


def _by_name(name: str) -> str:
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).digest()
    return DEV if int.from_bytes(digest[:4], "big") % HELD_OUT == 0 else TRAIN


def _remarks(
    file: Path, photos: Sequence[_Photo], divided: Sequence[_Photo], generated: int
) -> Iterator[str]:
    if generated:
        yield f"{file}: {counted(generated, 'caption')} that a captioner wrote: passed over"
    pairs = zip(photos, divided, strict=True)
    found = Counter(later.split for one, later in pairs if not one.split and later.split)
    if found:
        these = counted(found.total(), "photo")
        yield f"{file}: {these} without a split, {found[DEV]:,} of them, by name, held out to score on"


def _counted(photos: Sequence[_Photo]) -> str:
    """The splits that there are."""
    counts = Counter(one.split for one in photos)
    return " and ".join(f"{split} ({counted(count, 'photo')})" for split, count in counts.items())
