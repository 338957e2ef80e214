"""Remarks on filters by values that no caption of the index has; they name some that do occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from reprlib import Repr

from indexer.contract import CaptionIndex
from indexer.records import CaptionRecord, Filters
from search.sample import sampled

#: Images drawn to name values from, and the most values named.
_DRAWN, _NAMED = 200, 3
_SHORT = Repr()
_SHORT.maxstring = 60


def absent(index: CaptionIndex, filters: Filters) -> Iterator[str]:
    """A line for each field whose allowed values stand in no caption at all."""
    view, drawn = index.view(), None
    for name, values in filters.where.items():
        if view.random(1, Filters({name: values})):
            continue
        drawn = sampled(view, _DRAWN) if drawn is None else drawn
        yield f"no caption has the {name} {_list(values, 'or')}; {_some(name, drawn)}"


def _some(name: str, drawn: Iterable[CaptionRecord]) -> str:
    held = Counter(value for one in drawn if (value := getattr(one, name)))
    often = [value for value, _ in held.most_common(_NAMED)]
    return f"there is {_list(often, 'and')}" if often else f"of those looked at, none has any {name}"


def _list(values: Iterable[str], last: str) -> str:
    shown = [_SHORT.repr(value) for value in values]
    return f" {last} ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
