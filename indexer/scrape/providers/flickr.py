"""Flickr's own API, flickr.photos.search (https://www.flickr.com/services/api/flickr.photos.search.html).

Only openly licensed photos are asked for. Licence numbers: flickr.photos.licenses.getInfo. Errors come
as {"stat": "fail", "code", "message"} with HTTP 200. Key: FLICKR_API_KEY; 3,600 requests an hour. A query
has its first 4,000 results; pages behind them give these again.
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
    key_from,
    number_from,
    text_of,
)
from indexer.scrape.reasons import QueryFailure
from indexer.scrape.text import attribution, plain_text

ENDPOINT = "https://www.flickr.com/services/rest/"
_CC = "https://creativecommons.org"
_LICENSES = {
    "1": ("CC BY-NC-SA 2.0", f"{_CC}/licenses/by-nc-sa/2.0/"),
    "2": ("CC BY-NC 2.0", f"{_CC}/licenses/by-nc/2.0/"),
    "3": ("CC BY-NC-ND 2.0", f"{_CC}/licenses/by-nc-nd/2.0/"),
    "4": ("CC BY 2.0", f"{_CC}/licenses/by/2.0/"),
    "5": ("CC BY-SA 2.0", f"{_CC}/licenses/by-sa/2.0/"),
    "6": ("CC BY-ND 2.0", f"{_CC}/licenses/by-nd/2.0/"),
    "7": ("No known copyright restrictions", "https://www.flickr.com/commons/usage/"),
    "8": ("United States Government Work", "http://www.usa.gov/copyright.shtml"),
    "9": ("CC0 1.0", f"{_CC}/publicdomain/zero/1.0/"),
    "10": ("Public Domain Mark 1.0", f"{_CC}/publicdomain/mark/1.0/"),
    "11": ("CC BY 4.0", f"{_CC}/licenses/by/4.0/"),
    "12": ("CC BY-SA 4.0", f"{_CC}/licenses/by-sa/4.0/"),
    "13": ("CC BY-ND 4.0", f"{_CC}/licenses/by-nd/4.0/"),
    "14": ("CC BY-NC 4.0", f"{_CC}/licenses/by-nc/4.0/"),
    "15": ("CC BY-NC-SA 4.0", f"{_CC}/licenses/by-nc-sa/4.0/"),
    "16": ("CC BY-NC-ND 4.0", f"{_CC}/licenses/by-nc-nd/4.0/"),
}
_SIZE = 100
_PAGES = 4_000 // _SIZE
#: What some of its error codes mean; that it is not available it also says to those who ask too much.
_REASONS: Mapping[str, QueryFailure] = {
    "100": "key",
    **dict.fromkeys(("0", "10", "105", "201"), "server-error"),
}
#: Sizes that Flickr may offer, the ones around 1,024 pixels first.
_SIZES = ("url_l", "url_c", "url_z", "url_m")


@dataclass(frozen=True)
class Flickr:
    """Searches Flickr's openly licensed photos."""

    key: str = field(repr=False)
    endpoint: str = ENDPOINT
    name: str = "flickr"
    delay: float = 1.0
    limited: bool = True

    async def search(self, query: str, cursor: str, web: WebAccess) -> ResultPage:
        number = number_from(cursor, "Flickr")
        answer = await web.api(self.endpoint, self._parameters(query, number), self._error)
        found = tuple(
            _item(photo, url, query) for photo in entries(answer, "photos", "photo") if (url := _url(photo))
        )
        last = answer["photos"].get("pages") if isinstance(answer.get("photos"), dict) else 0
        more = isinstance(last, int) and number < min(last, _PAGES)
        return ResultPage(found, str(number + 1) if more else None)

    def _parameters(self, query: str, number: int) -> dict[str, str]:
        return {
            "method": "flickr.photos.search",
            "api_key": self.key,
            "text": query,
            "license": ",".join(_LICENSES),
            "content_type": "1",
            "media": "photos",
            "safe_search": "1",
            "sort": "relevance",
            "extras": ",".join(("license", "owner_name", *_SIZES)),
            "per_page": str(_SIZE),
            "page": str(number),
            "format": "json",
            "nojsoncallback": "1",
        }

    def _error(self, status: int, answer: Any) -> UnansweredError | None:
        answer = answer if isinstance(answer, dict) else {}
        if status == 200 and answer.get("stat") == "ok":
            return None
        said = _REASONS.get(str(answer.get("code")), "api-error")
        reason: QueryFailure = "rate-limited" if status == 429 else said
        message = plain_text(answer.get("message")).replace(self.key, "***")
        return UnansweredError(reason, f"Flickr: HTTP {status} {message}".strip())


def from_environment(environment: Mapping[str, str]) -> Flickr:
    key = key_from(environment, "FLICKR_API_KEY", "flickr")
    return Flickr(key, endpoint_from(environment, "FLICKR_ENDPOINT", ENDPOINT))


def _url(photo: Mapping[str, Any]) -> str:
    return next((url for size in _SIZES if (url := text_of(photo, size))), "")


def _item(photo: Mapping[str, Any], url: str, query: str) -> Item:
    title, creator = plain_text(photo.get("title")), plain_text(photo.get("ownername"))
    named, license_url = _LICENSES.get(str(photo.get("license", "")), ("", ""))
    page = f"https://www.flickr.com/photos/{text_of(photo, 'owner')}/{text_of(photo, 'id')}"
    return Item(
        url=url,
        query=query,
        title=title,
        page=page,
        creator=creator,
        license=named,
        license_url=license_url,
        attribution=attribution(title, creator, named, page),
    )
