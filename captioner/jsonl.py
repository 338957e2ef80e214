"""Captioned photos of one's own, as JSON lines: which to learn from, and which to hold out for scoring.

A line has a `caption`, and an `image`: the path of the photo (without `image`, the `image_id` is the path).
`indexer build --jsonl` reads such lines, and `indexer export` writes them. Captions that a captioner wrote
are passed over, since a model that learns from them learns its own mistakes.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from captioner.caption_files import json_lines
from captioner.counted import counted
from captioner.datasets import CaptionedPhoto, check_photos_there, without_problems
from captioner.errors import DataError
from captioner.files import real_path
from captioner.problem import Problem
from captioner.tokens import words

#: One photo in so many is held out to score on, where no line says which.
HELD_OUT = 10
#: At least so many are, however few photos there are: with one alone each idf weight, and so CIDEr-D, is 0.
FEWEST_HELD_OUT = 2
TRAIN, DEV = "train", "dev"
#: Other names for the split that a model is scored on while it learns.
_NAMES_OF_DEV = ("val", "validation")
_TEXTS = ("image", "image_id", "caption", "kind", "model", "split")
_FORM = '{"image": "photo.jpg", "caption": "a dog on a beach"}'


@dataclass(frozen=True, slots=True)
class _JsonlLine:
    """What one line says of a photo."""

    where: str
    image: Path
    name: str
    caption: str
    split: str  # "" where it names none


@dataclass(frozen=True, slots=True)
class _SplitPhoto:
    """What all lines say of a photo."""

    where: str  # the first of them
    photo: CaptionedPhoto
    split: str


@dataclass(frozen=True, slots=True)
class JsonlPhotos:
    """The photos of a file, in its order."""

    file: Path
    folder: Path  # where relative paths begin
    photos: Sequence[_SplitPhoto]
    remarks: Sequence[str]  # sentences for people: what is not learnt from

    def of(
        self, split: str = "", mending: str = "name another split, or another file"
    ) -> list[CaptionedPhoto]:
        """The photos of a split, and those without a split; all photos for "".

        Raises DataError if there are none (`mending`: what to do then), or if a photo's file is missing.
        """
        wanted = _standard_split(split)
        found = [entry for entry in self.photos if not wanted or entry.split in ("", wanted)]
        if not found:
            splits = _list_splits(self.photos)
            raise DataError(f"{self.file}: has no photo of the split {split}, but of {splits}; {mending}")
        photos = [entry.photo for entry in found]
        begin = f"paths that are not absolute begin at {self.folder}"
        check_photos_there(photos, [entry.where for entry in found], begin)
        return photos

    def unused(self, *splits: str) -> str:
        """A remark on the photos of other splits than these; "" if there are none."""
        others = [entry for entry in self.photos if entry.split not in ("", *splits)]
        such = f"{counted(len(others), 'photo')} neither learnt from nor scored on"
        return f"{self.file}: {such}, by the splits {_list_splits(others)}" if others else ""


def jsonl(file: Path, images: Path | None = None, *, hold_out: bool = False) -> JsonlPhotos:
    """The photos of a file of JSON lines. Their paths begin at `images`, or at the file's folder.

    With `hold_out`, one in ten of the photos without a split is "dev" and the others are "train". Their names
    decide, so a photo's split is the same in every run, also after others were added. Raises DataError.
    """
    folder = Path(os.path.abspath(images or file.parent))  # noqa: PTH100 - a Path keeps `..`
    try:
        with file.open("rb") as stream:
            found: list[_JsonlLine | str] = without_problems(
                _parse_line(line, folder) for line in json_lines(stream, str(file))
            )
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}") from None
    passed_over = [
        f"{counted(count, 'caption')} {why}"
        for why, count in Counter(line for line in found if isinstance(line, str)).items()
    ]
    photos = _group_by_photo((line for line in found if not isinstance(line, str)), folder)
    if not photos:
        only = f"only {' and '.join(passed_over)}" if passed_over else "no captions"
        raise DataError(f"{file}: has {only}; a line is such as {_FORM}")
    divided = _assign_splits(photos) if hold_out else photos
    return JsonlPhotos(file, folder, divided, tuple(_remarks(file, photos, divided, passed_over)))


def _parse_line(found: tuple[str, Mapping[str, Any]] | Problem, folder: Path) -> _JsonlLine | Problem | str:
    """The line's content, what is wrong with it, or of what kind its caption is if it is passed over."""
    if isinstance(found, Problem):
        return found
    where, known = found
    for name in _TEXTS:
        if not isinstance(known.get(name, ""), str):
            return Problem(where, f"{name} must be a string, not {type(known[name]).__name__}")
    image, image_id, caption, kind, model, split = (known.get(name, "") for name in _TEXTS)
    if kind == "generated" or model:
        return "that a captioner wrote"
    reason = _why_unfit(image or image_id, caption)
    if reason:
        return Problem(where, reason)
    if not words(caption):
        return "without a word"
    place = folder / (image or image_id)
    return _JsonlLine(where, place, _photo_name(place, folder, image_id), caption, _standard_split(split))


