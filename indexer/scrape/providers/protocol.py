"""What a provider is, and how it reads what it is answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol

from indexer.errors import ScrapeError
from indexer.scrape.addresses import AddressGuard
from indexer.scrape.items import Item, RefusalError, UnansweredError
from indexer.scrape.transport import Response

#: Finds the error in an API's answer, by its status and its JSON (None for what is none).
FindError = Callable[[int, Any], UnansweredError | None]


class WebAccess(Protocol):
    """How a provider reaches the web: `indexer.scrape.fetch.Fetcher`."""

    async def api(
        self,
        url: str,
        query: Mapping[str, str],
        find_error: FindError,
        headers: Mapping[str, str] | None = None,
    ) -> Any: ...

    async def page(self, url: str) -> Response: ...


@dataclass(frozen=True, slots=True)
class ResultPage:
    """One page of results; `cursor` is where the next one starts, None where there is none.

    `remark`: what people must know of it, a line that names the query; "" for nothing.
    """

    found: tuple[Item, ...]
    cursor: str | None
    remark: str = ""


class Provider(Protocol):
    """Finds pictures for a query, one page at a time; `Searching` notes in each item whose it is.

    Raises UnansweredError when it cannot (quota, key, an error of the API, a cursor that is none of its
    own); reasons.py says what follows. `limited`: a search whose results have no natural end, so `per_query`
    holds. `delay`: seconds between two requests to its `endpoint`, by its terms of use.
    """

    @property
    def name(self) -> str: ...

    @property
    def endpoint(self) -> str: ...

    @property
    def delay(self) -> float: ...

    @property
    def limited(self) -> bool: ...

    async def search(self, query: str, cursor: str, web: WebAccess) -> ResultPage: ...


def key_from(environment: Mapping[str, str], variable: str, provider_name: str) -> str:
    """A secret; raises ScrapeError that names the variable, never its value."""
    value = environment.get(variable, "").strip()
    if not value:
        raise ScrapeError(f"provider {provider_name} needs a key: set {variable} in the environment")
    return value


def endpoint_from(environment: Mapping[str, str], variable: str, standard: str) -> str:
    """An API's address: the standard one, or another that the variable names.

    Raises ScrapeError, which names the variable, for what is no web address, and for one to which keys would
    go unencrypted over a network.
    """
    value = environment.get(variable, "").strip()
    if not value:
        return standard
    try:
        url = AddressGuard().check_url(value)
    except RefusalError as refusal:
        raise ScrapeError(f"{variable}: {refusal.detail}") from None
    if url.scheme != "https" and not _is_this_machine(url.host or ""):
        raise ScrapeError(f"{variable}: only https:// is allowed, except to this machine (127.0.0.1)")
    return value


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def number_from(cursor: str, provider_name: str) -> int:
    """A cursor that counts pages or results from 1. Raises UnansweredError."""
    if not re.fullmatch("[0-9]{0,9}", cursor):
        raise wrong_cursor(cursor, provider_name)
    return int(cursor or "1")


def wrong_cursor(cursor: str, provider_name: str) -> UnansweredError:
    """It comes from the manifest, which somebody may have edited."""
    return UnansweredError(
        "cursor",
        f"{provider_name}: the manifest says to go on at {cursor[:40]!r}, which is no place in its results; "
        "run again, and this query begins anew",
    )


def entries(answer: Any, *path: str) -> list[dict[str, Any]]:
    """The objects of the list at `path` in an API's answer; other shapes count as empty."""
    for name in path:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return [entry for entry in answer if isinstance(entry, dict)] if isinstance(answer, list) else []


def text_of(entry: Mapping[str, Any], name: str) -> str:
    """A text field as it is; "" for anything else."""
    value = entry.get(name)
    return value if isinstance(value, str) else ""
