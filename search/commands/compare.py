"""`search compare`: one photo under several models and analyzers, side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from captioner.commands.options import PLACE, beam_option, split_names
from captioner.tokens import DEFAULT, analyzer
from indexer.index import open_index
from search.commands.options import html_option, index_option
from search.commands.output import terminal_width
from search.commands.photo_or_words import check_photos
from search.compare import captions_by, side_by_side
from search.render.ways import ways_text
from search.sample import sampled


@click.command()
@click.argument("photo", type=PLACE, metavar="PHOTO")
@index_option
@click.option(
    "--models",
    default="default",
    callback=split_names,
    show_default=True,
    metavar="A,B",
    help="Captioners, by name or folder.",
)
@click.option(
    "--analyzers",
    callback=split_names,
    default=f"seed/1,{DEFAULT}",
    show_default=True,
    metavar="A,B",
    help="Analyzers.",
)
@click.option(
    "--caption", multiple=True, metavar="TEXT", help="A caption of your own to compare, too; repeatable."
)
@click.option(
    "-k", "k", type=click.IntRange(1, 100), default=5, show_default=True, help="Hits of each combination."
)
@click.option("--sample", type=click.IntRange(1), default=20_000, show_default=True, help="Images compared.")
@beam_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@html_option
def compare(
    photo: str,
    index: str,
    models: Sequence[str],
    analyzers: Sequence[str],
    caption: tuple[str, ...],
    k: int,
    sample: int,
    beam: int | None,
    as_json: bool,
    html: Path | None,
) -> None:
    """Compare the hits of a photo under several models and analyzers, with the words that differ.

    All images of the index are compared, or a random sample of --sample (the same while the index is the
    same). A star marks a word that some combinations lack, and a hit of one combination only. With --models
    "" only the captions of --caption are compared.
    """
    for name in analyzers:
        analyzer(name)  # an unknown one is refused before any model is loaded
    if models:
        check_photos([photo])
    captions = {
        **captions_by(models, photo, beam),
        **{f"caption {n}": c for n, c in enumerate(caption, 1)},
    }
    if not captions or not analyzers:
        raise click.UsageError("nothing to compare: give --models or --caption, and --analyzers")
    with open_index(index) as found:
        comparison = side_by_side(photo, captions, analyzers, sampled(found.view(), sample), k)
    if as_json:
        click.echo(json.dumps(asdict(comparison)))
    else:
        click.echo(ways_text(comparison, terminal_width()))
    if html is not None:
        from captioner.drawing.page import write_document
        from search.render.comparison import comparison_page

        write_document(comparison_page(comparison), html)
        click.echo(f"page: {html}", err=True)
