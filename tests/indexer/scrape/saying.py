"""A provider of one's own, which says of pictures whatever a test wants."""

from __future__ import annotations

from dataclasses import dataclass, replace

from indexer.scrape.items import Item
from indexer.scrape.providers.protocol import ResultPage, WebAccess


@dataclass(frozen=True)
class Saying:
    """A provider that answers each query with what it says of some pictures."""

    name: str
    found: tuple[Item, ...] = ()
    endpoint: str = ""
    delay: float = 0.0
    limited: bool = True

    async def search(self, query: str, cursor: str, web: WebAccess) -> ResultPage:
        return ResultPage(tuple(replace(item, query=query) for item in self.found), None)
