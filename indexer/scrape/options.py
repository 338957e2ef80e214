"""Options that say how to scrape, for every command that does, and the settings that they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import Any

import click

from captioner.commands.options import Command, Number, with_options
from indexer.scrape.addresses import Network
from indexer.scrape.settings import CONTACT, ScrapeSettings, is_contact
from indexer.scrape.transport import Limits


def network(text: str) -> Network:
    """An option's value: an address, or a network in CIDR form."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no address or network (such as 10.0.0.0/8)") from None


def contact(text: str) -> str:
    """An option's value: whom a site's owner may write to."""
    if not is_contact(text):
        raise click.BadParameter(f"{text!r} is not {CONTACT}")
    return text


_SCRAPING = (
    click.option(
        "--per-query",
        type=click.IntRange(1),
        default=40,
        show_default=True,
        help="Results taken for each query and provider.",
    ),
    click.option(
        "--contact",
        type=contact,
        metavar="ADDRESS",
        envvar="SCRAPE_CONTACT",
        required=True,
        show_envvar=True,
        help="URL or e-mail address in the User-Agent, for the owners of sites.",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 1000),
        default=64,
        show_default=True,
        help="Downloads at once, over all hosts.",
    ),
    click.option(
        "--per-host",
        type=click.IntRange(1, 1000),
        default=2,
        show_default=True,
        help="Connections to one host.",
    ),
    click.option(
        "--delay",
        type=Number(0),
        default=0.1,
        show_default=True,
        help="Seconds between two requests to one host.",
    ),
    click.option(
        "--timeout",
        type=Number(0, min_open=True),
        default=30.0,
        show_default=True,
        help="Seconds for one download.",
    ),
    click.option(
        "--max-bytes",
        type=click.IntRange(1),
        default=20 * 1024 * 1024,
        show_default=True,
        help="Size of the largest picture.",
    ),
    click.option(
        "--allow-network",
        "allowed",
        type=network,
        metavar="NETWORK",
        multiple=True,
        help="A private address or network that may be contacted (tests, mirrors).",
    ),
)


def scraping_options(providers: Sequence[str]) -> Callable[[Command], Command]:
    """How to scrape, and with which of these providers."""
    where = click.option(
        "--provider",
        "providers",
        type=click.Choice(providers),
        multiple=True,
        default=("openverse", "wikimedia"),
        show_default=True,
        help="Where to search; repeatable.",
    )
    return lambda command: with_options(command, (where, *_SCRAPING))


def settings_of(options: dict[str, Any]) -> ScrapeSettings:
    """The settings that the values of `scraping_options` say."""
    return ScrapeSettings(
        contact=options["contact"],
        per_query=options["per_query"],
        concurrency=options["concurrency"],
        per_host=options["per_host"],
        delay=options["delay"],
        refresh=options.get("refresh", False),
        limits=Limits(bytes=options["max_bytes"], seconds=options["timeout"]),
        allowed_networks=tuple(options["allowed"]),
    )
