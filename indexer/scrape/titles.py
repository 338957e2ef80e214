"""Titles of pictures as captions: without the endings of files; one that is a file's name alone is none."""

from __future__ import annotations

import re

from captioner.formats import SUFFIXES, UNREAD

_ENDING = re.compile(rf"\s*(?:{'|'.join(map(re.escape, sorted(SUFFIXES | UNREAD)))})$", re.IGNORECASE)
#: How cameras and phones begin the names of their files, which go on with numbers.
_CAMERAS = (
    r"_?img|_?mg|imgp|mvimg|pxl|_?dsc|dscf|dscn|dsci|dcp_?|dcim|cimg|pict|hpim|gopr|dji|sam_|"
    r"p[1-9a-c](?=\d{6}\b)"  # month, day and a number of four digits
)
#: What apps put between and behind the numbers.
_BETWEEN = r"[-_ ~.()\d]|wa(?=\d)|hdr|edit(?:ed)?|copy|crop(?:ped)?|portrait|burst"
_OF_A_CAMERA = re.compile(rf"(?:{_CAMERAS})[-_ ]*\d{{3}}(?:{_BETWEEN})*", re.IGNORECASE)
#: A checksum, a UUID, the numbers of a photo site (5678901234_abcdef0123_b): digits and the letters a to f.
_OF_A_PROGRAM = re.compile(r"(?=.{12})(?=.*\d)[\da-f]+(?:[-_][\da-f]+)*(?:_[a-z])?", re.IGNORECASE)


def caption_of(title: str) -> str:
    """What a title says of the picture; "" where it says nothing, since it has no letter or names a file."""
    said = title
    while (shorter := _ENDING.sub("", said)) != said:
        said = shorter
    if not any(character.isalpha() for character in said):
        return ""
    if _OF_A_CAMERA.fullmatch(said) or _OF_A_PROGRAM.fullmatch(said):
        return ""
    # Names of files have underscores where words have spaces.
    return said.replace("_", " ") if said != title and " " not in said else said
