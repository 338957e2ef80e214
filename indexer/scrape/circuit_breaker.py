"""A circuit breaker: a provider that fails in a way that the next query would meet, too, is asked no more."""

from __future__ import annotations

from collections import Counter

from indexer.scrape.items import UnansweredError
from indexer.scrape.providers.protocol import Provider

#: The reason of a query that was left out because its provider had failed before.
NOT_ASKED = "not-asked"

#: Failures that every further query would meet: one of them is enough.
_FOR_ALL = frozenset({"key", "quota"})
#: Failures of one query alone, which say nothing of the provider.
_OF_ONE = frozenset({"api-error", "cursor", "fault"})
#: So many queries in a row that fail otherwise (each was retried) show that a provider is down or overloaded.
_ROW = 2


class CircuitBreaker:
    """Of providers that are one API; lists and pages lie on many hosts, which say nothing of each other."""

    def __init__(self) -> None:
        self._in_a_row: Counter[str] = Counter()
        self._stopped: dict[str, str] = {}

    def stop_reason(self, provider: Provider) -> str:
        """Why this provider is asked no more, in the words of its last failure; "" while it is asked."""
        return self._stopped.get(provider.name, "")

    def answered(self, provider: Provider) -> None:
        self._in_a_row[provider.name] = 0

    def failed(self, provider: Provider, error: UnansweredError) -> None:
        """A query was not answered."""
        if not provider.endpoint or error.reason in _OF_ONE:
            return
        self._in_a_row[provider.name] += 1
        if error.reason in _FOR_ALL or self._in_a_row[provider.name] >= _ROW:
            self._stopped[provider.name] = error.detail
