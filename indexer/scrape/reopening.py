"""What an earlier run left open, or refused for what its options were: a later one asks for it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from captioner.formats import FORMATS
from indexer.scrape.addresses import Network
from indexer.scrape.credit import as_found
from indexer.scrape.excluded import Excluded
from indexer.scrape.items import Item, SearchProgress
from indexer.scrape.ledger import Ledger
from indexer.scrape.manifest import NAME, sound_manifest
from indexer.scrape.reasons import Reason
from indexer.scrape.settings import ScrapeSettings
from indexer.scrape.transport import Limits

#: Refusals that depend on the user: on options, on what is installed, on what is named as excluded. (What is
#: damaged is asked for again by a refresh alone, with these.)
BY_OPTION: frozenset[Reason] = frozenset(
    {"private-address", "too-large", "unknown-format", "not-a-photo", "excluded"}
)


def permitted_now(refused: Item, limits: Limits, allowed: Sequence[Network]) -> bool:
    """Whether what was refused for an earlier run's options may get through with these.

    The manifest does not say which address a host's name led to, so where any private one is allowed, the
    name is looked up again.
    """
    if refused.reason == "private-address":
        return bool(allowed)
    if refused.reason == "excluded":
        return True  # what still is, is known by its content and left out
    if refused.reason == "too-large":
        return refused.bytes < limits.bytes
    return refused.reason == "unknown-format" and not set(FORMATS) <= set(refused.formats.split())


def pending(folder: Path, ledger: Ledger, settings: ScrapeSettings, excluded: Excluded) -> Iterator[Item]:
    """What an earlier run left open: found and not fetched, failed by a passing fault, or its file lost.

    And what was refused and is permitted now. On a refresh, the photos kept too, to ask whether they have
    changed, and all that options refused. Each URL once: the ledger remembers them.
    """
    if not (folder / NAME).exists():
        return
    for line in sound_manifest(folder):
        if isinstance(line, SearchProgress) or ledger.is_reopened(line.url):
            continue
        is_open = not ledger.is_final(line.url) or (settings.refresh and ledger.content(line.url))
        if not is_open and line.reason not in BY_OPTION:
            continue
        last = ledger.last(line.url)
        if not excluded.names(last) and (is_open or _may_pass(last, settings)) and ledger.reopen(line.url):
            yield as_found(last)


def _may_pass(refused: Item, settings: ScrapeSettings) -> bool:
    permitted = permitted_now(refused, settings.limits, settings.allowed_networks)
    return refused.reason in BY_OPTION and (settings.refresh or permitted)
