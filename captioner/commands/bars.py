"""Progress and remarks of commands, on stderr."""

from __future__ import annotations

import sys
from typing import Any, TextIO, cast

import click
from tqdm import tqdm

from captioner.outside import printable

#: Seconds between two lines of a progress bar that is logged.
BETWEEN_LINES = 60.0


def tell(what: object) -> None:
    """Write a line to stderr, above the progress bar if there is one."""
    tqdm.write(printable(str(what)), file=sys.stderr)


def progress_bar(total: int | None, unit: str, label: str = "", *, logged: bool = False) -> tqdm[Any]:
    """A bar on stderr with rate and time left; silent where stderr is not a terminal.

    What may take hours is `logged` there: what takes longer than a minute gets a line a minute.
    """
    if logged and not sys.stderr.isatty():
        return tqdm(
            total=total,
            unit=unit,
            desc=label or None,
            file=cast(TextIO, _LinesOnStderr()),
            bar_format="{desc}: {n_fmt}/{total_fmt} {unit}s [{elapsed}<{remaining}, {rate_fmt}{postfix}]",
            mininterval=BETWEEN_LINES,
            maxinterval=BETWEEN_LINES,
            delay=BETWEEN_LINES,
            leave=False,  # else the last line would come twice
        )
    return tqdm(
        total=total,
        unit=unit,
        unit_scale=unit == "B",  # bytes as kB, MB
        desc=label or None,
        disable=None,
        file=sys.stderr,
        dynamic_ncols=True,
    )


class StageBars:
    """Shows a work (captioner.stages): a bar for each stage, one after the other, remarks above it."""

    def __init__(self, *, logged: bool = False) -> None:
        self._logged = logged
        self.bar: tqdm[Any] | None = None

    def stage(self, name: str, total: int, unit: str = "photo") -> None:
        self.close()
        self.bar = progress_bar(total, unit, name, logged=self._logged)

    def advance(self, count: int = 1) -> None:
        """Count units of the stage that began last."""
        if self.bar is not None:
            self.bar.update(count)

    def remark(self, what: str) -> None:
        tell(what)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


class _LinesOnStderr:
    """A place for a progress bar to write to: each of its states becomes a line."""

    def write(self, text: str) -> None:
        if state := text.strip():
            click.echo(printable(state), err=True)

    def flush(self) -> None:
        sys.stderr.flush()
