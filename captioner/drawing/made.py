"""The mark of the pages and pictures that this program makes; an output may replace only files with it."""

from __future__ import annotations

from pathlib import Path

_MAKER = "caption-search"
#: The mark in a PNG and in a page, near the beginning of the file.
NOTE = ("Software", _MAKER)
META = f'<meta name="generator" content="{_MAKER}">'
_MARKS = ("\0".join(NOTE).encode(), META.encode())
_WITHIN = 128  # the mark lies in this many first bytes


def is_made_here(file: Path) -> bool:
    """Whether the file has the mark, or is empty, as mktemp leaves it."""
    with file.open("rb") as opened:
        beginning = opened.read(_WITHIN)
    return not beginning or any(mark in beginning for mark in _MARKS)
