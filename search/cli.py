"""`search`: read options, ask the Searcher, print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import click

from captioner.commands.bars import tell
from captioner.commands.group import CommandGroup
from captioner.commands.options import PLACE
from captioner.errors import CaptionerError, PhotoError
from captioner.files import is_file
from indexer.errors import IndexerError
from indexer.given import HIGHEST_SEED
from search.absent import absent
from search.commands.options import (
    Request,
    captions_option,
    ranked_options,
    read_request,
    shared_options,
)
from search.commands.output import Why, named, show
from search.commands.photo_or_words import as_captions, indexed, missing
from search.counting import NamedCount
from search.errors import SearchError
from search.hits import Answer
from search.negation import how_to_exclude, split_excluded
from search.other_captioner import other_captioner
from search.photo_question import IndexedImage
from search.question import Question, of_captions, of_image
from search.searcher import Searcher

#: Commands in modules of their own, imported only when they are called: name -> "module:attribute".
ELSEWHERE: dict[str, str] = {
    "compare": "search.commands.compare:compare",
    "duplicates": "search.commands.duplicates:duplicates",
    "evaluate": "search.commands.evaluate:evaluate",
    "serve": "search.commands.serve:serve",
    "web": "search.commands.web:web",
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
    """Find images like a photo (or like each of several).

    The photo's caption is the query. With --captions N, images similar to any of its N best captions are
    found, and each hit shows which. A photo that cannot be read is reported in one line and skipped; the exit
    code is then 1.
    """
    request = read_request(options)
    if request.after and len(photos) > 1:
        raise click.UsageError("--after belongs to one query: give one photo with it")
    with request.open() as searcher:
        answers = _similar(searcher, photos, request)
        _finish(show(answers, request.output, several=len(photos) > 1, why=_why(searcher, request)))


@main.command()
@click.argument("caption")
@ranked_options
def text(caption: str, **options: Any) -> None:
    """Find images for a caption: "a dog playing on the beach".

    A hyphen excludes a word, as --without does: "a dog -beach". If such a word comes first, write -- before
    the caption. The words "no", "not" and "without" have no effect.
    """
    request = read_request(options)
    if is_file(caption):
        tell(f"{caption} is a file; `search similar` searches by photos")
    caption, excluded = split_excluded(caption)
    request = replace(request, without=request.without + excluded)
    with request.open() as searcher:
        question = _blended(searcher, caption, request) or of_captions(searcher.index.view(), [caption])
        reply = request.ask(searcher, question)
        show([named(reply.caption, reply)], request.output, why=_why(searcher, request))
        if denied := reply.negated_in(caption, reply.asked[0].tokens):
            tell(how_to_exclude(denied))


@main.command()
@click.argument("image", metavar="IMAGE_ID")
@ranked_options
def image(image: str, **options: Any) -> None:
    """Find images like an image of the index, by the caption that agrees best with its others.

    The image itself is no hit. It may also be given as a file, and is not captioned again.
    """
    request = read_request(options)
    with request.open() as searcher:
        example = indexed(searcher, image).record
        image_id, photo = example.image_id, example.image
        question = _blended(searcher, IndexedImage(image_id), request)
        reply = request.ask(searcher, question or of_image(searcher.index.view(), image_id))
        show([named(image_id, reply, photo)], request.output, why=_why(searcher, request))


@main.command()
@click.option(
    "--seed",
    type=click.IntRange(0, HIGHEST_SEED),
    metavar="N",
    help="Draw the same images again while the index holds the same.",
)
@shared_options
def random(seed: int | None, **options: Any) -> None:
    """Show random images, to see what an index holds."""
    request = read_request(options)
    with request.open() as searcher:
        drawn = searcher.random(request.k, request.filters, seed, request.without)
        show([Answer("", drawn)], request.output, why=_why(searcher, request))


def _similar(searcher: Searcher, photos: tuple[str, ...], request: Request) -> Iterator[Answer | NamedCount]:
    gone = missing(photos)
    if len(gone) == len(photos):  # to say so takes no captioner
        yield from gone
        return
    yield from _captioned(searcher, photos, request)
    with suppress(IndexerError):  # the answers are there, whatever becomes of a remark
        if remark := other_captioner(searcher.index, searcher.captioner.identity):
            tell(remark)


def _captioned(
    searcher: Searcher, photos: tuple[str, ...], request: Request
) -> Iterator[Answer | NamedCount]:
    if request.like or request.unlike:
        return _with_examples(searcher, photos, request)
    if request.output.count:
        return _counted(searcher, photos, request)
    return searcher.similar_many(photos, request.k, **request.search)


def _with_examples(
    searcher: Searcher, photos: tuple[str, ...], request: Request
) -> Iterator[Answer | NamedCount]:
    like, unlike = as_captions(request.like, request.unlike, searcher)
    for photo in photos:
        view = searcher.index.view()
        try:
            question = searcher.questions.of_examples(view, [Path(photo), *like], unlike)
        except PhotoError as error:
            yield Answer(photo, error=str(error))
        else:
            yield named(photo, request.ask(searcher, question), photo)


def _counted(searcher: Searcher, photos: tuple[str, ...], request: Request) -> Iterator[NamedCount]:
    for one in chain.from_iterable(searcher.questions.of_photos(searcher.index, photos)):
        counted = request.count(one.question) if one.question else None
        yield NamedCount(one.name, counted, one.error)


def _blended(searcher: Searcher, first: str | IndexedImage, request: Request) -> Question | None:
    """The question with further examples; None where there are none."""
    if not (request.like or request.unlike):
        return None
    like, unlike = as_captions(request.like, request.unlike, searcher)
    return searcher.questions.of_examples(searcher.index.view(), [first, *like], unlike)


def _why(searcher: Searcher, request: Request) -> Why:
    """Why nothing answers, as far as the filters are to blame."""
    return lambda: absent(searcher.index, request.filters)


def _finish(whole: bool) -> None:
    if not whole:
        raise click.exceptions.Exit(1)
