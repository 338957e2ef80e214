"""Pictures that are kept out of a scraped folder: its owner names them in a file beside the manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from captioner.outside import printable
from indexer.errors import SourceError
from indexer.scrape.addresses import canonical
from indexer.scrape.items import Item

NAME = "excluded.txt"

#: Digits of a content's SHA-256 that its image id has.
DIGITS = 32
_CONTENT = re.compile(rf"(?:scraped/)?([0-9a-f]{{{DIGITS}}})(?:[0-9a-f]{{{DIGITS}}})?")


@dataclass(frozen=True)
class Excluded:
    """URLs that are not asked, and contents that are not kept: the digits of them that image ids have."""

    urls: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()

    def names(self, item: Item) -> bool:
        """Whether the item's address is named, or the photo that is kept of it."""
        return item.url in self.urls or self.holds(item.duplicate_of or item.sha256)

    def holds(self, sha256: str) -> bool:
        return sha256[:DIGITS] in self.contents


def read_excluded(folder: Path) -> Excluded:
    """What the folder's file names: a URL, a SHA-256 or an image id a line. Raises SourceError for others.

    Blank lines and those that begin with # say nothing; where there is no file, nothing is kept out.
    """
    path = folder / NAME
    if not path.exists():
        return Excluded()
    urls, contents = set(), set()
    for number, line in enumerate(path.read_text("utf-8-sig", "replace").splitlines(), 1):
        text = line.strip()
        if content := _CONTENT.fullmatch(text.lower()):
            contents.add(content[1])
        elif text.lower().startswith(("http://", "https://")):
            urls.add(canonical(text))
        elif text and not text.startswith("#"):
            wanted = "a URL, a SHA-256 or an image id (scraped/...)"
            raise SourceError(f"{path}:{number}: {printable(text[:80])!r} is not {wanted}")
    return Excluded(frozenset(urls), frozenset(contents))
