"""Small pictures of photos, and text to draw. Only files are opened, and only safely; nothing is fetched."""

from __future__ import annotations

import base64
import io
import os
import unicodedata
from collections.abc import Iterable
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

from PIL import Image, ImageFont, ImageOps, PngImagePlugin

from captioner.drawing.made import NOTE
from captioner.drawing.marks import Mark, filled
from captioner.errors import PhotoError
from captioner.files import is_file
from captioner.photo import Photo, open_photo

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

#: What montages and comparisons are drawn in, as captioner.drawing.page has it for HTML.
PAPER, CARD, EDGE, EMPTY = "#f4f2ee", "#ffffff", "#e2ded6", "#d9d6d0"
INK, PALE, MARK = "#22262b", "#767c85", "#0b7a4b"

_LEADING = 1.32

#: Characters are told apart at this size.
_LEGIBLE = 24
_NO_CHARACTER = "\U0010ffff"  # and there will never be one

#: Spelt without the letters and signs that the face lacks; what Unicode takes apart by itself is not here.
_PLAIN = {
    pair[0]: pair[1:]
    for pair in "ßss ẞSS æae ÆAE œoe ŒOE øo ØO łl ŁL đd ĐD ðd ÐD þth ÞTh ıi −- ×x •· ‚' ‛' „\" ‟\" ¡!".split()
}


def thumbnail(photo: Photo | None, width: int, height: int) -> Image.Image | None:
    """The photo inside width x height pixels, sides in proportion; None where it is missing or remote."""
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
    """Write a picture that was drawn here, with a note that it was."""
    note = PngImagePlugin.PngInfo()
    note.add_text(*NOTE)
    picture.save(Path(path), "PNG", pnginfo=note)


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
    """As it is drawn: in letters that the face has, and cut to `width` pixels."""
    text = spelt(text)
    while len(text) > 1 and extent(text, size) > width:
        text = text[: max(1, len(text) * 9 // 10 - 1)] + "…" if not text.endswith("…") else text[:-2] + "…"
    return text


def fit_end(text: str, width: int, size: int) -> str:
    """Cut from the front: of a path, the end tells more."""
    return fit(spelt(text)[::-1], width, size)[::-1]


def spelt(text: str) -> str:
    """In letters that the face has, which are Latin ones without accents; "?" for what none are near to."""
    return text if text.isascii() else "".join(map(_spelt, text))


def leading(size: int) -> int:
    return round(size * _LEADING)


def extent(text: str, size: int) -> float:
    return float(font(size).getlength(text))


@lru_cache
def font(size: int) -> Font:
    """The face that Pillow carries, so that a montage looks the same on every machine."""
    return ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def _spelt(character: str) -> str:
    if _has_glyph(character):
        return character
    parts = unicodedata.normalize("NFKD", character)
    if parts != character:
        spelling = "".join(map(_spelt, parts))
        return "?" if set(spelling) == {"?"} else spelling  # a Korean syllable has three parts
    kind = unicodedata.category(character)
    if kind in ("Mn", "Me", "Cf"):  # accents, and what is never seen
        return ""
    return "-" if kind == "Pd" else _PLAIN.get(character, "?")


def _has_glyph(character: str) -> bool:
    """A face draws one and the same box for all that it has no glyph for."""
    return _drawn(character) != _drawn(_NO_CHARACTER)


def _drawn(character: str) -> bytes:
    return bytes(font(_LEGIBLE).getmask(character))
