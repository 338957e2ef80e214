"""What is said of a picture: title, page, creator, licence; and which of several answers counts."""

from __future__ import annotations

from dataclasses import replace

from indexer.scrape.items import Item
from indexer.scrape.text import attribution

#: What an answer says of a picture. The licence and its attribution always come from one answer.
_SAID = ("title", "page", "creator", "license", "license_url", "attribution")
#: Those that are true of a picture whoever says them: where one answer is silent, another's may stand.
_SHARED = ("title", "page", "creator")


def with_credit(item: Item, said: Item) -> Item:
    """The item, with what is said of it and by whom as in `said`."""
    return replace(item, **{name: getattr(said, name) for name in ("provider", "query", *_SAID)})


def as_found(item: Item) -> Item:
    """The item without what has become of it."""
    return with_credit(Item(item.url), item)


def same_credit(one: Item, other: Item) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _SAID)


def takes_over(said: Item, search: int, last: Item, heard: int | None) -> bool:
    """Whether an answer counts from now on, and no more what was said `last` of the same address.

    `search` and `heard` are the places, among the searches of this run, of those that said so; None for
    what an earlier run was told. What a provider says now takes the place of what it said then. Of several
    answers the one with a licence counts, and of equals the one whose search was named first: so it does
    not matter which comes first.
    """
    if heard is None and said.provider == last.provider:
        return True
    return _worth(said, search) > _worth(last, heard)


def _worth(said: Item, search: int | None) -> tuple[bool, int]:
    return bool(said.license), 1 if search is None else -search


def completed(better: Item, other: Item) -> Item:
    """What the better answer says, and where it is silent, what the other one does."""
    whole = replace(better, **{name: getattr(better, name) or getattr(other, name) for name in _SHARED})
    known = better.attribution or better.license == other.license
    if known and whole.creator == better.creator:
        return replace(whole, attribution=better.attribution or other.attribution)
    return replace(whole, attribution=attribution(whole.title, whole.creator, whole.license, whole.page))
