"""Self-contained HTML files, and text from outside made safe to show: for terminals, pictures and pages."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from html import escape

#: Direction marks and overrides: invisible, and able to turn a line around.
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Cn", "Co"})
REPLACEMENT = "\ufffd"


def clean(text: str) -> str:
    """One line that is safe to print: captions come from outside and may hold terminal escapes."""
    return "".join(
        REPLACEMENT
        if unicodedata.category(character) in _UNPRINTABLE or character in _DIRECTION
        else character
        for character in " ".join(text.split())
    )


def safe(text: str) -> str:
    """Text from outside for a page: one line, escaped."""
    return escape(clean(text))


def document(title: str, style: str, body: str) -> str:
    """The whole file. Its policy allows this one style and pictures inside the file, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="referrer" content="no-referrer">\n<title>{safe(title)}</title>\n'
        f"<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
