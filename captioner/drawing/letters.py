"""Letters to draw: those of the face that Pillow carries, and what it lacks in a face of this machine.

So plain Latin letters look the same on every machine. Pillow's face has them without accents: letters with
marks and those of other scripts come from the machine's faces. Where no face has it, a letter is drawn as the
plain ones it is near to (é as e, ß as ss), or else as its number in Unicode, so that different names look
different.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from PIL import ImageDraw, ImageFont, features

from captioner.files import is_file

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

#: Files of faces with the letters of many scripts, as Linux, macOS and Windows have them.
_WIDE = (
    *("NotoSans-Regular.ttf", "DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "DroidSansFallbackFull.ttf"),
    *("Arial Unicode.ttf", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc"),
    *("segoeui.ttf", "msgothic.ttc", "msyh.ttc", "malgun.ttf"),
)
#: Whether Pillow can write from right to left, and join letters.
_WRITES_LEFTWARDS = features.check("raqm") and features.check("fribidi")

#: The size at which bitmaps of two characters are compared.
_LEGIBLE = 24
_NO_CHARACTER = "\U0010ffff"  # Unicode will never assign it

#: Letters and signs that Pillow's face lacks -> a spelling in letters that it has, where no face has them.
#: Those that Unicode decomposes are not in here.
_PLAIN = {
    pair[0]: pair[1:]
    for pair in "ßss ẞSS æae ÆAE œoe ŒOE øo ØO łl ŁL đd ĐD ðd ÐD þth ÞTh ıi −- ×x •· ‚' ‛' „\" ‟\" ¡!".split()
}


@lru_cache
def font(size: int) -> Font:
    """The face that Pillow carries."""
    return ImageFont.load_default(size)


def extent(text: str, size: int) -> float:
    """The width of a text as `write` draws it."""
    return sum(float(face.getlength(run)) for face, run in _runs(text, size))


def write(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, fill: str, size: int) -> None:
    """Draw a text, as `spelled` gives it, with its upper left corner at `place`."""
    left, top = place
    baseline = top + font(size).getbbox("x")[3]
    for face, run in _runs(text, size):
        draw.text((left, baseline), run, fill, face, anchor="ls")
        left += float(face.getlength(run))


def spelled(text: str) -> str:
    """The text in letters that can be drawn; where none comes close, a number: <U+6D77>."""
    return text if text.isascii() else "".join(map(_spelled, unicodedata.normalize("NFC", text)))


def _runs(text: str, size: int) -> Iterator[tuple[Font, str]]:
    """The text in pieces, each with the face that has its letters.

    A space has the face of the letters before it, for words that are written leftwards must stay together.
    """
    if text.isascii():
        yield font(size), text
        return
    numbers: list[int] = []
    for letter in text:
        numbers.append(numbers[-1] if letter == " " and numbers else _face_with(letter) or 0)
    for number, run in groupby(zip(numbers, text, strict=True), itemgetter(0)):
        yield _faces(size)[number], "".join(letter for _, letter in run)


@lru_cache(maxsize=4096)
def _spelled(character: str) -> str:
    face = _face_with(character)
    if face == 0:
        return character
    if _is_left_out(character):
        return ""
    if face is not None:
        return character
    latin = _in_latin(character)
    return f"<U+{ord(character):04X}>" if latin is None else latin


def _in_latin(character: str) -> str | None:
    """The plain letters of Pillow's face that come close to a character; None if there are none."""
    parts = unicodedata.normalize("NFKD", character)
    if parts != character:
        found = [_in_latin(part) for part in parts]
        return None if None in found else "".join(part or "" for part in found)
    if _has_glyph(font(_LEGIBLE), character):
        return character
    if _is_left_out(character):
        return ""
    return "-" if unicodedata.category(character) == "Pd" else _PLAIN.get(character)


def _is_left_out(character: str) -> bool:
    """Whether it is an accent on its own, or tells how the characters beside it are drawn.

    A face that has such an accent would draw it beside its letter, which may be of another face.
    """
    accent, variant = "\u0300" <= character <= "\u036f", "\ufe00" <= character <= "\ufe0f"
    return accent or variant or unicodedata.category(character) in ("Cf", "Me")


@lru_cache(maxsize=4096)
def _face_with(character: str) -> int | None:
    """The number of the first face that has the character; None where none has."""
    if unicodedata.bidirectional(character) in ("R", "AL") and not _WRITES_LEFTWARDS:
        return None
    return next((number for number, face in enumerate(_faces(_LEGIBLE)) if _has_glyph(face, character)), None)


@lru_cache
def _faces(size: int) -> tuple[Font, ...]:
    """Pillow's face, and those of this machine with the letters of many scripts."""
    return font(size), *(ImageFont.truetype(file, size) for file in _files())


@lru_cache
def _files() -> tuple[str, ...]:
    found = []
    for name in _WIDE:
        with suppress(OSError):
            if not is_file(name):  # Pillow would take it before the system's
                found.append(str(ImageFont.truetype(name).path))
    return tuple(found)


def _has_glyph(face: Font, character: str) -> bool:
    """Whether the face has the character: it draws the same box for all characters that it lacks."""
    bare = _unshaped(face)
    return bytes(bare.getmask(character)) != bytes(bare.getmask(_NO_CHARACTER))


@lru_cache
def _unshaped(face: Font) -> Font:
    """The face without raqm, which sets a circle before a lone mark: that and a box is no box."""
    if isinstance(face, ImageFont.FreeTypeFont) and face.layout_engine != ImageFont.Layout.BASIC:
        # Before Pillow 13 font_variant() took BASIC, which is 0, for "as it was".
        return ImageFont.truetype(face.path, face.size, face.index, layout_engine=ImageFont.Layout.BASIC)
    return face
