"""Google Programmable Search, the Custom Search JSON API with searchType=image.

Form: https://developers.google.com/custom-search/v1/reference/rest/v1/Search. Ten results a page, 100 in
all, 100 queries a day for free. Google has closed it to new customers and ends it on 2027-01-01.
Keys: GOOGLE_API_KEY and GOOGLE_SEARCH_ENGINE_ID (the `cx`) in the environment.
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

ENDPOINT = "https://www.googleapis.com/customsearch/v1"
_PAGE = 10
_LAST = 100
_QUOTA = frozenset({"dailyLimitExceeded", "rateLimitExceeded", "quotaExceeded", "userRateLimitExceeded"})


@dataclass(frozen=True)
class Google:
    """Searches with one's own search engine; what it finds carries no licence, only its origin."""

    key: str = field(repr=False)
    engine: str = field(repr=False)
    endpoint: str = ENDPOINT
    name: str = "google"
    delay: float = 0.6  # 100 queries a minute
    limited: bool = True

    async def search(self, query: str, cursor: str, web: WebAccess) -> ResultPage:
        start = number_from(cursor, "Google")
        parameters = {"key": self.key, "cx": self.engine, "q": query, "searchType": "image", "safe": "active"}
        parameters |= {"num": str(_PAGE), "start": str(start)}
        answer = await web.api(self.endpoint, parameters, self._error)
        found = tuple(_item(entry, query) for entry in entries(answer, "items") if text_of(entry, "link"))
        following = entries(answer, "queries", "nextPage")
        index = following[0].get("startIndex") if following else None
        more = isinstance(index, int) and start < index <= _LAST - _PAGE + 1
        return ResultPage(found, str(index) if more else None)

    def _error(self, status: int, answer: Any) -> UnansweredError | None:
        if status == 200:
            return None
        error = answer.get("error") if isinstance(answer, dict) else None
        error = error if isinstance(error, dict) else {}
        reasons = {text_of(entry, "reason") for entry in entries(error, "errors")}
        # Google's own message may repeat what it was sent.
        message = plain_text(error.get("message")).replace(self.key, "***").replace(self.engine, "***")
        spent = status == 429 or reasons & _QUOTA
        # A wrong key is a bad request as well, and so is an odd query: only the message tells them apart.
        refused = status in (401, 403) or "API key" in message
        reason: QueryFailure = "quota" if spent else "key" if refused else "api-error"
        return UnansweredError(reason, f"Google: HTTP {status} {message}".strip())


def from_environment(environment: Mapping[str, str]) -> Google:
    key = key_from(environment, "GOOGLE_API_KEY", "google")
    engine = key_from(environment, "GOOGLE_SEARCH_ENGINE_ID", "google")
    return Google(key, engine, endpoint_from(environment, "GOOGLE_ENDPOINT", ENDPOINT))


def _item(entry: Mapping[str, Any], query: str) -> Item:
    image = entry.get("image")
    page = text_of(image, "contextLink") if isinstance(image, dict) else ""
    title, site = plain_text(entry.get("title")), plain_text(entry.get("displayLink"))
    return Item(
        url=text_of(entry, "link"),
        query=query,
        title=title,
        page=page,
        attribution=attribution(title, "", "", page or site),
    )
