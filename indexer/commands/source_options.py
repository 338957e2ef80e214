"""The options of `indexer build` and `add` that say what to index and how to caption it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from captioner.commands.options import PLACE, Command, beam_option, with_options
from captioner.commands.output_files import WholeFile, no_place_for
from captioner.effort import MOST_CAPTIONS
from captioner.files import beside
from captioner.finding import loader
from captioner.photo_captioner import PhotoCaptioner
from indexer import sources
from indexer.build import Captioning
from indexer.commands.index_option import index_option
from indexer.rejects import is_report

#: A file of lines, such as image ids or queries; bytes that are not UTF-8 are kept.
LINES = click.File(encoding="utf-8-sig", errors="surrogateescape")


where_option = index_option("where")
server_option = index_option("where", servers_only=True)


class RejectsFile(WholeFile):
    """The report of captions that an index refuses; it may replace an earlier one, but no other file."""

    earlier = "earlier report of refused captions"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Nobody who names no file need be able to write here: photos may lie on a card that is read-only."""
        chosen = param and ctx and ctx.get_parameter_source(str(param.name)) is not ParameterSource.DEFAULT
        if not chosen and no_place_for(beside(Path(value))):
            try:
                value = Path.home() / value
            except RuntimeError:  # some users have none
                self.fail("cannot be written into the current folder; name a file", param, ctx)
        return super().convert(value, param, ctx)

    def is_earlier(self, file: Path) -> bool:
        return is_report(file)


_CAPTIONING = (
    click.option("--model", default="default", show_default=True, help="Captioner: a name or a folder."),
    beam_option,
    click.option(
        "--captions",
        type=click.IntRange(1, MOST_CAPTIONS),
        default=1,
        show_default=True,
        help="Captions for each photo; photos with fewer by this model are captioned again.",
    ),
)

_SOURCES = (
    click.option(
        "--coco", multiple=True, type=PLACE, metavar="FILE", help="COCO annotations, captions_*.json."
    ),
    click.option(
        "--images", type=PLACE, metavar="DIR", help="Images of --coco, to show them and caption them too."
    ),
    click.option(
        "--flickr8k", multiple=True, type=PLACE, metavar="DIR", help="Flickr8k (folder or captions.txt)."
    ),
    click.option(
        "--jsonl", multiple=True, type=PLACE, metavar="FILE", help="JSON lines of image_id, caption, ..."
    ),
    click.option(
        "--folder", multiple=True, type=PLACE, metavar="DIR", help="Photos to caption, with subfolders."
    ),
    click.option(
        "--scraped", multiple=True, type=PLACE, metavar="DIR", help="A folder made by `indexer scrape`."
    ),
    click.option(
        "--photos",
        multiple=True,
        type=PLACE,
        metavar="ADDRESS",
        help="With --engine ray: photos at s3://, https://, ..., or a .txt of addresses.",
    ),
    click.option("--retry", type=PLACE, metavar="FILE", help="Add what an earlier run reported as rejected."),
    *_CAPTIONING,
    click.option(
        "--rejects",
        type=RejectsFile(),
        metavar="FILE",
        default="rejected.jsonl",
        show_default=True,
        help="File for captions that the index refuses, for --retry; in the home folder if the current one "
        "cannot be written.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["process", "ray"]),
        default="process",
        show_default=True,
        help="Who captions photos: this process, or the workers of a Ray cluster.",
    ),
    click.option("--ray-address", metavar="HOST:PORT", help="A running Ray cluster, else a local one."),
    click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object."),
    where_option,
)


def captioning_options(command: Command) -> Command:
    """The options that say how photos are captioned for an index."""
    return with_options(command, _CAPTIONING)


def source_options(command: Command) -> Command:
    """The options of `build` and `add` that say what to index and how to caption it."""
    return with_options(command, _SOURCES)


def read_sources(options: dict[str, Any]) -> list[sources.Source]:
    if options["engine"] != "ray" and (options["photos"] or options["ray_address"]):
        raise click.UsageError("--photos and --ray-address need --engine ray.")
    if options["images"] and not options["coco"]:
        raise click.UsageError("--images belongs to --coco; give photos without annotations by --folder.")
    readers: dict[str, Callable[[str], sources.Source]] = {
        "coco": lambda file: sources.CocoSource(file, options["images"]),
        "flickr8k": sources.Flickr8kSource,
        "jsonl": sources.JsonlSource,
        "folder": sources.FolderSource,
        "scraped": sources.ScrapedSource,
        "photos": _addressed,
    }
    found = [reader(place) for kind, reader in readers.items() for place in options[kind]]
    if options["retry"]:
        found.append(sources.JsonlSource(options["retry"]))
    if not found:
        raise click.UsageError("Say what to index: --coco, --flickr8k, --jsonl, --folder or --scraped.")
    return found


def _addressed(address: str) -> sources.Source:
    from indexer.cluster.photos import AddressedSource

    return AddressedSource(address)


def retry_goes_alone(command: click.Context) -> None:
    """Refuses other sources beside --retry, and options that only a new index can have."""
    names = ("coco", "flickr8k", "jsonl", "folder", "scraped", "photos", "analyzer", "keep")
    refuse_given(command, names, "--retry adds to the index that is there and goes without {}.")


def refuse_given(command: click.Context, names: Iterable[str], why: str) -> None:
    """Raises UsageError for the first of these options that was typed; `why` has {} in its place."""
    for name in names:
        if command.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(why.format(f"--{name}"))


def read_captioning(options: dict[str, Any]) -> Captioning:
    load = loader(options["model"])

    def pool() -> PhotoCaptioner:
        from indexer.cluster.captioner import ClusterCaptioner

        return ClusterCaptioner(load, options["ray_address"])

    return Captioning(pool if options["engine"] == "ray" else load, options["beam"], options["captions"])
