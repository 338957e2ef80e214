"""`search duplicates`: read options, look an index through, print the groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from captioner.commands.bars import progress_bar, tell
from captioner.commands.options import Command, with_options
from captioner.counted import counted
from captioner.outside import clean, printable
from indexer.commands.filter_options import FILTERS, read_filters
from indexer.index import open_index
from search.absent import absent
from search.commands.options import html_option, index_option
from search.commands.paths import print_paths
from search.duplicates import Group, NearCopies, Picture, near_copies, spare_files
from search.folding import NEAR

_HELP = f"""List near copies among the pictures of the index.

Near copies are the same picture smaller, encoded again or lightly edited: at most {NEAR} bits of their
perceptual hashes differ. Blank pictures, gradients, and pages so unevenly lit that their hashes tell of the
light alone are too plain to compare: they are near to none. A group consists of its first picture, by image
id, and the pictures near to that. The hashes come from the index; files are not read. After changes to files
run `indexer add` first.
"""


def duplicates_options(command: Command) -> Command:
    """What to look through, and what to print."""
    as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object.")
    paths = click.option(
        "--paths",
        is_flag=True,
        help="Print only files of copies, one a line: neither the largest of each group nor copies with "
        "colour or frames that it lacks. Nothing is deleted; look at them with --html before you do.",
    )
    return with_options(command, (index_option, *FILTERS, as_json, html_option, paths))


@click.command(help=_HELP)
@duplicates_options
def duplicates(index: str, as_json: bool, html: Path | None, paths: bool, **options: Any) -> None:
    if as_json and paths:
        raise click.UsageError("--json and --paths print different things; give one")
    allowed = read_filters(options)
    with open_index(index) as opened:
        found = near_copies(opened, allowed, progress=progress_bar)
        for remark in () if found.images else absent(opened, allowed):
            tell(remark)
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        (_print_paths if paths else _print_groups)(found)
    if html is not None:
        _write_page(found, html)


def _print_groups(found: NearCopies) -> None:
    for group in found.groups:
        click.echo(f"{_heading(group)}\n")
    click.echo(str(found))


def _heading(group: Group) -> str:
    heading = f"{len(group.pictures)} pictures: {clean(group.pictures[0].caption)}"
    lines = [_line(picture, is_first=not number) for number, picture in enumerate(group.pictures)]
    return "\n".join((heading, *lines))


def _line(picture: Picture, is_first: bool) -> str:
    distance = "" if is_first else f"{counted(picture.bits, 'bit')} apart"
    notes = ", ".join(filter(None, (picture.measures, distance)))
    return f"  {printable(picture.place)}" + (f"  {notes}" if notes else "")


def _print_paths(found: NearCopies) -> None:
    paths = [*spare_files(found)]
    if broken := print_paths(paths):
        tell(f"left out, since their names are more than one line: {counted(broken, 'file')}")
    if gone := sum(not group.pictures[0].is_file_here for group in found.groups):
        tell(f"left out, since their first picture is no file here: {counted(gone, 'group')}")
    tell(f"{found}; {counted(len(paths) - broken, 'file')} to do without")


def _write_page(found: NearCopies, html: Path) -> None:
    from captioner.drawing.page import write_document
    from search.render.duplicates import near_copies_page

    write_document(near_copies_page(found), html)
    click.echo(f"page: {html}", err=True)
