"""An answer as a table for the terminal: 80 columns are enough, more are used.

A terminal of less than 60, as on a telephone, has no room for columns: there each hit is a few lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import click

from captioner.counted import counted
from captioner.drawing.marks import Mark
from captioner.outside import printable
from captioner.tokens import Analyzer, analyzer
from search.hits import Hit, Results
from search.render.certificate import certificate
from search.render.query_words import told
from search.render.words import columns, marked, pad, reasons, shorten_start, spoken, wrap

_RANK, _SCORE, _GAP = 3, 11, "  "
_CAPTION_LINES = 3
_FOLDED_LINES = 8
#: A table takes so many columns at least; lines below each other half of them.
_TABLE, _LINES = 60, 30
_INDENT = " " * (_RANK + len(_GAP))


@dataclass(frozen=True, slots=True)
class _Layout:
    image: int
    caption: int
    shared: int
    whole_ids: bool


def table(
    results: Results, *, name: str = "", width: int = 100, color: bool = True, whole_ids: bool = False
) -> str:
    """The query, one row a hit with what it shares, lacks and adds, and the certificate as the last line.

    `name` is what was asked for (a photo's name). `width` is in terminal columns; with `whole_ids` long ids
    are not cut, and make the lines longer. All that comes from outside is made safe to print.
    """
    text = "\n".join(_lines(results, name, max(width, _LINES), whole_ids))
    return text if color else click.unstyle(text)


def _lines(results: Results, name: str, width: int, whole_ids: bool) -> Iterator[str]:
    analyze = analyzer(results.analyzer)
    if results.tokens:
        yield from _query(results, name, width, analyze)
    if results.hits:
        rows = _rows if width >= _TABLE else _stacked
        yield from rows(results, width, analyze, whole_ids)
        yield ""
    if results.tokens:
        for line in _folded(certificate(results), width):
            yield line if results.exact else click.style(line, fg="yellow", bold=True)


def _folded(text: str, width: int) -> list[str]:
    """A line, which only a narrow terminal gets broken: others do so themselves, and programs read lines."""
    return [text] if width >= _TABLE else _wrapped(text, width)


def _wrapped(text: str, width: int) -> list[str]:
    lines = wrap(((word, False) for word in text.split()), width, _FOLDED_LINES)
    return [" ".join(word for word, _ in line) for line in lines]


def _rows(results: Results, width: int, analyze: Analyzer, whole_ids: bool) -> Iterator[str]:
    layout = _layout(results, width, analyze, whole_ids)
    yield from _header(results, layout)
    for hit in results.hits:
        yield from _row(hit, results, layout, analyze)


def _stacked(results: Results, width: int, analyze: Analyzer, whole_ids: bool) -> Iterator[str]:
    """Below each other: rank and image, score and shared words, the caption, what it lacks and adds."""
    room = width - len(_INDENT)
    for hit in results.hits:
        name = printable(hit.image_id)
        image = name if whole_ids else shorten_start(name, room)
        yield f"{click.style(f'{hit.rank:>{_RANK}}', bold=True)}{_GAP}{image}"
        if results.tokens:
            shared = [(word, True) for word in spoken(hit.shared, hit.caption, analyze)]
            score = [(f"{hit.jaccard:.3f}", False), (f"{hit.overlap}/{hit.union}", False)]
            yield from _indented([*score, *shared], room)
        yield from _indented(marked(hit.caption, hit.shared, analyze), room)
        for line in wrap(_differences(hit, results, analyze), room, _CAPTION_LINES):
            yield _INDENT + _dimmed(line)


def _indented(words: Iterable[Mark], room: int) -> Iterator[str]:
    return (_INDENT + _styled(line, 0) for line in wrap(words, room, _CAPTION_LINES))


def _query(results: Results, name: str, width: int, analyze: Analyzer) -> Iterator[str]:
    if name:
        yield click.style(shorten_start(printable(name), width), dim=True)
    for number, asked in enumerate(results.asked, 1):
        before = f"{number} " if results.several else ""
        caption = marked(asked.caption, asked.tokens, analyze)
        for line in wrap(caption, width - len(before), _CAPTION_LINES):
            words = " ".join(click.style(word, bold=True) if mark else word for word, mark in line)
            yield click.style(before, dim=True) + words
            before = " " * len(before)
    for what, words in told(results):
        first, *others = _wrapped(f"{what}: {words}", width)
        yield click.style(f"{what}: ", dim=True) + first.removeprefix(f"{what}: ")
        yield from others
    yield ""


def _layout(results: Results, width: int, analyze: Analyzer, whole_ids: bool) -> _Layout:
    """Images get what they need up to a quarter, shared words a quarter, captions the rest.

    Whole ids are aligned up to half the width; longer ones stick out of their column.
    """
    scores = _SCORE + len(_GAP) if results.tokens else 0
    whole = max(len("image"), *(columns(printable(hit.image_id)) for hit in results.hits))
    image = min(whole, max(14, width // 4))
    shared = _shared(results, width // 4, analyze) if results.tokens else 0
    caption = width - _RANK - image - scores - shared - len(_GAP) * (3 if results.tokens else 2)
    return _Layout(min(whole, width // 2) if whole_ids else image, caption, shared, whole_ids)


def _shared(results: Results, most: int, analyze: Analyzer) -> int:
    widest = max(columns(" ".join(spoken(hit.shared, hit.caption, analyze))) for hit in results.hits)
    return max(len("shared words"), min(widest, most))


def _header(results: Results, layout: _Layout) -> Iterator[str]:
    cells = [pad("#".rjust(_RANK), _RANK), pad("image", layout.image)]
    if results.tokens:
        cells.append(pad("Jaccard", _SCORE))
    cells.append(pad("caption", layout.caption))
    if results.tokens:
        cells.append("shared words")
    yield click.style(_GAP.join(cells).rstrip(), dim=True)


def _row(hit: Hit, results: Results, layout: _Layout, analyze: Analyzer) -> Iterator[str]:
    captions = wrap(marked(hit.caption, hit.shared, analyze), layout.caption, _CAPTION_LINES) or [[]]
    shared_words = [(word, True) for word in spoken(hit.shared, hit.caption, analyze)]
    shared = wrap(shared_words, layout.shared, _CAPTION_LINES) if layout.shared else []
    for number in range(max(len(captions), len(shared))):
        cells = [" " * _RANK, " " * layout.image]
        score = " " * _SCORE
        if number == 0:
            cells = [click.style(f"{hit.rank:>{_RANK}}", bold=True), pad(_image(hit, layout), layout.image)]
            score = click.style(f"{hit.jaccard:.3f}", fg="cyan", bold=True) + click.style(
                pad(f" {hit.overlap}/{hit.union}", _SCORE - 5), dim=True
            )
        if results.tokens:
            cells.append(score)
        cells.append(_styled(captions[number] if number < len(captions) else [], layout.caption))
        cells.append(_styled(shared[number] if number < len(shared) else [], 0))
        yield _GAP.join(cells).rstrip()
    indent = " " * (_RANK + layout.image + _SCORE + 3 * len(_GAP))
    for line in wrap(_differences(hit, results, analyze), layout.caption + len(_GAP) + layout.shared, 2):
        yield indent + _dimmed(line)


def _image(hit: Hit, layout: _Layout) -> str:
    name = printable(hit.image_id)
    return name if layout.whole_ids else shorten_start(name, layout.image)


def _styled(line: list[Mark], width: int) -> str:
    plain = " ".join(word for word, _ in line)
    styled = " ".join(click.style(word, fg="green") if mark else word for word, mark in line)
    return styled + " " * max(0, width - columns(plain))


def _dimmed(line: list[Mark]) -> str:
    return click.style(" ".join(word for word, _ in line), dim=True)


def _differences(hit: Hit, results: Results, analyze: Analyzer) -> list[Mark]:
    """Below the caption: which of several it answers, what it lacks and adds, the copies folded into it."""
    if not results.tokens:
        return []
    why = reasons(hit, analyze)
    lacks, adds = [f"−{word}" for word in why.lacks], [f"+{word}" for word in why.adds]
    near = counted(len(hit.duplicates), "near copy", "near copies")
    copies = [f"(and {near})"] if hit.duplicates else []
    told = [*lacks, *adds, *copies]
    which = [f"by {results.number(hit)}{':' if told else ''}"] if results.several else []
    return [(word, False) for word in (*which, *told)]
