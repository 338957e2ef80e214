"""What a check of an index (`indexer status --check`) tells of its documents, alike on both engines."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

_TOLD = 20


def not_as_made(document_id: str, image_id: str, wrong: Iterable[str]) -> str:
    """A line: what of a document its caption does not make so."""
    return f"document {document_id} (image {image_id}): {' and '.join(wrong)} not as its caption makes it"


def first_told(lines: Iterable[str]) -> list[str]:
    """The first lines: where so much is wrong, the rest need not be read."""
    told = list(islice(lines, _TOLD + 1))
    return [*told[:_TOLD], "and more"] if len(told) > _TOLD else told
