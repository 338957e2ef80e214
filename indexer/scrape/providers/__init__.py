"""Where photos are found: one small interface, official APIs first."""

from __future__ import annotations

from collections.abc import Mapping

from indexer.errors import ScrapeError
from indexer.scrape.providers.protocol import Provider

__all__ = ["NAMES", "SEARCHING", "Provider", "provider"]

#: Those that take words; the others take addresses.
SEARCHING = ("openverse", "wikimedia", "flickr", "google")
NAMES = (*SEARCHING, "urls", "page")


def provider(name: str, environment: Mapping[str, str]) -> Provider:
    """The provider with this name, its keys and address from the environment.

    Raises ScrapeError for an unknown name or a missing key.
    """
    from indexer.scrape.providers import flickr, google, listed, openverse, wikimedia

    if name == "openverse":
        return openverse.from_environment(environment)
    if name == "wikimedia":
        return wikimedia.from_environment(environment)
    if name == "flickr":
        return flickr.from_environment(environment)
    if name == "google":
        return google.from_environment(environment)
    if name == "urls":
        return listed.UrlList()
    if name == "page":
        return listed.HtmlPage()
    raise ScrapeError(f"unknown provider {name!r}; known: {', '.join(NAMES)}")
