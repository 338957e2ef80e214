"""The mark of the pages and pictures that this program makes: an output takes the place of no other file."""

from __future__ import annotations

from pathlib import Path

_MAKER = "caption-search"
#: How a PNG and a page say it, before all that they hold.
NOTE = ("Software", _MAKER)
META = f'<meta name="generator" content="{_MAKER}">'
_MARKS = ("\0".join(NOTE).encode(), META.encode())
_WITHIN = 128  # bytes


def is_made_here(file: Path) -> bool:
    """Whether the file says so; an empty one, as mktemp leaves it, is nobody's."""
    with file.open("rb") as opened:
        beginning = opened.read(_WITHIN)
    return not beginning or any(mark in beginning for mark in _MARKS)
