"""`search`: read options, ask the Searcher, print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from captioner.console import PLACE, CommandGroup, tell
from captioner.errors import CaptionerError, PhotoError
from captioner.files import is_file
from indexer.errors import IndexerError
from search.absent import absent
from search.errors import SearchError
from search.given import as_captions, indexed, missing
from search.hits import Answer, Results
from search.options import (
    Request,
    captions_option,
    ranked_options,
    request,
    shared_options,
)
from search.output import Count, Why, show
from search.query import HIGHEST_SEED
from search.searcher import IndexedImage, Searcher

#: Commands with rooms of their own, imported only when they are called: name -> "module:attribute".
ELSEWHERE: dict[str, str] = {
    "compare": "search.compare_command:compare",
    "evaluate": "search.evaluate_command:evaluate",
    "serve": "search.serve_command:serve",
    "web": "search.web_command:web",
}


@click.group(cls=CommandGroup, lazy=ELSEWHERE, errors=(SearchError, IndexerError, CaptionerError))
def main() -> None:
    """Find images by the words of their captions.

    Every answer is ranked by exact Jaccard similarity, explained by the words that two captions share, and
    proved to be the true top k ("exact").
    """


@main.command()
@click.argument("photos", nargs=-1, required=True, type=PLACE, metavar="PHOTO...")
@ranked_options
@captions_option
def similar(photos: tuple[str, ...], **options: Any) -> None:
    """Images like a photo (or like each of several).

    A photo is captioned and searched for by its caption, or by several (--captions): then images like any of
    them are found, and each hit says by which. A photo that cannot be read gives one line, the others go on,
    and the exit code is 1.
    """
    asked = request(options)
    if asked.after and len(photos) > 1:
        raise click.UsageError("--after belongs to one query: give one photo with it")
    with asked.open() as searcher:
        answers = _similar(searcher, photos, asked)
        count, why = _counting(searcher, asked), _why(searcher, asked)
        _finish(show(answers, asked.output, several=len(photos) > 1, count=count, why=why))


@main.command()
@click.argument("caption")
@ranked_options
def text(caption: str, **options: Any) -> None:
    """Images for a caption: "a dog playing on the beach"."""
    asked = request(options)
    if is_file(caption):
        tell(f"{caption} is a file; `search similar` searches by photos")
    with asked.open() as searcher:
        results = _blended(searcher, caption, asked) or searcher.text(caption, _k(asked), **asked.search)
        count, why = _counting(searcher, asked), _why(searcher, asked)
        show([Answer(results.caption, results)], asked.output, count=count, why=why)


@main.command()
@click.argument("image_id", metavar="IMAGE_ID")
@ranked_options
def image(image_id: str, **options: Any) -> None:
    """Images like one of the index, by the caption that agrees best with its others. Itself is no hit."""
    asked = request(options)
    with asked.open() as searcher:
        photo = indexed(searcher, image_id).record.image
        results = _blended(searcher, IndexedImage(image_id), asked)
        results = results or searcher.image(image_id, _k(asked), **asked.search)
        count = _counting(searcher, asked, excluded=image_id)
        why = _why(searcher, asked)
        show([Answer(image_id, results, photo=photo)], asked.output, count=count, why=why)


@main.command()
@click.option(
    "--seed",
    type=click.IntRange(0, HIGHEST_SEED),
    metavar="N",
    help="Draw the same images again while the index holds the same.",
)
@shared_options
def random(seed: int | None, **options: Any) -> None:
    """Images drawn at random, to see what an index holds."""
    asked = request(options)
    with asked.open() as searcher:
        drawn = searcher.random(asked.k, asked.filters, seed)
        show([Answer("", drawn)], asked.output, why=_why(searcher, asked))


def _similar(searcher: Searcher, photos: tuple[str, ...], asked: Request) -> Iterator[Answer]:
    gone = missing(photos)
    if len(gone) == len(photos):  # to say so takes no captioner
        yield from gone
        return
    if not (asked.like or asked.unlike):
        yield from searcher.similar_many(photos, _k(asked), **asked.search)
        return
    like, unlike = as_captions(asked.like, asked.unlike, searcher)
    for photo in photos:
        try:
            results = searcher.blend([Path(photo), *like], unlike, _k(asked), **asked.search)
        except PhotoError as error:
            yield Answer(photo, error=str(error))
        else:
            yield Answer(photo, results, photo=photo)


def _blended(searcher: Searcher, first: str | IndexedImage, asked: Request) -> Results | None:
    """The answer to a query with further examples; None where there are none."""
    if not (asked.like or asked.unlike):
        return None
    like, unlike = as_captions(asked.like, asked.unlike, searcher)
    return searcher.blend([first, *like], unlike, _k(asked), **asked.search)


def _k(asked: Request) -> int:
    """A count needs the query's words and no hits; one is the least there is."""
    return 1 if asked.output.count else asked.k


def _counting(searcher: Searcher, asked: Request, excluded: str | None = None) -> Count | None:
    if not asked.output.count:
        return None
    left_out = [] if excluded is None else [excluded]

    def count(results: Results) -> int:
        return searcher.count_any_of(results.asked, asked.min_score, asked.filters, left_out)

    return count


def _why(searcher: Searcher, asked: Request) -> Why:
    """Why nothing answers, as far as the filters are to blame."""
    return lambda: absent(searcher.index, asked.filters)


def _finish(whole: bool) -> None:
    if not whole:
        raise click.exceptions.Exit(1)
