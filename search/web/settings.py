"""What an operator decides when the server starts; nothing of it can be changed by a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from search.web.hosts import LOOPBACK_NAMES

if TYPE_CHECKING:
    from indexer.scrape.addresses import Network

#: Shorter tokens could be guessed by trying.
SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits and permissions of one server. Sizes are bytes, times are seconds."""

    #: Pictures are served from these folders only; without one, none are.
    images: tuple[Path, ...] = ()
    #: Names that the Host header may carry (protects a loopback server from DNS rebinding); empty: any.
    hosts: frozenset[str] = LOOPBACK_NAMES
    #: Asked for, where set, on every request but what security.py leaves open: signs of life, page, sign-in.
    token: str = field(default="", repr=False)
    #: The browser may load pictures from the web addresses that the index names.
    remote_images: bool = False
    #: `POST /api/v1/similar` may name a photo's web address.
    photo_urls: bool = False
    #: Private networks that such an address may be on.
    allowed_networks: tuple[Network, ...] = ()
    #: Photos that are downloaded at once, each whole in memory; more are answered with 429.
    downloads: int = 8
    upload_bytes: int = 20_000_000
    upload_seconds: float = 30.0
    search_seconds: float = 15.0
    caption_seconds: float = 60.0
    #: Photos that may wait for the captioner; more are answered with 429.
    waiting_photos: int = 64
    #: Photos that are captioned at once.
    batch: int = 8
    #: Searches that may be under way or wait, and as many readings of files; more are answered with 503.
    waiting_searches: int = 256
    search_threads: int = 4

    @property
    def form_bytes(self) -> int:
        """An upload with its multipart wrapping."""
        return self.upload_bytes + 16_384
