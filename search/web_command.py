"""`search web`: reads options, calls `search.web_search.search_web`, shows its answer like any other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from captioner.console import FOLDER, Number, beam_option, progress_bar, tell
from indexer.scrape.options import scraping_options, settings_of
from indexer.scrape.providers import SEARCHING, provider
from search.command_options import Output, html_option, montage_option, without_option
from search.errors import NoWordError
from search.hits import Answer
from search.output import show
from search.photo_or_words import check_photos, is_photo
from search.query import written
from search.web_search import Found, Watch, nothing_found, search_web


@click.command()
@click.argument("query", metavar='PHOTO|"CAPTION"')
@click.option("-k", "k", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Hits wanted.")
@click.option(
    "-o",
    "--output",
    default="web-search",
    show_default=True,
    type=FOLDER,
    metavar="DIR",
    help="Where the downloads go, a folder for each query.",
)
@click.option("--min-score", type=Number(0, 1), default=0.0, metavar="S", help="Least Jaccard, 0 to 1.")
@without_option
@click.option(
    "--captioner",
    "model",
    default="default",
    show_default=True,
    metavar="NAME|DIR",
    help="Who captions photos.",
)
@beam_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@html_option
@montage_option
@scraping_options(SEARCHING)
def web(
    query: str,
    k: int,
    output: Path,
    min_score: float,
    without: tuple[str, ...],
    model: str,
    beam: int | None,
    as_json: bool,
    html: Path | None,
    montage: Path | None,
    **options: Any,
) -> None:
    """Find images of the web like a photo, or for a caption.

    The photo's caption becomes the query; what the providers find is downloaded politely (see `indexer
    scrape`), captioned, and ranked by exact Jaccard similarity.
    """
    from captioner.captioner import open_captioner

    providers = [provider(name, os.environ) for name in dict.fromkeys(options["providers"])]
    photo = Path(query) if is_photo(query) else None
    check_photos([query] if photo else [])
    captioner = open_captioner(model)
    caption, excluded = ("", ()) if photo else written(query)
    excluded += without
    shown = Output(as_json, html, montage)
    try:
        with _watching() as watch:
            found = search_web(
                photo or caption,
                captioner,
                providers,
                output,
                settings_of(options),
                k=k,
                beam=beam,
                min_score=min_score,
                without=excluded,
                watch=watch,
            )
    except NoWordError as error:  # an answer, as to `search text`
        show([Answer(query, nothing_found(error.caption, excluded), photo=photo)], shown)
    else:
        _show(query, photo, found, shown)


@contextmanager
def _watching() -> Iterator[Watch]:
    """On the terminal: the queries, and how many photos have come."""
    bar = progress_bar(None, "photo", "download")
    try:
        yield Watch(
            on_query=lambda text: tell(f"asking the web for: {text}"),
            on_item=lambda item: bar.update(),
            tell=tell,
            progress=progress_bar,
        )
    finally:
        bar.close()


def _show(query: str, photo: Path | None, found: Found, output: Output) -> None:
    for line in dict.fromkeys(f"{one.provider}: {one.detail}" for one in found.report.unanswered):
        tell(line)
    # The index is remade as the search goes on, so that a cursor into it would not hold.
    answer = Answer(query, replace(found.results, following=None), photo=photo)
    show([answer], output)
    click.echo(f"downloads, titles and licences: {found.folder}", err=True)
