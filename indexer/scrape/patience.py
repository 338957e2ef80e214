"""Which providers are asked no more in a run: what kept one query from its answer would keep the next."""

from __future__ import annotations

from collections import Counter

from indexer.scrape.items import UnansweredError
from indexer.scrape.providers.protocol import Provider

#: Why a query has no answer, where others before it had none.
NOT_ASKED = "not-asked"

#: Holds for all queries alike: nothing is gained by asking on.
_FOR_ALL = frozenset({"key", "quota"})
#: Tells something of one query, and nothing of the provider.
_OF_ONE = frozenset({"api-error", "cursor", "fault"})
#: Queries in a row, each asked as often as any request, after which a provider that is down or asked too
#: much is left alone.
_ROW = 2


class Patience:
    """With providers that are one API; lists and pages lie on many hosts, which say nothing of each other."""

    def __init__(self) -> None:
        self._in_a_row: Counter[str] = Counter()
        self._spent: dict[str, str] = {}

    def spent(self, provider: Provider) -> str:
        """Why this provider is asked no more, in its own words; "" while it is."""
        return self._spent.get(provider.name, "")

    def answered(self, provider: Provider) -> None:
        self._in_a_row[provider.name] = 0

    def failed(self, provider: Provider, error: UnansweredError) -> None:
        """A query was not answered."""
        if not provider.endpoint or error.reason in _OF_ONE:
            return
        self._in_a_row[provider.name] += 1
        if error.reason in _FOR_ALL or self._in_a_row[provider.name] >= _ROW:
            self._spent[provider.name] = error.detail
