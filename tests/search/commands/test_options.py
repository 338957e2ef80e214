"""The options that searching commands share become one request, and none of them is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner

from indexer.records import Filters
from search.commands.options import Request, ranked_options, read_request, shared_options
from search.wanted import Options


def request_of(*arguments: str, options: Callable[[Any], Any] = ranked_options) -> Request:
    """What a command with these options makes of its arguments."""
    read: list[Request] = []

    @click.command()
    @options
    def command(**given: Any) -> None:
        read.append(read_request(given))

    CliRunner().invoke(command, arguments, catch_exceptions=False)
    return read[0]


def test_every_option_of_a_search_is_in_a_request() -> None:
    arguments = ["--source", "coco", "--without", "dog", "--min-score", "0.5", "--fold-duplicates"]
    given = request_of(*arguments).search
    assert given.keys() == Options.__annotations__.keys()
    assert given == {
        "filters": Filters({"source": "coco"}),
        "without": ("dog",),
        "min_score": 0.5,
        "after": None,
        "fold_duplicates": True,
    }


@pytest.mark.parametrize("options", [shared_options, ranked_options])
def test_an_option_that_nothing_takes_is_an_error(options: Callable[[Any], Any]) -> None:
    """It would be shown by --help, and do nothing."""

    def with_another(command: Any) -> Any:
        return click.option("--max-score")(options(command))

    with pytest.raises(TypeError, match="max_score"):
        request_of(options=with_another)
