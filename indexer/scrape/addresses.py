"""Which addresses may be asked: http(s) on public machines only, checked where the connection is made."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from yarl import URL

from indexer.scrape.items import RefusalError

Network = IPv4Network | IPv6Network

#: What no host may hold (https://url.spec.whatwg.org/#forbidden-domain-code-point); colons, as IPv6 has them,
#: and what else ends a host, are not left in one.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f%<>\[\]^|\\]")

#: IPv6 forms that carry an IPv4 address in their last 32 bits: NAT64 (RFC 6052, 8215), IPv4-compatible,
#: IPv4-translated (SIIT, RFC 2765).
_CARRIERS = tuple(
    IPv6Network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")
)

#: The URL of a text. A scrape needs each several times: as it is found, waits, is fetched, and has been.
parsed = lru_cache(maxsize=1024)(URL)


def canonical(url: str) -> str:
    """One spelling for one address, as far as that is safe; what is no URL stays as it is."""
    try:
        return str(parsed(url.strip()).with_fragment(None))
    except ValueError:
        return url


class AddressRefusedError(OSError):
    """A connection to a machine that is not public. All have one text, see `AddressGuard.socket`."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether this is a machine of the public internet, also where IPv6 only wraps an IPv4 address."""
    if isinstance(address, IPv6Address):
        inner = _wrapped(address)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that another form of address wraps: the machine that would answer."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if any(address in carrier for carrier in _CARRIERS):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Refuses addresses that a stranger must not make us ask; `allowed` networks are exempt (for tests)."""

    allowed: tuple[Network, ...] = ()

    def check_url(self, text: str) -> URL:
        """The URL, without fragment. Raises RefusalError for other schemes, credentials, or no host."""
        if any(character in text for character in "\t\r\n"):  # which a URL would leave out
            raise RefusalError("bad-url", "not a web address (a tab or line break is in it)", "skipped")
        try:
            url = parsed(text).with_fragment(None)
            host, port = url.host, url.port  # decoded when asked for; a host that begins with xn-- may not be
        except (ValueError, TypeError) as error:
            raise RefusalError("bad-url", f"not a web address ({error})", "skipped") from None
        if url.scheme not in ("http", "https", ""):
            raise RefusalError("scheme", f"{url.scheme}: is not http or https", "skipped")
        if not url.scheme or not host or port == 0:
            missing = "no http:// or https://" if not url.scheme else "no host"
            raise RefusalError("bad-url", f"not a web address ({missing})", "skipped")
        if _FORBIDDEN.search(url.raw_host or ""):
            raise RefusalError("bad-url", "not a web address (its host holds what none may)", "skipped")
        if url.user is not None or url.password is not None:
            raise RefusalError("bad-url", "the address holds credentials", "skipped")
        return url

    def permits(self, host: str) -> bool:
        """Whether a connection to this numeric address may be made."""
        address = ip_address(host.partition("%")[0])
        return is_public(address) or any(address in network for network in self.allowed)

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for one resolved address, or AddressRefusedError.

        The HTTP client calls this with the very address that it connects to, after resolution and for
        every connection. So there is no gap between check and use through which a name that resolves
        differently the second time (DNS rebinding) could slip.
        """
        family, kind, protocol, _, address = info
        if not self.permits(str(address[0])):
            # One text for all: the client gives the first error's type only if all read alike.
            raise AddressRefusedError("not a public address")
        return socket.socket(family=family, type=kind, proto=protocol)
