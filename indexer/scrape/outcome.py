"""What an item has come to -> the line that the manifest needs for it."""

from __future__ import annotations

from dataclasses import replace

from indexer.scrape.credit import with_credit
from indexer.scrape.items import Item
from indexer.scrape.reasons import Reason

#: Why a site no longer gives a photo that it has given; other failures say nothing of its wishes.
WITHDRAWN: frozenset[Reason] = frozenset({"not-found", "http-error", "robots", "robots-tag"})


def is_withdrawn(ended: Item, last: Item) -> bool:
    """Whether a photo that is kept is one that its address no longer gives."""
    return last.status == "downloaded" and ended.reason in WITHDRAWN


def line_of(ended: Item, last: Item) -> Item | None:
    """The line for an item that has ended; None where its `last` one tells so already.

    Status "found" is a photo that has not changed. What is kept outlives a failure: a photo that is withdrawn
    keeps its line, with the reason and the time in it, until its address gives it again.
    """
    if ended.status == "found":
        return replace(last, reason="", detail="") if last.status == "downloaded" and last.reason else None
    if ended.status in ("downloaded", "duplicate"):
        return with_credit(ended, last)
    if last.status == "downloaded":
        line = replace(last, reason=ended.reason, detail=ended.detail)
        return line if is_withdrawn(ended, last) and line != last else None
    line = replace(with_credit(ended, last), at=last.at)
    return line if line != last else None
