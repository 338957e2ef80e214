"""A montage: the query at the left, its hits in a grid with rank, score, caption and shared words."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from PIL import Image, ImageDraw

from captioner.drawing.colours import CARD, EDGE, EMPTY, INK, MARK, PALE, PAPER
from captioner.drawing.letters import extent, font, write
from captioner.drawing.marks import Mark
from captioner.drawing.picture import (
    filling,
    fit_end,
    fitted,
    leading,
    wrap,
    write_png,
)
from captioner.outside import printable
from captioner.tokens import analyzer
from search.hits import Answer, Hit, Results
from search.render.certificate import certificate
from search.render.query_words import told
from search.render.words import marked

_MARGIN, _GAP, _INSIDE = 40, 22, 14
_QUERY_WIDTH, _QUERY_HEIGHT, _CARD_WIDTH, _PICTURE_HEIGHT = 460, 620, 268, 200
_COLUMNS, _CAPTION_LINES, _PROOF_LINES = 5, 4, 4
_TITLE, _TEXT, _SMALL = 24, 17, 14


def montage(answers: Sequence[Answer]) -> Image.Image:
    """One picture with all answers that have results, one below the other."""
    sheets = [_sheet(answer, answer.results) for answer in answers if answer.results is not None]
    if not sheets:
        return Image.new("RGB", (_MARGIN * 2, _MARGIN * 2), PAPER)
    if len(sheets) == 1:  # no second copy of it: a thousand hits are 400 MB
        return sheets[0]
    whole = Image.new("RGB", (max(one.width for one in sheets), sum(one.height for one in sheets)), PAPER)
    top = 0
    for sheet in sheets:
        whole.paste(sheet, (0, top))
        top += sheet.height
    return whole


def write_montage(answers: Sequence[Answer], path: str | os.PathLike[str]) -> None:
    """Write the montage as PNG."""
    write_png(montage(answers), path)


def _sheet(answer: Answer, results: Results) -> Image.Image:
    cards = [_card(hit, results) for hit in results.hits]
    columns = min(_COLUMNS, max(1, len(cards)))
    rows = [cards[start : start + columns] for start in range(0, len(cards), columns)]
    heights = [max(card.height for card in row) for row in rows]
    query = _query(answer, results) if results.tokens else None
    left = _MARGIN + (_QUERY_WIDTH + 2 * _GAP if query else 0)
    grid = sum(heights) + _GAP * max(0, len(rows) - 1)
    sheet = Image.new(
        "RGB",
        (
            left + columns * _CARD_WIDTH + (columns - 1) * _GAP + _MARGIN,
            2 * _MARGIN + max(grid, query.height if query else 0),
        ),
        PAPER,
    )
    if query:
        sheet.paste(query, (_MARGIN, _MARGIN))
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for place, card in enumerate(row):
            _paste_card(sheet, card, left + place * (_CARD_WIDTH + _GAP), top, height)
        top += height + _GAP
    return sheet


def _paste_card(sheet: Image.Image, card: Image.Image, left: int, top: int, height: int) -> None:
    box = (left - 1, top - 1, left + _CARD_WIDTH, top + height)
    ImageDraw.Draw(sheet).rectangle(box, fill=CARD, outline=EDGE)
    sheet.paste(card, (left, top))


def _query(answer: Answer, results: Results) -> Image.Image:
    """The query photo as large as its column allows, its caption with the words searched for, the proof."""
    photo = fitted(answer.photo, _QUERY_WIDTH, _QUERY_HEIGHT)
    lines = [line for number in range(len(results.asked)) for line in _asked(results, number)]
    remarks = [*(f"{what}: {words}" for what, words in told(results)), certificate(results)]
    proof = [line for remark in remarks for line in _remark(remark)]
    height = (photo.height + _GAP if photo else 0) + _height(lines, _TITLE) + _height(proof, _TEXT) + _GAP
    panel = Image.new("RGB", (_QUERY_WIDTH, height), PAPER)
    draw, top = ImageDraw.Draw(panel), 0
    if photo:
        panel.paste(photo, (0, 0))
        top = photo.height + _GAP
    top = _write(draw, lines, 0, top, _TITLE)
    for line in proof:
        write(draw, (0, top + 8), " ".join(word for word, _ in line), PALE, _TEXT)
        top += leading(_TEXT)
    return panel


def _remark(text: str) -> list[list[Mark]]:
    return wrap([(word, False) for word in text.split()], _QUERY_WIDTH, _TEXT, _PROOF_LINES)


def _asked(results: Results, number: int) -> list[list[Mark]]:
    """The lines of one of the captions searched for; numbered where there are several."""
    asked, most = results.asked[number], 4 if results.several else 8
    before: list[Mark] = [(f"{number + 1}", False)] if results.several else []
    return wrap(before + _marks(asked.caption, asked.tokens, results), _QUERY_WIDTH, _TITLE, most)


def _card(hit: Hit, results: Results) -> Image.Image:
    inner = _CARD_WIDTH - 2 * _INSIDE
    lines = wrap(_marks(hit.caption, hit.shared, results), inner, _TEXT, _CAPTION_LINES)
    head = leading(_TEXT) + 20
    height = _PICTURE_HEIGHT + head + _height(lines, _TEXT) + leading(_SMALL) + _INSIDE
    card = Image.new("RGB", (_CARD_WIDTH, height), CARD)
    picture = filling(hit.image, _CARD_WIDTH, _PICTURE_HEIGHT) or _placeholder(hit)
    card.paste(picture, (0, 0))
    draw = ImageDraw.Draw(card)
    _head(draw, hit, bool(results.tokens))
    top = _write(draw, lines, _INSIDE, _PICTURE_HEIGHT + head, _TEXT)
    which = f"by {results.number(hit)} · " if results.several else ""
    name = which + fit_end(printable(hit.image_id), inner - round(extent(which, _SMALL)), _SMALL)
    write(draw, (_INSIDE, top + 4), name, PALE, _SMALL)
    return card


def _head(draw: ImageDraw.ImageDraw, hit: Hit, scored: bool) -> None:
    """Rank at the left, score at the right, and between picture and text a bar as long as the score."""
    top = _PICTURE_HEIGHT
    if scored:
        draw.rectangle((0, top, _CARD_WIDTH, top + 5), fill=EDGE)
        draw.rectangle((0, top, round(_CARD_WIDTH * hit.jaccard), top + 5), fill=MARK)
        score = f"{hit.jaccard:.3f}  ({hit.overlap} of {hit.union})"
        draw.text((_CARD_WIDTH - _INSIDE, top + 13), score, INK, font(_TEXT), anchor="ra")
    draw.text((_INSIDE, top + 13), f"#{hit.rank}", INK, font(_TEXT))


def _placeholder(hit: Hit) -> Image.Image:
    box = Image.new("RGB", (_CARD_WIDTH, _PICTURE_HEIGHT), EMPTY)
    name = fit_end(printable(hit.image_id), _CARD_WIDTH - 2 * _INSIDE, _TEXT)
    draw = ImageDraw.Draw(box)
    middle = (_CARD_WIDTH // 2, _PICTURE_HEIGHT // 2)
    draw.text((middle[0], middle[1] - 12), "no picture here", PALE, font(_SMALL), anchor="mm")
    write(draw, (middle[0] - extent(name, _TEXT) / 2, middle[1] + 2), name, INK, _TEXT)
    return box


def _marks(caption: str, tokens: Collection[str], results: Results) -> list[Mark]:
    return [mark for mark in marked(caption, tokens, analyzer(results.analyzer)) if not mark[0].isspace()]


def _write(draw: ImageDraw.ImageDraw, lines: Sequence[Sequence[Mark]], left: int, top: int, size: int) -> int:
    """Draw lines with shared words in green and heavier; gives where the next line begins."""
    for line in lines:
        place = float(left)
        for word, mark in line:
            _text(draw, (place, top), word, size, mark)
            place += extent(f"{word} ", size)
        top += leading(size)
    return top


def _text(draw: ImageDraw.ImageDraw, place: tuple[float, float], word: str, size: int, mark: bool) -> None:
    """There is one weight of a face: a second print beside the first makes the heavier one."""
    write(draw, place, word, MARK if mark else INK, size)
    if mark:
        write(draw, (place[0] + 0.6, place[1]), word, MARK, size)


def _height(lines: Sequence[Sequence[Mark]], size: int) -> int:
    return len(lines) * leading(size)
