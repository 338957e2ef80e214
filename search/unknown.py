"""Words that no caption has: a slip of the pen, or a picture that is not there."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from indexer.contract import View
from indexer.errors import IndexerError
from search.pursuit import Page, Plan

#: A token found in the index is not looked up again for this long. At worst a word is told a minute late.
HELD_SECONDS = 60.0
#: Tokens of which this is remembered.
_REMEMBERED = 20_000
#: Of more tokens than this an index is not asked: a server looks for each, and they are no slip of the pen.
MOST = 100


class KnownTokens:
    """Which tokens the captions of an index hold, as far as searches had to ask."""

    def __init__(self) -> None:
        self._held: dict[str, float] = {}  # token -> when it was last found to be held

    def unknown(self, view: View, plans: Sequence[Plan], pages: Sequence[Page]) -> list[frozenset[str]]:
        """For each search the tokens, asked or excluded, that no caption of the index holds, filters or not.

        The index is asked once, and only for tokens that neither a hit nor a search before was seen to hold.
        Where it fails to tell, no token is called unknown: the answers are there.
        """
        doubtful = [_unshared(plan, page) for plan, page in zip(plans, pages, strict=True)]
        every = frozenset[str]().union(*doubtful)
        held = self._among(view, every) if every else every
        return [tokens - held for tokens in doubtful]

    def _among(self, view: View, tokens: frozenset[str]) -> frozenset[str]:
        now = time.monotonic()
        since = now - HELD_SECONDS
        held = frozenset(token for token in tokens if self._held.get(token, -math.inf) > since)
        asked = tokens - held
        if len(asked) > MOST:
            return tokens
        if asked:
            try:
                found = view.known(asked)
            except IndexerError:
                return tokens
            if len(self._held) > _REMEMBERED:
                self._held = {}
            self._held.update(dict.fromkeys(found, now))
            held |= found
        return held


def _unshared(plan: Plan, page: Page) -> frozenset[str]:
    if plan.cursor:  # the first page has told
        return frozenset()
    tokens = plan.wanted.filters.excluded_tokens.union(*(one.tokens for one in plan.asked))
    return tokens.difference(*(folded.best.document.tokens for folded in page.images))
