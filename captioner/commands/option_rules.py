"""Which options of a command go together: none that is given may do nothing in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click
from click.core import ParameterSource


def given_options() -> frozenset[str]:
    """The options that the command's line gives; not their defaults, nor what the environment names."""
    context = click.get_current_context()
    return frozenset(
        option.opts[-1]
        for option in context.command.params
        if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        and context.params.get(option.name or "") not in (None, "", ())
    )


def check_given(
    belongs_to: Mapping[str, Sequence[str]], contradictions: Mapping[tuple[str, str], str]
) -> None:
    """Raise click.UsageError unless the options given go together.

    `belongs_to`: option -> options of which one must be given with it. `contradictions`: two options -> why
    they are not given together.
    """
    given = given_options()
    for option, others in belongs_to.items():
        if option in given and given.isdisjoint(others):
            raise click.UsageError(f"{option} is of no use without {' or '.join(others)}")
    for (option, other), why in contradictions.items():
        if {option, other} <= given:
            raise click.UsageError(f"{option} and {other}: {why}; leave one of them out")
