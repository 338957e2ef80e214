"""Names of a server: which are its own, and which it answers to."""

from __future__ import annotations

import ipaddress
import re

from search.errors import SearchError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def host_name(given: str) -> str:
    """A host name in the form that requests' names are compared in. Raises SearchError for what is none."""
    name = given.removeprefix("[").removesuffix("]").lower()
    if re.fullmatch(r"[\w.-]+", name) is None and not _is_address(name):
        raise SearchError(
            f"{given!r} is no host name; give the name alone, without port or path: photos.example.org"
        )
    return name


def answered_names(host: str, allowed: frozenset[str]) -> frozenset[str]:
    """Names that the server answers to: its own and those allowed.

    Empty, which means any name, if other machines reach it and none is allowed.
    """
    if not allowed and not is_loopback(host):
        return frozenset()
    return LOOPBACK_NAMES | allowed | {host}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
