"""`search compare`: one photo under several models and analyzers, side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from captioner.console import beam_option
from captioner.tokens import DEFAULT, analyzer
from indexer.index import CaptionIndex, open_index
from indexer.records import CaptionRecord
from search.compare import compare as compare_ways
from search.options import index_option


@click.command()
@click.argument("photo", metavar="PHOTO")
@index_option
@click.option(
    "--models", default="default", show_default=True, metavar="A,B", help="Captioners, by name or folder."
)
@click.option("--analyzers", default=f"seed/1,{DEFAULT}", show_default=True, metavar="A,B", help="Analyzers.")
@click.option(
    "--caption", multiple=True, metavar="TEXT", help="A caption of your own as a further way; repeat."
)
@click.option("-k", "k", type=click.IntRange(1, 100), default=5, show_default=True, help="Hits a way.")
@click.option("--sample", type=click.IntRange(1), default=20_000, show_default=True, help="Images compared.")
@beam_option
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a page.")
def compare(
    photo: str,
    index: str,
    models: str,
    analyzers: str,
    caption: tuple[str, ...],
    k: int,
    sample: int,
    beam: int | None,
    html: Path | None,
) -> None:
    """The same photo under several models and analyzers, with the words that made the difference.

    Every image of the index is compared, up to --sample of them (drawn at random, always the same). Prints
    one JSON object; --html writes a page. With --models "" only the --caption ways are compared.
    """
    names = _split(analyzers)
    for name in names:
        analyzer(name)  # an unknown one is refused before any model is loaded
    captions = {
        **_captions(photo, _split(models), beam),
        **{f"caption {n}": c for n, c in enumerate(caption, 1)},
    }
    if not captions or not names:
        raise click.UsageError("nothing to compare: give --models or --caption, and --analyzers")
    with open_index(index) as found:
        comparison = compare_ways(photo, captions, names, list(records(found, sample)), k)
    if html is not None:
        from search.render.comparison import comparison_page

        html.write_text(comparison_page(comparison), encoding="utf-8")
        click.echo(f"page: {html}", err=True)
    click.echo(json.dumps(asdict(comparison)))


def records(index: CaptionIndex, sample: int) -> Iterator[CaptionRecord]:
    """Every caption of up to `sample` images of an index; the same ones every time."""
    images = [document.record.image_id for document in index.random(sample, seed=0)]
    for documents in index.captions(images).values():
        for document in documents:
            yield document.record


def _captions(photo: str, models: list[str], beam: int | None) -> dict[str, str]:
    if not models:
        return {}
    from captioner.captioner import open_captioner
    from captioner.errors import PhotoError

    found = {}
    for model in models:
        [captioned] = open_captioner(model).stream([photo], beam=beam)
        if captioned.error is not None:
            raise PhotoError(captioned.error)
        found[model] = captioned.captions[0].text
    return found


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
