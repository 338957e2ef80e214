"""Why queries are not answered: what follows for their provider, and that the documentation names all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from indexer.scrape.circuit_breaker import CircuitBreaker
from indexer.scrape.items import UnansweredError
from indexer.scrape.providers import PROVIDERS
from indexer.scrape.providers.openverse import Openverse
from indexer.scrape.reasons import NOT_ASKED, QueryFailure, failures_in_a_row

DOCUMENT = Path(__file__).parents[3] / "docs" / "scraping.md"


def names_in(form: Any) -> Iterator[Any]:
    """The texts of a union of Literals."""
    for part in get_args(form):
        yield from [part] if isinstance(part, str) else names_in(part)


REASONS: list[QueryFailure] = [*names_in(QueryFailure)]


def table(beginning: str) -> str:
    """The rows of the table whose head begins so."""
    _, _, rows = DOCUMENT.read_text().partition(f"\n| {beginning}")
    return rows.partition("\n\n")[0]


def test_the_documentation_names_every_reason() -> None:
    told = {*re.findall(r"[a-z]+(?:-[a-z]+)*", table("status |") + table("reason of a query |"))}
    assert {*REASONS, NOT_ASKED} <= told


def test_the_documentation_names_every_provider_and_its_keys() -> None:
    rows = table("provider |")
    for name, entry in PROVIDERS.items():
        assert re.search(rf"^\| (.*, )?{name}(,.*)? \|", rows, re.MULTILINE), name
        for variable in re.findall("[A-Z]+(?:_[A-Z]+)+", entry.needs):
            assert variable in rows


def stopped_after(reason: QueryFailure, endpoint: str = "https://api.example.org/") -> int | None:
    """After how many failed queries a provider is asked no more; None if it still is after five."""
    breaker, asked = CircuitBreaker(), Openverse(endpoint)
    for number in range(1, 6):
        breaker.failed(asked, UnansweredError(reason, "so it is"))
        if breaker.stop_reason(asked):
            return number
    return None


@pytest.mark.parametrize("reason", REASONS)
def test_a_provider_is_asked_no_more_after_so_many_failures(reason: QueryFailure) -> None:
    assert stopped_after(reason) == failures_in_a_row(reason)
    assert stopped_after(reason, endpoint="") is None, "a list lies on many hosts"


def test_what_every_query_would_meet_ends_at_once_and_what_one_query_caused_never() -> None:
    once = {reason for reason in REASONS if stopped_after(reason) == 1}
    never = {reason for reason in REASONS if stopped_after(reason) is None}
    assert once == {"key", "quota"}
    assert never == {"api-error", "cursor", "fault"}
