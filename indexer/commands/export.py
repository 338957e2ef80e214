"""`indexer export`: read options, write the captions to a file or to stdout, and say how many."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from captioner.commands.bars import progress_bar, tell
from captioner.commands.group import interruptible
from captioner.commands.options import Command, with_options
from captioner.commands.output_files import WholeFile
from captioner.files import writing, written_whole
from indexer import open_index
from indexer.commands.filter_options import FILTERS, read_filters
from indexer.commands.source_options import where_option
from indexer.export import export as export_captions
from indexer.progress import Progress, no_progress


class _ExportFile(WholeFile):
    """A file to export to: new or empty, since an earlier export cannot be told from what a person wrote."""

    earlier = "empty file"

    def is_earlier(self, file: Path) -> bool:
        return not file.stat().st_size


def export_options(command: Command) -> Command:
    """The options that say what to write, and where."""
    output = click.option(
        "-o",
        "--output",
        "file",
        type=_ExportFile(),
        metavar="FILE",
        help="File to write, completely or not at all; an existing file is refused. [default: stdout]",
    )
    return with_options(where_option(command), (output, *FILTERS))


@click.command()
@export_options
def export(file: Path | None, where: str, **options: Any) -> None:
    """Write the captions of an index as JSON lines.

    `indexer build --jsonl` and `indexer add --jsonl` read them into an index of either engine, without
    captioning any photo. The conditions select captions; without conditions all are written.
    """
    allowed = read_filters(options)
    shows_lines = file is None and sys.stdout.isatty()  # a progress bar would get in between
    progress: Progress = no_progress if shows_lines else progress_bar
    with open_index(where) as index, _into(file) as stream:
        tally = export_captions(index, stream, allowed, progress=progress)
    tell(f"exported {tally}")


@contextmanager
def _into(file: Path | None) -> Iterator[BinaryIO]:
    if file is not None:
        with interruptible(f"interrupted: {file} was not written"), written_whole(file) as new:
            yield new
        return
    with writing(Path("standard output")):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
