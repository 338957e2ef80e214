"""Make text from outside (names, captions, errors) safe to show on one line of a terminal or page.

Control characters could move the cursor or change colours, and direction marks could reverse the line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

#: Unicode categories: controls, surrogates, unassigned, private use, line and paragraph separators.
_REFUSED = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
#: Direction marks and overrides: invisible, and able to reverse a line. (Joiners are parts of words.)
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
REPLACEMENT = "\ufffd"


def printable(text: str) -> str:
    """A name or message on one line of a terminal; refused characters are escaped, so that they show."""
    return _replace_refused(text, lambda character: ascii(character)[1:-1])


def clean(text: str) -> str:
    """A caption on one line with single spaces, for tables and pictures; refused characters become U+FFFD."""
    return _replace_refused(" ".join(text.split()), lambda character: REPLACEMENT)


def error_text(error: BaseException, longest: int = 200) -> str:
    """The message of a library's error, on one line and no longer than this: it may repeat a whole file."""
    return one_line(str(error), longest) or type(error).__name__


def one_line(text: str, longest: int) -> str:
    """What another program says, on one line and no longer than this."""
    return " ".join(text[: 5 * longest].split())[:longest]


def _replace_refused(text: str, instead: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(instead(character) if _is_refused(character) else character for character in text)


def _is_refused(character: str) -> bool:
    return character in _DIRECTION or unicodedata.category(character) in _REFUSED
