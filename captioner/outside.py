"""Text from outside (names, captions, errors) made safe to show: it moves, colours and turns no line."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

#: Controls, halves of characters, what is none, what is somebody's own, and ends of lines.
_REFUSED = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
#: Direction marks and overrides: invisible, and able to turn a line around. (Joiners are part of words.)
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
REPLACEMENT = "\ufffd"


def printable(text: str) -> str:
    """A name or a message on one line of a terminal; what is refused is escaped, so that it can be told."""
    return _shown(text, lambda character: ascii(character)[1:-1])


def clean(text: str) -> str:
    """A caption on one line with single spaces; what is refused is one mark, for tables and pictures."""
    return _shown(" ".join(text.split()), lambda character: REPLACEMENT)


def said(error: BaseException) -> str:
    """What an error of others says, on one line: it may have many, or repeat all that a file holds."""
    return " ".join(str(error)[:1000].split())[:200] or type(error).__name__


def _shown(text: str, instead: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(instead(one) if _is_refused(one) else one for one in text)


def _is_refused(character: str) -> bool:
    return character in _DIRECTION or unicodedata.category(character) in _REFUSED
