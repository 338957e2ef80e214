"""`search web`: reads options, calls `search.web_search.search_web`, shows its answer like any other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from captioner.commands.bars import progress_bar, tell
from captioner.commands.options import FOLDER, beam_option
from indexer.scrape.options import scraping_options, settings_of
from indexer.scrape.providers import SEARCHING, provider
from search.commands.options import (
    Output,
    captioner_option,
    hits_option,
    html_option,
    min_score_option,
    montage_option,
    without_option,
)
from search.commands.output import show
from search.commands.photo_or_words import check_photos, is_photo
from search.errors import NoWordError
from search.hits import Answer
from search.negation import split_excluded
from search.web_search import Found, Watch, nothing_found, search_web


@click.command()
@click.argument("query", metavar='PHOTO|"CAPTION"')
@hits_option
@click.option(
    "-o",
    "--output",
    default="web-search",
    show_default=True,
    type=FOLDER,
    metavar="DIR",
    help="Where the downloads go, a folder for each query.",
)
@min_score_option
@without_option
@captioner_option
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
    captioner: str,
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
    from captioner.finding import open_captioner

    providers = [provider(name, os.environ) for name in dict.fromkeys(options["providers"])]
    photo = Path(query) if is_photo(query) else None
    check_photos([query] if photo else [])
    photo_captioner = open_captioner(captioner)
    caption, excluded = ("", ()) if photo else split_excluded(query)
    excluded += without
    shown = Output(as_json, html, montage)
    try:
        with _watching() as watch:
            found = search_web(
                photo or caption,
                photo_captioner,
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
