"""Where pictures are, for another program to read: one a line, and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress

import click

from captioner.outside import printable


def print_paths(places: Iterable[str]) -> int:
    """Print paths as the system names them, and web addresses; gives how many are no line, or nowhere."""
    left_out = 0
    for place in places:
        if place and "\n" not in place and (name := _as_named(place)):
            click.echo(printable(place) if sys.stdout.isatty() else name)
        else:
            left_out += 1
    return left_out


def _as_named(place: str) -> bytes:
    """The name that the file has on the disk; empty for what can be none."""
    with suppress(UnicodeEncodeError):
        return os.fsencode(place)
    with suppress(UnicodeEncodeError):  # indexed in UTF-8, of which this locale (LC_ALL=C) knows little
        return place.encode("utf-8", "surrogateescape")
    return b""
