"""Options that say which captions are meant, by their fields: of a search, an export and a deletion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from captioner.console import Command
from indexer.errors import IndexerError
from indexer.records import KEYWORD_FIELDS, Filters

#: Command line option -> field of the index.
_NAMED = ("source", "kind", "split", "model", "query")


def conditions_option(what: str) -> Callable[[Command], Command]:
    """`--where`; `what` of the captions with such a value."""
    return click.option(
        "--where",
        "conditions",
        multiple=True,
        metavar="FIELD=VALUE",
        help=f"{what} where a field has this value; repeat. Fields: {', '.join(KEYWORD_FIELDS)}.",
    )


FILTERS = (
    click.option(
        "--source", multiple=True, metavar="NAME", help="Only captions of this source: coco, scraped, ..."
    ),
    click.option(
        "--kind", multiple=True, metavar="KIND", help="Only this kind: reference, generated, title."
    ),
    click.option("--split", multiple=True, metavar="NAME", help="Only this split of the data set."),
    click.option(
        "--model",
        multiple=True,
        metavar="NAME",
        help="Only captions written by this captioner, named as `indexer status` names it.",
    ),
    click.option("--query", multiple=True, metavar="TEXT", help="Only images found by this web query."),
    conditions_option("Only"),
)


def read_filters(options: Mapping[str, Any]) -> Filters:
    """What the options let pass; raises as `filters`."""
    return filters({name: options[name] for name in _NAMED}, options["conditions"])


def filters(named: Mapping[str, Iterable[str]], conditions: Iterable[str] = ()) -> Filters:
    """Filters from field -> allowed values and from "field=value" conditions.

    Blanks around a condition's field and value are no part of them. Raises IndexerError for what is no
    condition, and for a field that there is not.
    """
    allowed: dict[str, list[str]] = {name: list(values) for name, values in named.items() if values}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if not equals:
            raise IndexerError(f"a condition is written field=value, not {condition!r}")
        allowed.setdefault(name.strip(), []).append(value.strip())
    return Filters(allowed)
