"""Where pictures are, for another program to read: one a line, and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import click

from captioner.outside import printable


def print_paths(places: Iterable[str]) -> int:
    """Print paths as the system names them, and web addresses; gives how many are no line, or nowhere."""
    left_out = 0
    for place in places:
        if not place or "\n" in place:
            left_out += 1
        else:
            click.echo(printable(place) if sys.stdout.isatty() else os.fsencode(place))
    return left_out
