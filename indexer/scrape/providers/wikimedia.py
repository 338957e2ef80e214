"""Wikimedia Commons through the MediaWiki Action API (https://www.mediawiki.org/wiki/API:Imageinfo).

`generator=search` in the File namespace with `prop=imageinfo`; paging by the answer's `continue`
(https://www.mediawiki.org/wiki/API:Continue); errors come as {"error": {"code", "info"}} with HTTP 200
(https://www.mediawiki.org/wiki/API:Errors_and_warnings). Requests go one after the other, with maxlag,
as https://www.mediawiki.org/wiki/API:Etiquette asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from indexer.scrape.items import Item, UnansweredError
from indexer.scrape.providers.protocol import (
    ResultPage,
    WebAccess,
    endpoint_from,
    entries,
    text_of,
    wrong_cursor,
)
from indexer.scrape.reasons import QueryFailure
from indexer.scrape.text import attribution, plain_text

ENDPOINT = "https://commons.wikimedia.org/w/api.php"
#: Pixels of width, one of the sizes that Commons keeps: enough for captions, kinder than originals.
_WIDTH = "960"


@dataclass(frozen=True)
class Wikimedia:
    """Searches the bitmaps of Wikimedia Commons."""

    endpoint: str = ENDPOINT
    name: str = "wikimedia"
    delay: float = 0.5
    limited: bool = True

    async def search(self, query: str, cursor: str, web: WebAccess) -> ResultPage:
        answer = await web.api(self.endpoint, {**_parameters(query), **_continued(cursor)}, _error)
        # The generator's order is in `index`; formatversion 2 gives the pages as a list.
        pages = sorted(entries(answer, "query", "pages"), key=lambda page: page.get("index") or 0)
        found = tuple(item for page in pages for item in _items(page, query))
        more = answer.get("continue") if isinstance(answer, dict) else None
        return ResultPage(found, json.dumps(more, sort_keys=True) if isinstance(more, dict) else None)


def from_environment(environment: Mapping[str, str]) -> Wikimedia:
    return Wikimedia(endpoint_from(environment, "WIKIMEDIA_ENDPOINT", ENDPOINT))


def _parameters(query: str) -> dict[str, str]:
    return {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "maxlag": "5",
        "generator": "search",
        "gsrsearch": f"filetype:bitmap {query}",
        "gsrnamespace": "6",
        "gsrlimit": "20",
        "prop": "imageinfo",
        "iiprop": "url|mime|extmetadata",
        "iiurlwidth": _WIDTH,
        "iiextmetadatafilter": "LicenseShortName|LicenseUrl|Artist|ObjectName|Attribution",
    }


def _continued(cursor: str) -> dict[str, str]:
    """The `continue` object of the last answer goes back as it came."""
    try:
        values = json.loads(cursor or "{}")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise wrong_cursor(cursor, "Wikimedia Commons")
    return {str(name): str(value) for name, value in values.items()}


def _error(status: int, answer: Any) -> UnansweredError | None:
    error = answer.get("error") if isinstance(answer, dict) else None
    if status == 200 and not isinstance(error, dict):
        return None
    error = error if isinstance(error, dict) else {}
    code, info = text_of(error, "code") or f"HTTP {status}", plain_text(error.get("info"))
    overloaded = status == 429 or code in ("ratelimited", "maxlag")
    reason: QueryFailure = "rate-limited" if overloaded else "api-error"
    return UnansweredError(reason, f"Wikimedia Commons: {code} {info}".strip())


def _items(page: Mapping[str, Any], query: str) -> list[Item]:
    """The picture of a file page; none where it has been deleted or hidden."""
    name = text_of(page, "title").partition(":")[2]
    title = plain_text(name.rpartition(".")[0] or name).replace("_", " ")
    infos = entries(page, "imageinfo")[:1]
    return [item for info in infos if (item := _item(info, title, query)) is not None]


def _item(info: Mapping[str, Any], title: str, query: str) -> Item | None:
    url = text_of(info, "thumburl") or text_of(info, "url")
    if not url:
        return None
    page, creator = text_of(info, "descriptionurl"), plain_text(_metadata(info, "Artist"))
    named = plain_text(_metadata(info, "LicenseShortName"))
    return Item(
        url=url,
        query=query,
        title=title,
        page=page,
        creator=creator,
        license=named,
        license_url=plain_text(_metadata(info, "LicenseUrl")),
        attribution=attribution(title, creator, named, page, given=_metadata(info, "Attribution")),
    )


def _metadata(info: Mapping[str, Any], name: str) -> object:
    """A value of extmetadata, which is HTML."""
    metadata = info.get("extmetadata")
    entry = metadata.get(name) if isinstance(metadata, dict) else None
    return entry.get("value") if isinstance(entry, dict) else None