def _why_unfit(image: str, caption: str) -> str:
    """Why a line cannot be learnt from; "" where it can."""
    if not image:
        return "has no image, the path of a photo"
    if "://" in image:
        return f"its photo is at an address, {image}: download it, and name its file as image"
    return "" if caption.strip() else "has no caption"


def _photo_name(place: Path, folder: Path, image_id: str) -> str:
    """The photo's path below `folder`.

    A photo elsewhere has its image id as name if its path ends with the id, and its path otherwise.
    The id stays the same when all photos move to another place.
    """
    path = Path(os.path.normpath(place))
    if path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    return image_id if path.as_posix().endswith(f"/{image_id}") else path.as_posix()


def _group_by_photo(lines: Iterable[_JsonlLine], folder: Path) -> list[_SplitPhoto]:
    """The lines of each photo joined, in the order of the photos' first lines.

    Links to one file are one photo, or it would be learnt from under one name and scored on under another.
    """
    own = cache(real_path)
    found: dict[str, list[_JsonlLine]] = {}
    for line in lines:
        found.setdefault(own(line.image), []).append(line)
    return _rename_namesakes([_join_lines(lines) for lines in found.values()], folder)


def _rename_namesakes(photos: Sequence[_SplitPhoto], folder: Path) -> list[_SplitPhoto]:
    """Photos of one name named by their files, but for the one whose path below `folder` the name is."""
    count = Counter(entry.photo.name for entry in photos)

    def renamed(entry: _SplitPhoto) -> _SplitPhoto:
        name, own = entry.photo.name, real_path(entry.photo.image)
        if real_path(folder / name) == own:
            return entry
        return replace(entry, photo=replace(entry.photo, name=own))

    return [renamed(entry) if count[entry.photo.name] > 1 else entry for entry in photos]


def _join_lines(lines: Sequence[_JsonlLine]) -> _SplitPhoto:
    """Join a photo's lines. Raises DataError if they name two splits: it would be trained and tested on."""
    first = lines[0]
    splits = {line.split: line.where for line in lines if line.split}
    if len(splits) > 1:
        (one, where), (other, elsewhere), *_ = splits.items()
        raise DataError(f"{elsewhere}: its photo is of the split {other} here, and of {one} in {where}")
    captioned = CaptionedPhoto(first.image, tuple(line.caption for line in lines), first.name)
    return _SplitPhoto(first.where, captioned, next(iter(splits), ""))


def _standard_split(split: str) -> str:
    split = split.strip().lower()
    return DEV if split in _NAMES_OF_DEV else split


def _assign_splits(photos: Sequence[_SplitPhoto]) -> list[_SplitPhoto]:
    held_out = _held_out(photos)
    return [
        entry if entry.split else replace(entry, split=DEV if entry.photo.name in held_out else TRAIN)
        for entry in photos
    ]


def _held_out(photos: Sequence[_SplitPhoto]) -> set[str]:
    """Names of those without a split to be scored on; of a few photos two are, but one is learnt from."""
    named = {entry.split for entry in photos}
    names = [entry.photo.name for entry in photos if not entry.split]
    names.sort(key=lambda name: (_digest(name) % HELD_OUT > 0, _digest(name)))
    drawn = sum(_digest(name) % HELD_OUT == 0 for name in names)
    most = len(names) - (TRAIN not in named)
    fewest = 0 if DEV in named else FEWEST_HELD_OUT
    return set(names[: min(max(drawn if drawn <= most else 0, fewest), most)])


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode(errors="surrogatepass")).digest()[:4], "big")


def _remarks(
    file: Path, photos: Sequence[_SplitPhoto], divided: Sequence[_SplitPhoto], passed_over: Sequence[str]
) -> Iterator[str]:
    yield from (f"{file}: {such}: passed over" for such in passed_over)
    pairs = zip(photos, divided, strict=True)
    found = Counter(after.split for before, after in pairs if not before.split and after.split)
    if found:
        these = counted(found.total(), "photo")
        yield f"{file}: {these} without a split, {found[DEV]:,} of them, by name, held out to score on"


def _list_splits(photos: Sequence[_SplitPhoto]) -> str:
    """The splits and their numbers of photos, for a message."""
    counts = Counter(entry.split for entry in photos)
    return " and ".join(f"{split} ({counted(count, 'photo')})" for split, count in counts.items())
