"""From options and conditions to filters."""

from __future__ import annotations

import pytest

from indexer.commands.filter_options import filters
from indexer.errors import IndexerError
from indexer.records import Filters


def test_filters_join_options_and_conditions() -> None:
    conditions = [" license=CC BY=4.0", "source=folder", "source=coco"]
    made = filters({"source": ("coco",), "kind": ()}, conditions)
    assert made == Filters({"source": ("coco", "folder"), "license": ("CC BY=4.0",)})


def test_a_value_is_what_was_given_also_with_blanks_at_its_ends() -> None:
    """A value that a caption has may have them, and `indexer delete` would find another one's."""
    assert filters({}, ["license= CC BY "]) == Filters({"license": (" CC BY ",)})


def test_no_filters() -> None:
    assert not filters({"source": ()}, [])


@pytest.mark.parametrize(
    ("condition", "message"), [("source", "field=value"), ("colour=red", "no field 'colour'")]
)
def test_a_condition_that_cannot_be_meant(condition: str, message: str) -> None:
    with pytest.raises(IndexerError, match=message):
        filters({}, [condition])
