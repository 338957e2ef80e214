"""Filters are what they say, however their values are given."""

from __future__ import annotations

from typing import Any

import pytest

from indexer.errors import IndexerError
from indexer.origins import identity_of, with_beam
from indexer.records import (
    NO_FILTERS,
    CaptionRecord,
    Document,
    Filters,
    Position,
    Query,
    as_time,
)


def test_a_text_is_one_value() -> None:
    assert Filters({"source": "coco"}) == Filters({"source": ("coco",)}) == Filters({"source": ["coco"]})
    assert Filters({"source": "coco"}).matches(CaptionRecord("1", "a dog", source="coco"))
    assert not Filters({"source": "coco"}).matches(CaptionRecord("1", "a dog", source="c"))


def test_filters_of_filters_are_the_same() -> None:
    assert Filters(Filters({"source": "coco"})) == Filters({"source": "coco"})


def test_a_token_keeps_a_document_away() -> None:
    dog = Document(CaptionRecord("1", "a black dog", source="coco"), frozenset({"black", "dog"}))
    for without, passes in (({"black"}, False), (["cat", "dog"], False), (iter(["cat"]), True), ((), True)):
        assert Filters(excluded_tokens=without).passes(dog) == passes
        assert Filters({"source": "coco"}, without).passes(dog) == passes or passes
    assert not Filters({"source": "folder"}, {"cat"}).passes(dog)


def test_tokens_that_keep_documents_away_are_added_to_those_of_filters() -> None:
    dogs = Filters({"source": "coco"}, ["dog"])
    assert Filters(dogs) == dogs != Filters({"source": "coco"}) and Filters(excluded_tokens=["dog"])
    assert Filters(dogs, ["cat"]) == Filters({"source": "coco"}, ["cat", "dog"])
    assert len({dogs, Filters(dogs, ["dog"]), Filters({"source": "coco"})}) == 2


def test_a_text_is_no_tokens() -> None:
    said_of: list[tuple[Any, str]] = [
        ("dog", r"give tokens as a list, also a single one: \['dog'\]"),
        ([1], "tokens are given here as text, not 1"),
    ]
    for without, said in said_of:
        with pytest.raises(IndexerError, match=said):
            Filters(excluded_tokens=without)


def test_values_are_taken_once_and_kept() -> None:
    given = ["coco"]
    filters = Filters({"source": given, "kind": iter(["title", "reference"])})
    given.append("folder")
    assert filters.where == {"source": ("coco",), "kind": ("reference", "title")}


def test_filters_that_let_the_same_pass_are_the_same() -> None:
    one, other = (
        Filters({"source": ["a", "b", "b"], "kind": "title"}),
        Filters({"kind": ["title"], "source": ("b", "a")}),
    )
    assert one == other
    queries = {Query(frozenset({"dog"}), filters, after=Position(0.5, "1")) for filters in (one, other)}
    assert len({one, other}) == len(queries) == 1
    assert one != Filters({"source": ["a", "b"]}) != NO_FILTERS


def test_no_filters_are_false() -> None:
    assert not NO_FILTERS and Filters() == NO_FILTERS and Filters({"source": ()})


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("coco", "filters are fields and values, {'source': 'coco'}, not 'coco'"),
        ({"source": None}, "a filter's field and values are texts, {'source': 'coco'}, not None"),
        ({"source": 1}, "a filter's field and values are texts, {'source': 'coco'}, not 1"),
        ({"source": b"coco"}, "a filter's field and values are texts, {'source': 'coco'}, not b'coco'"),
        ({"source": ["coco", 1]}, "a filter's field and values are texts, {'source': 'coco'}, not 1"),
        (
            {"kind": "title", "caption": "x"},
            "no field 'caption' to filter by; there are image_id, image, source, kind, model, split, query, "
            "provider, page, title, creator, license, attribution, phash",
        ),
        ({"kind": "title", 1: "coco"}, "a filter's field and values are texts, {'source': 'coco'}, not 1"),
    ],
)
def test_what_are_no_filters(where: Any, said: str) -> None:
    with pytest.raises(IndexerError) as error:
        Filters(where)
    assert str(error.value) == said


def test_a_caption_keeps_its_id_from_version_to_version() -> None:
    """By another one an index would hold it twice after an upgrade."""
    told = CaptionRecord("a/b.jpg", "Ein Café \udcff", "b.jpg", "folder", "generated", "default@1", title="B")
    assert told.document_id == "0dd37abd76971d413f67d439aeeaf1f5"


def test_times_have_one_form_also_on_the_second() -> None:
    assert as_time(1_000_000_000.0) == "2001-09-09T01:46:40.000000+00:00"


@pytest.mark.parametrize("identity", ["default@1a2b3c4d", "org/beamer@12345678"])
def test_a_beam_is_no_part_of_an_identity(identity: str) -> None:
    assert identity_of(with_beam(identity, 12)) == identity_of(identity) == identity
