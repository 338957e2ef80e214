"""The interface in Python: what it exports, and what is given to it by mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import indexer
import search
from search import Asked, Filters, IndexedImage, QueryError, Searcher
from tests.search.memory import MemoryIndex
from tests.search.worlds import NamingCaptioner

DOG = Asked("a dog", frozenset({"dog"}))


@pytest.fixture
def searcher() -> Searcher:
    texts = {"i0": "a dog", "d": "d o g", "i2": "a dog on a beach"}
    records = [
        indexer.CaptionRecord(image_id, text, source="folder" if image_id == "i2" else "coco")
        for image_id, text in texts.items()
    ]
    return Searcher(MemoryIndex(records), NamingCaptioner)


def test_what_a_search_takes_and_gives_is_exported() -> None:
    assert {"Asked", "Filters", "Hit", "IndexedImage", "Results", "Searcher"} <= set(search.__all__)
    assert {"CaptionRecord", "Filters"} <= set(indexer.__all__)
    assert search.Filters is indexer.Filters
    for package in (search, indexer):
        assert all(getattr(package, name) for name in package.__all__)


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda one: one.texts("a dog"), "captions"),
        (lambda one: one.tokens("dog"), "tokens"),
        (lambda one: one.any_of("dog"), "captions"),
        (lambda one: one.blend("a dog"), "examples"),
        (lambda one: one.blend(["a dog"], "beach"), "examples"),
        (lambda one: list(one.similar_many("photo.jpg")), "photos"),
        (lambda one: list(one.similar_many(b"a photo's bytes")), "photos"),
        (lambda one: list(one.similar_many(Path("photo.jpg"))), "photos"),
        (lambda one: one.blend(Path("photo.jpg")), "examples"),
        (lambda one: one.count_any_of("dog", 0.5), "captions"),
        (lambda one: one.count_any_of([DOG], 0.5, excluded="i0"), "image ids"),
    ],
)
def test_a_text_is_not_taken_for_its_letters(
    searcher: Searcher, ask: Callable[[Any], object], what: str
) -> None:
    with pytest.raises(QueryError, match=f"give {what} as a list, also a single one: \\["):
        ask(searcher)


@pytest.mark.parametrize(
    "filters",
    [
        Filters({"source": ("coco",)}),
        Filters({"source": "coco"}),
        {"source": "coco"},
        {"source": ("coco",)},
        {"source": ["coco", "nowhere"], "kind": {"reference"}},
    ],
)
def test_filters_are_fields_and_their_values(searcher: Searcher, filters: Any) -> None:
    results = searcher.text("a dog", filters=filters)
    assert [hit.image_id for hit in results.hits] == ["i0"]


def test_filters_of_counts_and_random_images(searcher: Searcher) -> None:
    assert searcher.count_any_of([DOG], 0.1, {"source": "coco"}) == 1
    assert searcher.count_any_of([DOG], 0.1, {"source": "coco"}, excluded=["i0"]) == 0
    assert [hit.image_id for hit in searcher.random(filters={"source": "folder"}).hits] == ["i2"]


@pytest.mark.parametrize("filters", ["coco", {"source": None}, {"source": 1}, {"source": b"coco"}])
def test_filters_that_are_none(searcher: Searcher, filters: Any) -> None:
    for ask in (searcher.text, lambda _, filters: searcher.count_any_of([DOG], 0.5, filters)):
        with pytest.raises(QueryError, match=r"values.* \{'source': 'coco'\}, not "):
            ask("a dog", filters=filters)


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", None])
def test_no_image_is_no_number_of_images(searcher: Searcher, k: Any) -> None:
    for ask in (searcher.random, lambda k: searcher.text("a dog", k)):
        with pytest.raises(QueryError, match=f"hits wanted, a whole number of 1 or more, not {k!r}"):
            ask(k)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_no_engine_takes(searcher: Searcher, seed: int) -> None:
    with pytest.raises(QueryError, match=f"a seed is a whole number from 0 to 2,147,483,647, not {seed!r}"):
        searcher.random(3, seed=seed)


def test_examples_may_come_one_after_the_other(searcher: Searcher) -> None:
    like: list[str | IndexedImage] = ["a dog", IndexedImage("i2")]
    results = searcher.blend(iter(like), iter(["a beach"]))
    assert results.asked == (Asked("a dog + a dog on a beach - a beach", frozenset({"dog"}), "english/1"),)
