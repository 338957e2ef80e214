"""Why an address was not fetched or a query not answered, and what follows; docs/scraping.md lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

#: Why an address was not fetched, or not kept.
Reason = (
    Literal["robots", "robots-unreachable", "robots-tag", "crawl-delay", "rate-limited"]  # the site's wish
    | Literal["scheme", "bad-url", "private-address", "redirect", "redirect-loop", "too-many-redirects"]
    | Literal["not-found", "http-error", "server-error", "timeout", "connection", "truncated", "encoding"]
    | Literal["content-type", "too-large", "too-small", "unknown-format", "not-a-photo"]  # what came
    | Literal["excluded"]  # the owner's wish
    | Literal["fault"]  # of this program
)

#: Why a provider did not answer a query: by its request, by what the answer says, or by what the query names.
QueryFailure = (
    Reason
    | Literal["key", "quota", "api-error", "bad-answer"]  # what the provider answered
    | Literal["cursor"]  # the place in the manifest where to go on
    | Literal["no-list"]  # the file of addresses
)

#: Those that may be gone the next time: asked again at once, a few times, and by a later run. All others are
#: final for an address, and a later run leaves it alone; a query that was not answered is always asked again.
PASSING: frozenset[Reason] = frozenset(
    {"rate-limited", "server-error", "timeout", "connection", "truncated", "robots-unreachable", "fault"}
)

#: How many queries in a row may fail for this reason until their provider is asked no more in this run; None
#: where it is the one query's own failure, which says nothing of the provider.
_FAILURES_IN_A_ROW: Mapping[QueryFailure, int | None] = {
    "key": 1,  # every further query would meet it
    "quota": 1,
    "api-error": None,
    "cursor": None,
    "fault": None,
}
#: All others: each query was retried, so two show that a provider is down or overloaded.
_OTHER_FAILURES_IN_A_ROW = 2


def failures_in_a_row(reason: QueryFailure) -> int | None:
    """How many a provider may have until it is asked no more in this run; None for any number."""
    return _FAILURES_IN_A_ROW.get(reason, _OTHER_FAILURES_IN_A_ROW)


#: The reason of a query that was left out because its provider had failed before.
NOT_ASKED = "not-asked"
