"""The lines by which `indexer status --check` reports wrong documents, the same for both engines."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

_MOST_LINES = 20


def not_as_made(document_id: str, image_id: str, wrong: Iterable[str]) -> str:
    """The line for a document of which these parts are not as its caption makes them."""
    return f"document {document_id} (image {image_id}): {' and '.join(wrong)} not as its caption makes it"


def first_told(lines: Iterable[str]) -> list[str]:
    """The first few lines; the rest is not even read, since enough is known to be wrong."""
    first = list(islice(lines, _MOST_LINES + 1))
    return [*first[:_MOST_LINES], "and more"] if len(first) > _MOST_LINES else first
