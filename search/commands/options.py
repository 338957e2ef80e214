"""Options that the searching commands share, and the checked `Request` that they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import click

from captioner.commands.options import Command, Number, beam_option, with_options
from captioner.commands.output_files import PngFile, WholeFile
from indexer.commands import filter_options
from indexer.commands.filter_options import FILTERS, read_filters
from indexer.commands.index_option import index_option as named_index
from indexer.records import Filters
from search import cursor
from search.counting import Counted, count
from search.errors import QueryError
from search.hits import Results
from search.question import Question
from search.searcher import Searcher
from search.wanted import Options, Wanted

#: Most captions of a photo that are searched for; each is a search of its own.
_MOST_SEARCHED = 20


def _readable(context: click.Context, option: click.Parameter, given: str | None) -> str | None:
    """Refuse what is no cursor at all; whether it is one of this search is seen when that begins (`Plan`)."""
    if given:
        try:
            cursor.read(given)
        except QueryError as error:
            raise click.BadParameter(str(error)) from None
    return given


index_option = named_index("index")
html_option = click.option(
    "--html",
    type=WholeFile(),
    metavar="FILE",
    help="Write a page with the pictures in it; it replaces only an earlier one.",
)
montage_option = click.option(
    "--montage",
    type=PngFile(),
    metavar="FILE",
    help="Write a PNG of all hits; it replaces only an earlier one.",
)
without_option = click.option(
    "--without",
    multiple=True,
    metavar="WORD",
    help="Exclude captions that contain WORD; repeatable. For a few common words (man, sit, two) captions "
    "that only imply it are excluded too.",
)
hits_option = click.option(
    "-k", "k", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Number of hits."
)
min_score_option = click.option(
    "--min-score", type=Number(0, 1), default=0.0, metavar="S", help="Smallest Jaccard similarity, 0 to 1."
)
captioner_option = click.option(
    "--captioner", default="default", show_default=True, metavar="NAME|DIR", help="Captioner of photos."
)
_SHARED = (
    index_option,
    hits_option,
    *FILTERS,
    without_option,
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each query."),
    click.option("--paths", is_flag=True, help="Print only the pictures' paths, one a line."),
    html_option,
    montage_option,
)
_RANKED = (
    min_score_option,
    click.option(
        "--after",
        metavar="CURSOR",
        callback=_readable,
        help="Show the next page; CURSOR is printed below the page before.",
    ),
    click.option("--count", is_flag=True, help="Print only the number of images with --min-score or more."),
    click.option("--fold-duplicates", is_flag=True, help="Show near copies of a picture once."),
    click.option(
        "--like", multiple=True, metavar="PHOTO|WORDS", help="Prefer images like this, too; repeatable."
    ),
    click.option("--unlike", multiple=True, metavar="PHOTO|WORDS", help="Drop this one's words; repeatable."),
    captioner_option,
    beam_option,
)


@dataclass(frozen=True, slots=True)
class Output:
    """What is to be shown, and where."""

    as_json: bool
    html: Path | None
    montage: Path | None
    count: bool = False
    paths: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """The shared options of one call, checked. Fields with a default are of ranked searches alone.

    Each field but `filters` and `output` has the name of its option's parameter.
    """

    index: str
    k: int
    filters: Filters
    without: tuple[str, ...]
    output: Output
    min_score: float = 0.0
    after: str | None = None
    fold_duplicates: bool = False
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    captioner: str = "default"
    beam: int | None = None
    captions: int = 1  # of a photo

    @property
    def search(self) -> Options:
        """What every search of `Searcher` takes besides the query and `k`."""
        return cast(Options, {name: getattr(self, name) for name in Options.__annotations__})

    def open(self) -> Searcher:
        return Searcher.open(self.index, self.captioner, self.beam, self.captions)

    def ask(self, searcher: Searcher, question: Question) -> Results | Counted:
        """Search for a question, or count how many images answer it."""
        return self.count(question) if self.output.count else searcher.find(question, self._wanted(question))

    def count(self, question: Question) -> Counted:
        return count(question, self._wanted(question))

    def _wanted(self, question: Question) -> Wanted:
        return Wanted.of(question.analyzer, self.k, **self.search)


def shared_options(command: Command) -> Command:
    """Index, filters and output."""
    return with_options(command, _SHARED)


def captions_option(command: Command) -> Command:
    """How many captions of a photo are searched for."""
    option = click.option(
        "--captions",
        type=click.IntRange(1, _MOST_SEARCHED),
        default=1,
        show_default=True,
        metavar="N",
        help="Search by N captions of the photo; the best match counts. N above --beam widens the beam, "
        "so 3 captions need not be the first 3 of 5.",
    )
    return with_options(command, [option])


def ranked_options(command: Command) -> Command:
    """`shared_options`, and what only makes sense where there is a query."""
    return with_options(with_options(command, _RANKED), _SHARED)


def read_request(options: Mapping[str, Any]) -> Request:
    """Check the options against each other. Raises click.UsageError and IndexerError.

    And TypeError for an option that nothing takes: it would do nothing, and nobody would know.
    """
    _check(options)
    output, request = _fields_of(Output, options), _fields_of(Request, options)
    if untaken := options.keys() - {*output, *request, *filter_options.READ}:
        raise TypeError(f"no field of Request or Output for {', '.join(sorted(untaken))}")
    return Request(filters=read_filters(options), output=Output(**output), **request)


def _check(options: Mapping[str, Any]) -> None:
    count = options.get("count", False)
    if count and any(options[name] for name in ("after", "fold_duplicates", "html", "montage", "paths")):
        raise click.UsageError(
            "--count gives a number; --after, --fold-duplicates, --html, --montage and --paths "
            "do not go with it"
        )
    if options["as_json"] and options["paths"]:
        raise click.UsageError("--json and --paths print different things; give one")
    if count and not options["min_score"]:
        raise click.UsageError("--count needs --min-score above 0: every image is at 0 or more")
    if options.get("captions", 1) > 1 and (options["like"] or options["unlike"]):
        raise click.UsageError(
            "--captions does not go with --like and --unlike: they take one caption a photo"
        )


def _fields_of(kind: type[Output] | type[Request], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are fields of this kind; not every command has all of them."""
    return {field.name: options[field.name] for field in fields(kind) if field.name in options}
