"""A comparison as text for the terminal: a paragraph for each way, all from outside made safe to print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from captioner.outside import clean, printable
from search.compare import Comparison, Found, Way
from search.render.words import columns, pad, shorten, shorten_start

_GAP = "  "


def ways_text(comparison: Comparison, width: int = 100) -> str:
    """What every way has in common, then each way: its caption, words and hits, one line a hit.

    A star marks a word that not every way has, and a hit that no other has. `width` is in terminal columns.
    """
    common = f"words that every way has: {_words(comparison.common)}"
    ways = ("\n".join(_way(way, width)) for way in comparison.ways)
    return "\n\n".join((f"{printable(comparison.photo)}\n{common}", *ways))


def _way(way: Way, width: int) -> Iterator[str]:
    yield f"{printable(way.model)} · {way.analyzer}"
    yield f"{_GAP}{clean(way.caption)}"
    yield f"{_GAP}words: {_words(way.words, way.own_words)}"
    longest = max((columns(printable(hit.image_id)) for hit in way.hits), default=0)
    for hit in way.hits:
        yield _hit(hit, min(longest, width // 3), width)
    if not way.hits:
        yield f"{_GAP}no image shares a word with this"


def _hit(hit: Found, image: int, width: int) -> str:
    star = "*" if hit.only_here else " "
    name = pad(shorten_start(printable(hit.image_id), image), image)
    before = f"{_GAP}{hit.score:.3f}{star} {name}{_GAP}"
    return before + shorten(clean(hit.caption), width - columns(before))


def _words(words: Iterable[str], own: Iterable[str] = ()) -> str:
    starred = frozenset(own)
    return " ".join(f"{clean(word)}*" if word in starred else clean(word) for word in words) or "none"
