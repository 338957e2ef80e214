"""Bytes from outside -> a checked photo -> a file whose name is made from its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import LargePhotoError, PhotoError, UnknownFormatError
from captioner.photo import glance
from indexer.scrape.items import RefusalError

_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/x-portable-anymap": ".ppm",
    "image/heif": ".heic",
}


@dataclass(frozen=True, slots=True)
class ExaminedPhoto:
    """What a picture's bytes proved to be."""

    sha256: str
    phash: str
    suffix: str


def examine(body: bytes, smallest_side: int, *, alone: bool = True) -> ExaminedPhoto:
    """Decode and hash a picture. Raises RefusalError for what is no whole photo, or a tiny one (an icon).

    Raises LargePhotoError for a large one that is not `alone`.
    """
    try:
        photo = glance(body, large=alone)
    except LargePhotoError:
        raise
    except UnknownFormatError as error:
        raise RefusalError("unknown-format", error.reason) from None
    except PhotoError as error:
        raise RefusalError("not-a-photo", error.reason) from None
    if min(photo.size) < smallest_side:
        width, height = photo.size
        raise RefusalError("too-small", f"{width}x{height} (the least is {smallest_side})", "skipped")
    suffix = _SUFFIXES.get(photo.media_type, ".jpg")
    return ExaminedPhoto(hashlib.sha256(body).hexdigest(), photo.phash, suffix)


def file_name(photo: ExaminedPhoto) -> str:
    """Where a photo lies below its folder; nothing in it comes from a server."""
    return f"images/{photo.sha256[:2]}/{photo.sha256}{photo.suffix}"


def save(folder: Path, name: str, body: bytes) -> None:
    """Write a photo's file of this `file_name`.

    A crash may leave it cut short; then no line of the manifest names it, and the next run writes it anew.
    """
    try:
        _write(f"{folder}/{name}", body)
    except FileNotFoundError:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _write(f"{folder}/{name}", body)


def _write(path: str, body: bytes) -> None:
    with open(path, "wb") as file:  # noqa: PTH123 - Path takes a third of the time in which a photo is written
        file.write(body)
