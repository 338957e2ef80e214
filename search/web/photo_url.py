"""A photo by its web address, where the operator allows it: the scraper's safe way out, and no other."""

from __future__ import annotations

from dataclasses import replace

from search.web.problems import Problem
from search.web.settings import Settings


async def fetch_photo(url: str, settings: Settings) -> bytes:
    """The bytes at `url`. Raises Problem: 403 where this is off, 422 where the address gives no photo.

    Private addresses are refused after every look-up and redirect; size and time are limited.
    """
    if not settings.photo_urls:
        detail = (
            "Photos by web address are off on this server; its operator can allow them with --photo-urls."
        )
        raise Problem(403, "urls-off", "Refused", detail)
    from ipaddress import ip_network

    from indexer.scrape.addresses import Guard
    from indexer.scrape.fetch import Fetcher, Manners
    from indexer.scrape.items import RefusalError
    from indexer.scrape.pace import Clock, Pace
    from indexer.scrape.transport import HttpTransport, Limits

    everywhere = (ip_network("0.0.0.0/0"), ip_network("::/0")) if settings.private_urls else ()
    guard = Guard(everywhere)
    limits = replace(Limits(), bytes=settings.upload_bytes, seconds=settings.upload_seconds)
    manners = Manners("caption-search (a visitor's photo)", attempts=1)
    try:
        async with HttpTransport(guard, concurrency=1) as transport:
            fetcher = Fetcher(transport, Pace(Clock()), guard, manners, limits)
            return (await fetcher.photo(url)).body
    except RefusalError as refusal:
        raise Problem(422, "photo-url", "The photo cannot be fetched", refusal.detail) from None
