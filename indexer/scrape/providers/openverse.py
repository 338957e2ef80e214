"""Openverse: openly licensed pictures of many collections (https://api.openverse.org/v1/, GET /v1/images/).

Form of the answers: WordPress/openverse, api/api/examples/image_responses.py. Without a token 20
results a page, 20 requests a minute and 200 a day; with one 100 a minute. A query has no more than 240
results for anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from indexer.scrape.items import Item, UnansweredError
from indexer.scrape.providers.protocol import (
    ResultPage,
    WebAccess,
    endpoint_from,
    entries,
    number_from,
    text_of,
)
from indexer.scrape.reasons import QueryFailure
from indexer.scrape.text import attribution, plain_text

ENDPOINT = "https://api.openverse.org/v1/images/"
_SIZE = 20
_PAGES = 240 // _SIZE


@dataclass(frozen=True)
class Openverse:
    """Searches Openverse; results marked as mature stay out (its default)."""

    endpoint: str = ENDPOINT
    token: str = field(default="", repr=False)  # OAuth2 bearer token, for higher limits
    name: str = "openverse"
    delay: float = 3.0
    limited: bool = True

    async def search(self, query: str, cursor: str, web: WebAccess) -> ResultPage:
        number = number_from(cursor, "Openverse")
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        parameters = {"q": query, "page": str(number), "page_size": str(_SIZE)}
        answer = await web.api(self.endpoint, parameters, _error, headers)
        found = tuple(_item(entry, query) for entry in entries(answer, "results") if text_of(entry, "url"))
        last = answer.get("page_count", 0) if isinstance(answer, dict) else 0
        more = isinstance(last, int) and number < min(last, _PAGES)
        return ResultPage(found, str(number + 1) if more else None)


def from_environment(environment: Mapping[str, str]) -> Openverse:
    endpoint = endpoint_from(environment, "OPENVERSE_ENDPOINT", ENDPOINT)
    token = environment.get("OPENVERSE_TOKEN", "").strip()
    return Openverse(endpoint, token, delay=0.6) if token else Openverse(endpoint)


def _error(status: int, answer: Any) -> UnansweredError | None:
    if status == 200:
        return None
    detail = plain_text(answer.get("detail")) if isinstance(answer, dict) else ""
    reason: QueryFailure = "api-error"
    if status in (401, 403):
        reason = "key"
    elif status == 429:
        reason = "rate-limited"
    return UnansweredError(reason, f"Openverse: HTTP {status} {detail}".strip())


def _item(entry: Mapping[str, Any], query: str) -> Item:
    title, creator = plain_text(entry.get("title")), plain_text(entry.get("creator"))
    page, named = text_of(entry, "foreign_landing_url"), _license(entry)
    return Item(
        url=text_of(entry, "url"),
        query=query,
        title=title,
        page=page,
        creator=creator,
        license=named,
        license_url=text_of(entry, "license_url"),
        attribution=attribution(title, creator, named, page, given=entry.get("attribution")),
    )


def _license(entry: Mapping[str, Any]) -> str:
    """ "by-sa", "2.0" -> "CC BY-SA 2.0"; public domain marks have names of their own."""
    code, version = text_of(entry, "license").lower(), text_of(entry, "license_version")
    names = {"cc0": "CC0", "pdm": "Public Domain Mark", "": ""}
    return f"{names.get(code, f'CC {code.upper()}')} {version}".strip() if code else ""
