"""What is said of a picture: title, page, creator, licence; and which of several answers counts."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter

from indexer.scrape.items import Item
from indexer.scrape.text import attribution

#: What an answer says of a picture. The licence and its attribution always come from one answer.
_CREDIT = ("title", "page", "creator", "license", "license_url", "attribution")
#: Those that are true of a picture whoever says them: where one answer is silent, another's may stand.
_SHARED = ("title", "page", "creator")
#: The credit with who gave it.
_SAID = ("provider", "query", *_CREDIT)
_as_said = attrgetter(*_SAID)


def with_credit(item: Item, said: Item) -> Item:
    """The item, with what is said of it and by whom as in `said`."""
    if _as_said(item) == _as_said(said):  # as for nearly all: a copy would cost ten times this look
        return item
    return replace(item, **{name: getattr(said, name) for name in _SAID})


def as_found(item: Item) -> Item:
    """The item without what has become of it."""
    return with_credit(Item(item.url), item)


def same_credit(one: Item, other: Item) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _CREDIT)


def takes_over(said: Item, search: int, last: Item, last_search: int | None) -> bool:
    """Whether the answer `said` replaces `last`, the credit noted so far for the same address.

    `search` and `last_search` number the searches of this run that gave the two; `last_search` is None where
    an earlier run noted `last`. A provider's newer answer replaces its own from an earlier run. Otherwise an
    answer with a licence wins over one without, and of two alike the one whose search was named first: so
    it does not matter which arrives first.
    """
    if last_search is None and said.provider == last.provider:
        return True
    return _worth(said, search) > _worth(last, last_search)


def _worth(said: Item, search: int | None) -> tuple[bool, int]:
    return bool(said.license), 1 if search is None else -search


def merged_credit(better: Item, other: Item) -> Item:
    """The better answer; a title, page or creator that it lacks comes from the other one."""
    whole = replace(better, **{name: getattr(better, name) or getattr(other, name) for name in _SHARED})
    known = better.attribution or better.license == other.license
    if known and whole.creator == better.creator:
        return replace(whole, attribution=better.attribution or other.attribution)
    return replace(whole, attribution=attribution(whole.title, whole.creator, whole.license, whole.page))
