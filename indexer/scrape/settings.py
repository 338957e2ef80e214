"""How to scrape, and whom a site's owner may write to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from captioner.version import program_version
from indexer.scrape.addresses import Network
from indexer.scrape.robots import AGENT
from indexer.scrape.transport import Limits

#: What a contact is, and how it is told.
CONTACT = "an http(s):// or mailto: URL, or an e-mail address"
_CONTACT = re.compile(r"https?://[^\s/]\S*|(?:mailto:)?[^\s@:/]+@[^\s@/]+", re.IGNORECASE)


def is_contact(text: str) -> bool:
    """Whether a site's owner can write there; what is printable fits into a header."""
    return bool(_CONTACT.fullmatch(text)) and text.isprintable()


@dataclass(frozen=True)
class ScrapeSettings:
    """How to scrape; the defaults suit the public web."""

    contact: str  # URL or e-mail address that a site's owner can write to
    per_query: int = 40  # results looked at for each query and provider
    enough: int = 0  # results in all, after which no further query is asked; with 0 each is
    concurrency: int = 64  # downloads at once, over all hosts
    per_host: int = 2  # connections to one host; what Wikimedia's robot policy allows
    delay: float = 0.1  # seconds between two requests to one host
    longest_wait: float = 60.0  # what a host may ask for with Retry-After or Crawl-delay
    smallest_side: int = 32  # pixels; below it are icons
    attempts: int = 3
    refresh: bool = False  # ask for the photos of an earlier run again, if they have changed
    limits: Limits = field(default_factory=Limits)
    allowed_networks: tuple[Network, ...] = ()  # private addresses that may be asked all the same

    @property
    def user_agent(self) -> str:
        return f"{AGENT}/{program_version()} (+{self.contact})"
