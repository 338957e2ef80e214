"""Self-contained HTML files."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from html import escape
from pathlib import Path

from captioner.drawing.colours import STYLE
from captioner.drawing.made import META
from captioner.files import is_file, written_whole
from captioner.outside import clean, printable

#: The text's layout on all pages.
_LAYOUT = """* { box-sizing: border-box; }
body { margin: 0 auto; padding: clamp(1rem, 3vw, 2.5rem); max-width: 100rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
.pale { color: var(--pale); font-size: .875rem; margin: .25rem 0; }
.warn { color: var(--warn); font-weight: 600; }
.name { white-space: pre-wrap; }
"""


def safe(text: str) -> str:
    """Text from outside for a page: one line, escaped."""
    return escape(clean(text))


def named(name: str) -> str:
    """A name as HTML with every blank kept, since people copy it from the page to search by it."""
    return f'<span class="name">{escape(printable(name))}</span>'


def linked(content: str, place: str) -> str:
    """HTML that leads to a picture, where it is on the web or a file here; a page tells no site of itself.

    Of a relative path nobody knows the folder, so it leads nowhere.
    """
    if re.match(r"https?://", place, re.IGNORECASE):
        address = place
    elif Path(place).is_absolute() and is_file(place):
        address = Path(place).as_uri()
    else:
        return content
    return f'<a href="{escape(address)}" rel="noreferrer">{content}</a>'


def document(title: str, style: str, body: str) -> str:
    """The whole HTML file. Its policy allows its own style and pictures inside the file, and nothing else."""
    style = STYLE + _LAYOUT + style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"{META}\n"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="referrer" content="no-referrer">\n<title>{safe(title)}</title>\n'
        f"<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def write_document(html: str, path: str | os.PathLike[str]) -> None:
    """Write a page; the file is whole, or as it was before. Raises OSError, which names it."""
    with written_whole(Path(path)) as file:
        file.write(html.encode())
