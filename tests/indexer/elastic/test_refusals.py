"""What is remembered of refusals, and for how long."""

from __future__ import annotations

from indexer.elastic.refusals import Refusals, Size


def test_only_what_is_as_large_in_length_and_hits_is_expected_to_be_refused() -> None:
    refusals = Refusals()
    assert not refusals and not refusals.expected(Size(10**6, 10**4))
    refusals.remember(Size(500, 20))
    assert refusals and refusals.expected(Size(500, 20)) and refusals.expected(Size(600, 30))
    assert not refusals.expected(Size(499, 10_000)) and not refusals.expected(Size(60_000, 19))
    refusals.remember(Size(0, 0))
    assert refusals.expected(Size(1, 1))


def test_a_refusal_is_forgotten_after_some_minutes() -> None:
    now = 0.0
    refusals = Refusals(lambda: now)
    refusals.remember(Size(500, 20))
    now = 240.0
    refusals.remember(Size(400, 30))
    now = 310.0
    assert not refusals.expected(Size(500, 20)) and refusals.expected(Size(400, 30))
    now = 600.0
    assert not refusals
