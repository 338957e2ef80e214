"""A circuit breaker: a provider that fails in a way that the next query would meet, too, is asked no more."""

from __future__ import annotations

from collections import Counter

from indexer.scrape.items import UnansweredError
from indexer.scrape.providers.protocol import Provider
from indexer.scrape.reasons import failures_in_a_row


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
        most = failures_in_a_row(error.reason)
        if not provider.endpoint or most is None:
            return
        self._in_a_row[provider.name] += 1
        if self._in_a_row[provider.name] >= most:
            self._stopped[provider.name] = error.detail
