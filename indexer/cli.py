"""The command `indexer`: read options, call the library, print what it reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from captioner.commands.bars import progress_bar, tell
from captioner.commands.group import CommandGroup, interruptible
from captioner.commands.options import FOLDER, PLACE
from captioner.counted import counted
from captioner.errors import CaptionerError
from captioner.files import is_file
from captioner.signals import stop_on_sigterm
from captioner.tokens import DEFAULT, analyzers
from indexer import build as building
from indexer import open_index
from indexer.build import BuildReport
from indexer.commands.filter_options import conditions_option, filters
from indexer.commands.report import finish, next_command, status_lines
from indexer.commands.source_options import (
    LINES,
    read_captioning,
    read_sources,
    retry_goes_alone,
    server_option,
    source_options,
    where_option,
)
from indexer.deletion import delete as delete_images
from indexer.deletion import delete_passing
from indexer.download import DATA_SETS
from indexer.download import download as download_data_set
from indexer.errors import IndexDamagedError, IndexerError
from indexer.photo_files.gone import delete_gone
from indexer.photo_files.image_ids import id_of_file
from indexer.urls import is_url

if TYPE_CHECKING:
    from indexer.contract import CaptionIndex
    from indexer.elastic import ElasticIndex

#: Commands in modules of their own, imported only when they are called: name -> "module:attribute".
ELSEWHERE = {
    "export": "indexer.commands.export:export",
    "kibana": "indexer.commands.kibana:kibana",
    "scrape": "indexer.scrape.command:scrape",
}


@click.group(cls=CommandGroup, lazy=ELSEWHERE, errors=(IndexerError, CaptionerError))
def main() -> None:
    """Put captions of pictures into an index that `search` answers from."""
    stop_on_sigterm()


@main.command()
@source_options
@click.option(
    "--analyzer",
    type=click.Choice(analyzers()),
    default=DEFAULT,
    show_default=True,
    help="How captions become tokens.",
)
@click.option("--keep", type=click.IntRange(0, 100), help="Elasticsearch: older indices kept for rollback.")
def build(where: str, analyzer: str, keep: int | None, rejects: Path, as_json: bool, **options: Any) -> None:
    """Make a new index from all sources and replace the old one.

    Searches see the old index until the new one is complete. Unchanged photos of the old index are not
    captioned again. After Ctrl-C, the same command continues. `--retry` alone adds to the existing index.

    Broken photos and lines, and captions that the index refuses, are reported and skipped; the exit code is
    then 1.
    """
    if options["retry"]:
        retry_goes_alone(click.get_current_context())
        _add(where, None, rejects, as_json, options)
        return

    # True whatever another build publishes meanwhile, and known without asking a server that may hang.
    again = (
        "interrupted: what was stored is kept; the same command goes on; "
        f"until it is done, searches of {where} see none of it"
    )
    _fill(building.build, lambda: _to_build(where, keep), again, analyzer, rejects, as_json, options)


@main.command()
@source_options
@click.option("--analyzer", type=click.Choice(analyzers()), help="Refuse an index made by another analyzer.")
def add(where: str, analyzer: str | None, rejects: Path, as_json: bool, **options: Any) -> None:
    """Add captions to the existing index.

    A caption that is already there is not stored twice: its other fields (image, licence, ...) are updated. A
    photo whose file was replaced is captioned again; a photo that only moved keeps its captions.

    Broken photos and lines, and captions that the index refuses, are reported and skipped; the exit code is
    then 1.
    """
    _add(where, analyzer, rejects, as_json, options)


def _to_build(where: str, keep: int | None) -> CaptionIndex:
    if keep is None:
        return open_index(where, create=True)
    index = _elastic(where).open(where, create=True)
    index.keep = keep
    return index


def _add(where: str, analyzer: str | None, rejects: Path, as_json: bool, options: dict[str, Any]) -> None:
    again = f"interrupted: what was added stays in {where}; the same command goes on"
    _fill(building.add, lambda: open_index(where), again, analyzer, rejects, as_json, options)


def _fill(
    work: Callable[..., BuildReport],
    opened: Callable[[], CaptionIndex],
    again: str,
    analyzer: str | None,
    rejects: Path,
    as_json: bool,
    options: dict[str, Any],
) -> None:
    """Build or add; options are read before the index is touched, and `again` is said on Ctrl-C."""
    found, captioning = read_sources(options), read_captioning(options)
    with opened() as index, interruptible(again):
        report = work(
            index,
            found,
            captioning,
            analyzer=analyzer,
            rejects=rejects,
            tell=tell,
            progress=progress_bar,
        )
    finish(report, rejects, as_json)


@main.command()
@click.argument("image_ids", nargs=-1, metavar="[IMAGE_ID]...")
@click.option("--from", "file", type=LINES, help="Image ids, one a line (- is stdin).")
@click.option(
    "--gone",
    "folders",
    multiple=True,
    type=PLACE,
    metavar="DIR",
    help="Photos of DIR and its subfolders whose files no longer exist.",
)
@conditions_option("Captions")
@where_option
def delete(
    image_ids: tuple[str, ...],
    file: Iterable[str] | None,
    folders: tuple[str, ...],
    conditions: tuple[str, ...],
    where: str,
) -> None:
    """Remove every caption of these images, or captions by their fields.

    IMAGE_ID is the id that `search` prints, not a path; for a path, its id is printed. Ids that are not in
    the index, and folders without a photo in it, are reported; the exit code is then 1. --gone keeps
    captions without a file.

    --where removes the captions that match all fields named, by one of the values given for each. Other
    captions of the same images stay. It cannot be combined with ids, --from or --gone.
    """
    if conditions:
        if image_ids or file or folders:
            raise click.UsageError("--where cannot be combined with image ids, --from or --gone.")
        _delete_passing(conditions, where)
        return
    wanted = dict.fromkeys([*image_ids, *(line.rstrip("\n") for line in file or () if line.strip())])
    if not wanted and not folders:
        raise click.UsageError("Name the images to delete, or give --from FILE, --gone DIR or --where.")
    with open_index(where) as index:
        removed, absent = delete_images(index, list(wanted))
        unknown = [f"{image_id}: no such image in {where}{_its_id(index, image_id)}" for image_id in absent]
        gone = delete_gone(index, [Path(folder) for folder in folders])
    images = len(wanted) - len(absent) + gone.images
    click.echo(f"deleted {counted(removed + gone.captions, 'caption')} of {counted(images, 'image')}")
    unknown += [f"{folder}: no caption in {where} has a photo in this folder" for folder in gone.untold]
    for line in unknown:
        tell(line)
    if unknown:
        raise click.exceptions.Exit(1)


def _its_id(index: CaptionIndex, path: str) -> str:
    """The id of a file, where its path was named. It may have several, so none is deleted."""
    image_id = id_of_file(index, path) if is_file(path) else None
    return "" if image_id is None else f"; the image of this file is {next_command(image_id)}"


def _delete_passing(conditions: tuple[str, ...], where: str) -> None:
    allowed = filters({}, conditions)
    for name, values in allowed.where.items():
        if "" in values:  # --where "model=$UNSET"
            raise click.UsageError(f"--where {name}= has no value; it would delete all that have no {name}.")
    with open_index(where) as index:
        gone = delete_passing(index, allowed)
    click.echo(f"deleted {gone}")
    if not gone.captions:
        tell(f"{' '.join(conditions)}: no such caption in {where}")
        raise click.exceptions.Exit(1)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--check", is_flag=True, help="Read everything and report damage.")
@where_option
def status(as_json: bool, check: bool, where: str) -> None:
    """Print what the index holds.

    With --check the exit code is 1 if something is damaged, and --json adds `checked` ("sound" or "damaged")
    and `damage` (a list of lines). If the index cannot be opened, it has only these and `where`.
    """
    damage: Sequence[str] = ()
    try:
        with open_index(where) as index:
            damage = index.check() if check else ()
            held = asdict(index.status()) if as_json else status_lines(index.status())
    except IndexDamagedError as error:
        if not (check and as_json):
            raise
        held, damage = {"where": where}, [str(error)]
    if isinstance(held, dict):
        verdict = {"checked": "damaged" if damage else "sound", "damage": list(damage)} if check else {}
        click.echo(json.dumps(held | verdict))
    else:
        click.echo("\n".join(held))
    for problem in damage:
        tell(problem)
    if check:
        click.echo("checked: damaged; build it again" if damage else "checked: sound", err=True)
    if damage:
        raise click.exceptions.Exit(1)


@main.command()
@server_option
@click.option("--to", metavar="INDEX", help="Another index that is kept, by its own name; it may be newer.")
def rollback(where: str, to: str | None) -> None:
    """Elasticsearch: go back to the previous index.

    Searches see it at once. `build --keep` sets how many indices are kept. --to chooses any of them, also to
    undo a rollback.
    """
    if to is not None and not to.strip():  # --to "$UNSET" means no other index than it says
        raise click.UsageError("--to is empty; name an index that is kept.")
    with _elastic(where).open(where, create=True) as index:  # whatever the live one is
        held = index.rollback(to)
    click.echo("\n".join(status_lines(held)))


@main.command()
@server_option
def migrate(where: str) -> None:
    """Elasticsearch: copy the index to the current schema.

    Searches see the old index until the new one is complete; it is kept for rollback. An index of the current
    schema stays as it is.
    """
    _elastic(where)
    from indexer.elastic.migration import migrate as migrate_index

    held = migrate_index(where)
    if held is None:
        click.echo(f"{where}: has this version's schema already; nothing was done")
    else:
        click.echo("\n".join(status_lines(held)))


def _elastic(where: str) -> type[ElasticIndex]:
    if not is_url(where):
        raise click.UsageError(f"This is for Elasticsearch; {where} is a folder (build makes it anew).")
    from indexer.elastic import ElasticIndex

    return ElasticIndex


@main.command()
@click.argument("name", type=click.Choice(sorted(DATA_SETS)))
@click.option(
    "-o", "--output", default="coco", show_default=True, type=FOLDER, metavar="DIR", help="Where to put it."
)
@click.option("--address", metavar="URL", help="Another server with the same paths.")
def download(name: str, output: Path, address: str | None) -> None:
    """Fetch a published data set.

    coco-val2017 is 1.1 GB to download. Stopped, the same command goes on.
    """
    again = "interrupted: what was downloaded is kept; the same command goes on"
    with interruptible(again):
        places = download_data_set(DATA_SETS[name], output, address=address, progress=progress_bar)
    for place in places:
        click.echo(place)
    usage = (word.format(folder=output) for word in DATA_SETS[name].usage)
    click.echo(f"next: {next_command(*usage)}", err=True)


if __name__ == "__main__":
    main()
