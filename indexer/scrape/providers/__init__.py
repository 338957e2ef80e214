"""Where photos are found: one small interface, official APIs first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from indexer.errors import ScrapeError
from indexer.scrape.providers import flickr, google, listed, openverse, wikimedia
from indexer.scrape.providers.protocol import Provider

__all__ = ["LISTED", "NAMES", "PROVIDERS", "SEARCHING", "Provider", "ProviderEntry", "described", "provider"]


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """How a provider is made, and what people must know to choose it."""

    from_environment: Callable[[Mapping[str, str]], Provider]
    #: What it needs: the variables of its keys, or what a QUERY is.
    needs: str = ""
    #: Whether it takes words; the others take addresses.
    searches: bool = True


#: Every provider by its name; docs/scraping.md has a table of them.
PROVIDERS: Mapping[str, ProviderEntry] = {
    "openverse": ProviderEntry(openverse.from_environment),
    "wikimedia": ProviderEntry(wikimedia.from_environment),
    "flickr": ProviderEntry(flickr.from_environment, "key in FLICKR_API_KEY"),
    "google": ProviderEntry(google.from_environment, "GOOGLE_API_KEY and GOOGLE_SEARCH_ENGINE_ID"),
    "urls": ProviderEntry(
        lambda _: listed.UrlList(),
        "QUERY is a URL, optionally with a tab and a title after it, or a file of such lines",
        searches=False,
    ),
    "page": ProviderEntry(lambda _: listed.HtmlPage(), "QUERY is the URL of an HTML page", searches=False),
}
NAMES = tuple(PROVIDERS)
SEARCHING = tuple(name for name, entry in PROVIDERS.items() if entry.searches)
LISTED = tuple(name for name in NAMES if name not in SEARCHING)


def described() -> str:
    """Every provider with what it needs, for people."""
    return ", ".join(f"{name} ({entry.needs})" if entry.needs else name for name, entry in PROVIDERS.items())


def provider(name: str, environment: Mapping[str, str]) -> Provider:
    """The provider with this name, its keys and endpoint from the environment.

    Raises ScrapeError for an unknown name, a missing key or a wrong endpoint.
    """
    if name not in PROVIDERS:
        raise ScrapeError(f"unknown provider {name!r}; known: {', '.join(NAMES)}")
    return PROVIDERS[name].from_environment(environment)
