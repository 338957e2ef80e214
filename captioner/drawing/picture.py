"""Small pictures of photos, and text to draw. Only files are opened, and only safely; nothing is fetched."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable
from functools import partial
from itertools import islice
from pathlib import Path

from PIL import Image, ImageOps, PngImagePlugin

from captioner.drawing.letters import extent, spelled
from captioner.drawing.made import NOTE
from captioner.drawing.marks import Mark, filled
from captioner.errors import PhotoError
from captioner.files import is_file, written_whole
from captioner.photo import Photo, open_photo

_LEADING = 1.32


def thumbnail(photo: Photo | None, width: int, height: int) -> Image.Image | None:
    """The photo shrunk to fit into width x height pixels; None where it is missing, remote or unreadable."""
    if not photo or (isinstance(photo, str) and not is_file(photo)):  # a URL is no file either
        return None
    try:
        picture = open_photo(photo, smallest=max(width, height)).copy()
    except PhotoError:
        return None
    picture.thumbnail((width, height), Image.Resampling.LANCZOS)
    return picture


def fitted(photo: Photo | None, width: int, height: int) -> Image.Image | None:
    """The whole photo as large as fits into width x height pixels, enlarged if need be."""
    picture = thumbnail(photo, width, height)
    if picture is None:
        return None
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)


def filling(photo: Photo | None, width: int, height: int) -> Image.Image | None:
    """The photo cut to exactly width x height pixels around its middle; None as for `thumbnail`."""
    picture = thumbnail(photo, 4 * width, 4 * height)
    if picture is None:
        return None
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)  # enlarges no more than it shows


def data_uri(picture: Image.Image) -> str:
    """A picture as a JPEG inside a page."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def write_png(picture: Image.Image, path: str | os.PathLike[str]) -> None:
    """Write a picture that was drawn here, with a note that it was; the file is whole or as it was."""
    note = PngImagePlugin.PngInfo()
    note.add_text(*NOTE)
    with written_whole(Path(path)) as file:
        picture.save(file, "PNG", pnginfo=note)


def wrap(words: Iterable[Mark], width: int, size: int, most: int) -> list[list[Mark]]:
    """Lines of words that fit into `width` pixels, at most `most` of them."""
    fitted = ((fit(word, width, size), mark) for word, mark in words)
    lines = list(islice(filled(fitted, width, partial(extent, size=size)), most + 1)) or [[]]
    if len(lines) > most:
        lines.pop()
        word, mark = lines[-1][-1]
        lines[-1][-1] = fit(f"{word}…", width, size), mark
    return lines


def fit(text: str, width: int, size: int) -> str:
    """The text as it is drawn: in letters that there are, and cut to `width` pixels."""
    return _cut(spelled(text), width, size)


def fit_end(text: str, width: int, size: int) -> str:
    """Like `fit`, but cut at the front: the end of a path tells more."""
    return _cut(spelled(text)[::-1], width, size)[::-1]


def _cut(text: str, width: int, size: int) -> str:
    while len(text) > 1 and extent(text, size) > width:
        text = text[: max(1, len(text) * 9 // 10 - 1)] + "…" if not text.endswith("…") else text[:-2] + "…"
    return text


def leading(size: int) -> int:
    return round(size * _LEADING)
