"""Every photo with every model's caption below it: in a terminal, as a picture, as a page."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from math import ceil
from pathlib import Path

from PIL import Image, ImageDraw

from captioner.counted import counted
from captioner.drawing.colours import CARD, EDGE, EMPTY, INK, MARK, PALE, PAPER
from captioner.drawing.letters import extent, font, write
from captioner.drawing.page import document, named, safe, write_document
from captioner.drawing.picture import (
    data_uri,
    fit_end,
    fitted,
    leading,
    thumbnail,
    wrap,
    write_png,
)
from captioner.errors import ModelError
from captioner.outside import clean, printable
from captioner.photo import Photo, photo_name
from captioner.streaming import StreamingCaptioner

#: Told where captions of several models stand below each other.
_INCOMPARABLE = "Scores of different models do not compare."


@dataclass(frozen=True, slots=True)
class ModelCaption:
    """One model's caption of one photo."""

    model: str
    caption: str
    score: float


@dataclass(frozen=True, slots=True)
class ComparedPhoto:
    """One photo with each model's caption, in the order of the models, or why a model could not read it."""

    photo: Photo
    captions: tuple[ModelCaption, ...] = ()
    error: str | None = None


def compare(
    captioners: Sequence[StreamingCaptioner], photos: Sequence[Photo], beam: int | None = None
) -> list[ComparedPhoto]:
    """Caption each photo with each model; a bad photo gives its error, the rest go on.

    Models of one name (of two runs in folders of one name) are told apart by their identities.
    """
    if not captioners:
        raise ModelError("there is no model to compare")
    compared, name_counts = [], Counter(captioner.name for captioner in captioners)
    names = [
        captioner.name if name_counts[captioner.name] == 1 else captioner.identity for captioner in captioners
    ]
    streams = [captioner.stream(photos, beam=beam) for captioner in captioners]
    for photo, *results in zip(photos, *streams, strict=True):
        error = next((result.error for result in results if result.error is not None), None)
        written = tuple(
            ModelCaption(name, result.captions[0].text, result.captions[0].score)
            for name, result in zip(names, results, strict=True)
            if result.captions
        )
        compared.append(ComparedPhoto(photo, written, error))
    return compared


def write_files(
    compared: Sequence[ComparedPhoto], models: int, html: Path | None = None, png: Path | None = None
) -> list[Path]:
    """Write a page of all photos and a picture of those that could be read; gives the files.

    Where no photo could be read there is no picture. `models`: how many were asked.
    """
    written = []
    if html is not None:
        write_page(compared, html, models)
        written.append(html)
    if png is not None and any(result.error is None for result in compared):
        write_picture(compared, png)
        written.append(png)
    return written


# As a picture

_MARGIN, _GAP, _INSIDE, _WIDTH, _HEIGHT, _COLUMNS = 36, 22, 16, 380, 285, 4
_TEXT, _SMALL = 18, 14
_LINES = 6  # of a caption


def picture(compared: Sequence[ComparedPhoto]) -> Image.Image:
    """A card a photo, up to four beside each other, each as high as its row needs."""
    shown = [card for card in compared if card.error is None]
    columns = max(1, ceil(len(shown) / max(1, ceil(len(shown) / _COLUMNS))))  # rows of about equal length
    rows = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    heights = [max(_card_height(card) for card in row) for row in rows]
    size = (
        2 * _MARGIN + columns * (_WIDTH + _GAP) - _GAP,
        2 * _MARGIN + sum(heights) + _GAP * max(0, len(rows) - 1),
    )
    sheet, top = Image.new("RGB", size, PAPER), _MARGIN
    if any(len(card.captions) > 1 for card in shown):
        write(ImageDraw.Draw(sheet), (_MARGIN, size[1] - _MARGIN + 8), _INCOMPARABLE, PALE, _SMALL)
    for row, height in zip(rows, heights, strict=True):
        for column, card in enumerate(row):
            _draw_card(sheet, card, (_MARGIN + column * (_WIDTH + _GAP), top), height)
        top += height + _GAP
    return sheet


