"""The option `--index`: where the index is, for the commands of `indexer` and of `search`."""

from __future__ import annotations

from collections.abc import Callable

import click

from captioner.commands.options import Command
from indexer.urls import index_place


def index_option(parameter: str, servers_only: bool = False) -> Callable[[Command], Command]:
    """The option; `parameter` is its name in the command's function.

    Of a command for `servers_only` the help offers no folder; the command itself refuses one.
    """
    server = "http[s]://HOST:9200/NAME"
    return click.option(
        "--index",
        parameter,
        callback=named,
        envvar="CAPTION_INDEX",
        default="caption-index/",
        show_default=not servers_only,
        show_envvar=True,
        metavar="WHERE",
        help=f"{server}." if servers_only else f"A folder, or {server} for Elasticsearch.",
    )


def named(ctx: click.Context, option: click.Parameter, where: str | None) -> str | None:
    """Check the value of `--index`. An empty one would mean the current folder, and `"$UNSET"` is a mistake.

    Raises IndexerError for what cannot be the place of an index, before other work (a scrape) is begun; and
    for a password, before another message can show it.
    """
    if where is not None and not where.strip():
        raise click.BadParameter("is empty; name a folder, or http[s]://HOST:9200/NAME.")
    return None if where is None else index_place(where)
