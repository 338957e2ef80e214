"""Options and types of options that several commands have."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from captioner.effort import MOST_BEAM, USUAL_BEAM

Command = TypeVar("Command", bound=Callable[..., Any])


def split_names(context: click.Context, option: click.Parameter, given: str) -> list[str]:
    """The callback of an option of several names, with commas between; an empty text has none."""
    return [name.strip() for name in given.split(",") if name.strip()]


def with_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """A command with these options, which its help lists in this order."""
    for option in reversed(options):
        command = option(command)
    return command


#: How hard captioning tries, for every command that captions.
beam_option = click.option(
    "--beam",
    type=click.IntRange(1, MOST_BEAM),
    help="Beam width: beginnings of a caption that are followed at once; 1 is greedy. "
    f"[default: {USUAL_BEAM}; 1 for the student project's models]",
)


#: Where the model runs.
device_option = click.option("--device", help="cpu, cuda or cuda:N. [default: cuda where present]")


class Place(click.Path):
    """A file or folder. An empty name would mean the current folder: `--folder "$UNSET"` is a mistake."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fsdecode(value).strip():
            self.fail("is empty; name a place, or leave it out.", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = Place(path_type=Path, file_okay=False)


FILE = Place(path_type=Path, dir_okay=False)


#: A place as text, for code that itself checks what is there.
PLACE = Place(readable=False)


class Number(click.FloatRange):
    """A finite number in a range: NaN would pass every limit, and infinity leaves nothing to compute."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number
