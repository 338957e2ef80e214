"""Self-contained HTML files."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from captioner.outside import clean


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
