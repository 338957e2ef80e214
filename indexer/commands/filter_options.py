"""The options of searches, exports and deletions that select captions by their fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from captioner.commands.options import Command
from indexer.errors import IndexerError
from indexer.records import KEYWORD_FIELDS, Filters

#: Options that are named like the field they filter by: what the help calls a value, and the help.
_NAMED = {
    "source": ("NAME", "Only captions of this source: coco, scraped, ..."),
    "kind": ("KIND", "Only this kind: reference (people), generated (a model), title (the web)."),
    "split": ("NAME", "Only this split of the data set."),
    "model": ("NAME", "Only captions written by this captioner, named as `indexer status` names it."),
    "query": ("TEXT", "Only images found by this web query."),
}
#: The parameters of a command that `read_filters` takes.
READ = (*_NAMED, "conditions")


def _readable(
    context: click.Context, option: click.Parameter, conditions: tuple[str, ...]
) -> tuple[str, ...]:
    """Check the form FIELD=VALUE; unknown fields are refused later, in `filters`."""
    try:
        for condition in conditions:
            _field_and_value(condition)
    except IndexerError as error:
        raise click.BadParameter(str(error)) from None
    return conditions


def conditions_option(what: str) -> Callable[[Command], Command]:
    """The option `--where`; `what` begins its help: what becomes of the captions with such a value."""
    return click.option(
        "--where",
        "conditions",
        multiple=True,
        callback=_readable,
        metavar="FIELD=VALUE",
        help=f"{what} where a field has this value; repeatable. Fields: {', '.join(KEYWORD_FIELDS)}.",
    )


FILTERS = (
    *(
        click.option(f"--{name}", multiple=True, metavar=metavar, help=text)
        for name, (metavar, text) in _NAMED.items()
    ),
    conditions_option("Only"),
)


def read_filters(options: Mapping[str, Any]) -> Filters:
    """The filters that the options stand for; raises as `filters`."""
    return filters({name: options[name] for name in _NAMED}, options["conditions"])


def filters(named: Mapping[str, Iterable[str]], conditions: Iterable[str] = ()) -> Filters:
    """Filters from field -> allowed values and from "field=value" conditions.

    Spaces around a field are ignored; a value is what was given. Raises IndexerError for a condition without
    `=`, and for an unknown field.
    """
    allowed: dict[str, list[str]] = {name: list(values) for name, values in named.items() if values}
    for condition in conditions:
        name, value = _field_and_value(condition)
        allowed.setdefault(name, []).append(value)
    return Filters(allowed)


def _field_and_value(condition: str) -> tuple[str, str]:
    name, equals, value = condition.partition("=")
    if not equals:
        raise IndexerError(f"a condition is written field=value, not {condition!r}")
    return name.strip(), value
