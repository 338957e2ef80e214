"""A comparison as one self-contained HTML file: pictures inside, no script, nothing fetched, all escaped."""

from __future__ import annotations

from collections.abc import Iterable

from captioner.drawing.page import document, named, safe
from captioner.drawing.picture import data_uri, thumbnail
from search.compare import Comparison, Found, Way

_STYLE = """
header img { max-height: 40vh; max-width: 100%; border-radius: .5rem; }
main { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }
article { border-top: 1px solid var(--edge); }
h2 { font-size: 1rem; margin: .75rem 0 .25rem; }
.words b { color: var(--warn); }
ol { padding: 0; list-style: none; }
li { margin: 0 0 1rem; background: var(--card); border: 1px solid var(--edge); border-radius: .5rem;
  padding: .6rem; }
li.own { border-color: var(--warn); }
li img { width: 100%; border-radius: .3rem; }
.shared { color: var(--mark); }
"""


def comparison_page(comparison: Comparison) -> str:
    """Columns side by side; words and hits that only some ways have stand out."""
    ways = "\n".join(map(_way, comparison.ways))
    common = ", ".join(comparison.common) or "none"
    title = f"One photo, {len(comparison.ways)} ways"
    body = (
        f"<header>{_picture(comparison.photo, 'the photo searched for', 720)}<h1>{title}</h1>"
        f'<p class="pale">Words that every way has: {safe(common)}</p></header>\n<main>\n{ways}\n</main>'
    )
    return document(title, _STYLE, body)


def _way(way: Way) -> str:
    hits = "\n".join(map(_hit, way.hits)) or '<li class="pale">No image shares a word with this.</li>'
    return (
        f"<article><h2>{safe(way.model)} · {safe(way.analyzer)}</h2><p>{safe(way.caption)}</p>"
        f'<p class="pale words">{_words(way.words, set(way.own_words))}</p>\n<ol>\n{hits}\n</ol></article>'
    )


def _hit(hit: Found) -> str:
    own = ' class="own"' if hit.only_here else ""
    note = " · only here" if hit.only_here else ""
    return (
        f'<li{own}>{_picture(hit.image, hit.caption, 360)}<p class="pale">{hit.score:.3f} · '
        f"{named(hit.image_id)}{note}</p><p>{safe(hit.caption)}</p>"
        f'<p class="pale shared">{safe(", ".join(hit.shared))}</p></li>'
    )


def _words(words: Iterable[str], own: set[str]) -> str:
    return ", ".join(f"<b>{safe(word)}</b>" if word in own else safe(word) for word in words)


def _picture(place: str, alt: str, side: int) -> str:
    picture = thumbnail(place, side, side)
    return f'<img src="{data_uri(picture)}" alt="{safe(alt)}">' if picture else ""
