"""Which names a server answers to."""

from __future__ import annotations

import pytest

from search.web.hosts import LOOPBACK_NAMES, answered_names, host_name, is_loopback

NONE: frozenset[str] = frozenset()


def test_names_that_are_answered_to() -> None:
    assert answered_names("127.0.0.1", NONE) == LOOPBACK_NAMES
    assert answered_names("127.0.0.1", frozenset({"example.org"})) == LOOPBACK_NAMES | {"example.org"}
    assert answered_names("0.0.0.0", NONE) == NONE, "any"
    public = answered_names("0.0.0.0", frozenset({"photos.example.org"}))
    assert "photos.example.org" in public and "evil.example" not in public


@pytest.mark.parametrize(("given", "name"), [("Example.org", "example.org"), ("[::1]", "::1")])
def test_a_name_as_clients_ask_for_it(given: str, name: str) -> None:
    assert host_name(given) == name


@pytest.mark.parametrize(
    ("host", "expected"), [("localhost", True), ("127.0.0.2", True), ("::1", True), ("10.0.0.1", False)]
)
def test_who_is_on_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected
