"""Words that no caption has: a slip of the pen, or a picture that is not there."""

from __future__ import annotations

from collections.abc import Sequence

from indexer.contract import View
from search.pursuit import Page, Plan


def unknown(view: View, plans: Sequence[Plan], pages: Sequence[Page]) -> list[frozenset[str]]:
    """For each search the tokens asked that no caption of the index holds, filters or not.

    The index is asked once, and only for tokens that no hit holds: where all are found it costs nothing.
    """
    doubtful = [_unshared(plan, page) for plan, page in zip(plans, pages, strict=True)]
    every = frozenset[str]().union(*doubtful)
    known = view.known(every) if every else every
    return [tokens - known for tokens in doubtful]


def _unshared(plan: Plan, page: Page) -> frozenset[str]:
    if plan.cursor:  # the first page has told
        return frozenset()
    tokens = frozenset[str]().union(*(one.tokens for one in plan.asked))
    return tokens.difference(*(folded.best.document.tokens for folded in page.images))
