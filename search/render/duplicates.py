"""Groups of near copies as one self-contained HTML file: pictures inside, no script, nothing fetched."""

from __future__ import annotations

from captioner.counted import counted
from captioner.drawing.page import document, linked, named, safe
from captioner.drawing.picture import data_uri, thumbnail
from search.duplicates import Group, NearCopies, Picture

_SIDE = 240  # of the longest side in pixels

_STYLE = """
h1 { font-size: 1.35rem; font-weight: 500; }
h2 { font-size: 1rem; font-weight: 500; margin: 2rem 0 .5rem; }
ol { list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 13rem), 1fr)); }
li { background: var(--card); border: 1px solid var(--edge); border-radius: .5rem; padding: .6rem; }
li.best { border-color: var(--mark); }
li img { display: block; width: 100%; max-height: 20rem; object-fit: contain; border-radius: .3rem; }
"""


def near_copies_page(found: NearCopies) -> str:
    """A section for each group; each picture leads to its file."""
    groups = "\n".join(map(_section, found.groups)) or '<p class="pale">No near copies.</p>'
    return document("Near copies", _STYLE, f"<h1>{safe(str(found))}</h1>\n{groups}")


def _section(group: Group) -> str:
    first, best = group.pictures[0], group.best
    notes = {one: f"{counted(one.bits, 'bit')} apart" for one in group.pictures}
    notes[first] = "the others are near to this one"
    items = [_item(one, note, one is best) for one, note in notes.items()]
    heading, pictures = f"{len(items)} pictures: {safe(first.caption)}", "\n".join(items)
    return f"<section><h2>{heading}</h2>\n<ol>\n{pictures}\n</ol></section>"


def _item(picture: Picture, note: str, is_best: bool) -> str:
    small = thumbnail(picture.image, _SIDE, _SIDE)
    image = f'<img src="{data_uri(small)}" alt="{safe(picture.caption)}">' if small else "no picture here"
    image = linked(image, picture.image)
    notes = ", ".join(filter(None, (picture.measures, note)))
    kept = ' class="best" title="The largest: --paths leaves it out"' if is_best else ""
    return f'<li{kept}>{image}<p class="pale">{named(picture.place)}</p><p class="pale">{notes}</p></li>'