def write_picture(compared: Sequence[ComparedPhoto], path: str | os.PathLike[str]) -> None:
    """Write the picture as PNG."""
    write_png(picture(compared), path)


def _wrap_caption(caption: str) -> list[str]:
    words = zip(clean(caption).split(), repeat(False))
    return [" ".join(word for word, _ in line) for line in wrap(words, _WIDTH - 2 * _INSIDE, _TEXT, _LINES)]


def _card_height(card: ComparedPhoto) -> int:
    texts = sum(
        leading(_SMALL) + len(_wrap_caption(written.caption)) * leading(_TEXT) + 12
        for written in card.captions
    )
    return _HEIGHT + 10 + texts + leading(_SMALL) + _INSIDE


def _draw_card(sheet: Image.Image, card: ComparedPhoto, corner: tuple[int, int], height: int) -> None:
    left, top = corner
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((left - 1, top - 1, left + _WIDTH, top + height), fill=CARD, outline=EDGE)
    draw.rectangle((left, top, left + _WIDTH - 1, top + _HEIGHT - 1), fill=EMPTY)
    if (photo := fitted(card.photo, _WIDTH, _HEIGHT)) is not None:
        sheet.paste(photo, (left + (_WIDTH - photo.width) // 2, top + (_HEIGHT - photo.height) // 2))
    left, top, right = left + _INSIDE, top + _HEIGHT + 12, left + _WIDTH - _INSIDE
    for written in card.captions:
        score = f"{written.score:.2f}"
        draw.text((right, top), score, PALE, font(_SMALL), anchor="ra")
        room = right - left - round(extent(score, _SMALL)) - 10
        write(draw, (left, top), fit_end(clean(written.model), room, _SMALL), MARK, _SMALL)
        top += leading(_SMALL)
        for line in _wrap_caption(written.caption):
            write(draw, (left, top), line, INK, _TEXT)
            top += leading(_TEXT)
        top += 12
    name = fit_end(printable(Path(photo_name(card.photo)).name), right - left, _SMALL)
    write(draw, (left, corner[1] + height - leading(_SMALL) - 8), name, PALE, _SMALL)


# As a page

_STYLE = """
main { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--edge); border-radius: .6rem;
  overflow: hidden; }
img { display: block; width: 100%; }
dl { margin: .9rem; }
dt { color: var(--mark); font-size: .875rem; display: flex; justify-content: space-between; gap: 1rem; }
dt span { color: var(--pale); font-size: .875rem; font-variant-numeric: tabular-nums; }
dd { margin: 0 0 .75rem; }
figcaption, figcaption.pale { margin: 0 .9rem .9rem; }
"""


def page(compared: Sequence[ComparedPhoto], models: int = 0) -> str:
    """A self-contained HTML file: photos inside, nothing fetched, all text escaped.

    `models`: how many were asked, which photos do not tell where none could be read.
    """
    models = max([models, *(len(result.captions) for result in compared)])
    title = f"{counted(len(compared), 'photo')}, {counted(models, 'model')}"
    body = "\n".join(map(_figure, compared))
    head = f"<h1>{safe(title)}</h1>\n"
    if models > 1:
        head += f'<p class="pale">{safe(_INCOMPARABLE)}</p>\n'
    return document(title, _STYLE, f"{head}<main>\n{body}\n</main>")


def write_page(compared: Sequence[ComparedPhoto], path: str | os.PathLike[str], models: int = 0) -> None:
    """Write the page; the file is whole, or as it was before."""
    write_document(page(compared, models), path)


def _figure(result: ComparedPhoto) -> str:
    if result.error is not None:
        return f'<figure><figcaption class="warn">{safe(result.error)}</figcaption></figure>'
    photo = thumbnail(result.photo, 720, 720)
    name = Path(photo_name(result.photo)).name
    image = f'<img src="{data_uri(photo)}" alt="{safe(name)}">' if photo is not None else ""
    captions = "".join(
        f"<dt>{safe(written.model)}<span>{written.score:.2f}</span></dt><dd>{safe(written.caption)}</dd>"
        for written in result.captions
    )
    return f'<figure>{image}<dl>{captions}</dl><figcaption class="pale">{named(name)}</figcaption></figure>'
