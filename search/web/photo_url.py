"""A photo by its web address, where the operator allows it: the scraper's safe way out, and no other."""

from __future__ import annotations

from search.web.problems import HttpProblem
from search.web.settings import Settings

_USER_AGENT = "caption-search (a visitor's photo)"


async def fetch_photo(url: str, settings: Settings) -> bytes:
    """The bytes at `url`. Raises HttpProblem: 403 where this is off, 422 where the address gives no photo.

    Private addresses are refused after every look-up and redirect; size and time are limited.
    """
    if not settings.photo_urls:
        detail = (
            "Photos by web address are off on this server; its operator can allow them with --photo-urls."
        )
        raise HttpProblem(403, "urls-off", "Refused", detail)
    from indexer.scrape.fetch import fetch_one  # brings aiohttp
    from indexer.scrape.items import RefusalError
    from indexer.scrape.transport import Limits

    limits = Limits(settings.upload_bytes, settings.upload_seconds)
    try:
        return await fetch_one(url, limits, _USER_AGENT, settings.allowed_networks)
    except RefusalError as refusal:
        raise HttpProblem(422, "photo-url", "The photo cannot be fetched", refusal.detail) from None
