"""What answers are printed with."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from search.commands.output import shows_color


@pytest.mark.parametrize(
    ("environment", "colors"),
    [
        ({"TERM": "xterm"}, True),
        ({}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
    ],
)
def test_a_terminal_without_colors_gets_none(environment: Mapping[str, str], colors: bool) -> None:
    assert shows_color(environment) is colors
