"""The interface in Python: what it exports, and what is given to it by mistake."""

from __future__ import annotations

import builtins
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import captioner
import indexer
import search
from indexer.errors import IndexMismatchError
from search import Asked, Filters, IndexedImage, Options, QueryError, Searcher
from tests.indexer.memory import MemoryIndex
from tests.search.asking import any_of, count_any_of
from tests.search.worlds import NamingCaptioner

DOG = Asked("a dog", frozenset({"dog"}))
LETTERS: Any = "dog"
TEXTS: Any = ["a dog"]
NUMBERS: Any = [3]


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


def told_by(package: ModuleType) -> Iterator[tuple[str, str]]:
    """The docstring of everything that a package exports, and the name of the type that it gives."""
    for name in package.__all__:
        exported = getattr(package, name)
        members = inspect.getmembers(exported) if inspect.isclass(exported) else []
        for one in (exported, *(member for inner, member in members if not inner.startswith("_"))):
            told = one.fget if isinstance(one, property) else one
            yield inspect.getdoc(told) or "", str(getattr(told, "__annotations__", {}).get("return", ""))


@pytest.mark.parametrize("package", [captioner, indexer, search])
def test_an_error_that_help_names_can_be_caught_by_that_name(package: ModuleType) -> None:
    named = {error for doc, _ in told_by(package) for error in re.findall(r"\b[A-Z]\w*Error\b", doc)}
    assert "ModelError" in named or "IndexerError" in named
    places = (builtins, captioner, indexer, search)
    assert [error for error in sorted(named) if not any(hasattr(place, error) for place in places)] == []


@pytest.mark.parametrize("package", [indexer, search])
def test_what_a_call_gives_can_be_imported(package: ModuleType) -> None:
    given = {one for _, types in told_by(package) for one in re.findall(r"\b[A-Z]\w+", types)}
    assert given & {"Results", "IndexStatus"}
    places = (builtins, captioner, indexer, search)
    missing = given - {"Any", "Fraction", "Iterator", "Mapping", "Sequence"}
    assert [name for name in sorted(missing) if not any(hasattr(place, name) for place in places)] == []


def test_the_errors_of_an_index_are_exported() -> None:
    def below(error: type[Exception]) -> set[str]:
        return {error.__name__}.union(*(below(one) for one in error.__subclasses__()))

    of_an_index = {*below(indexer.IndexNotFoundError), *below(indexer.IndexUnavailableError)}
    of_an_index |= {"IndexClosedError", "IndexDamagedError", "IndexLockedError", "IndexMismatchError"}
    assert of_an_index <= {*indexer.__all__}
    assert {"AddReport", "Rejected", "Candidate", "Position", "Query"} <= {*indexer.__all__}
    assert {"NoImageError", "NoWordError", "Similarity"} <= {*search.__all__}
    assert {"Captioned", "PhotoCaptioner"} <= {*captioner.__all__}


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda one: one.texts("a dog"), "captions"),
        (lambda one: one.tokens("dog"), "tokens"),
        (lambda one: any_of(one, LETTERS), "captions"),
        (lambda one: one.blend("a dog"), "examples"),
        (lambda one: one.blend(["a dog"], "beach"), "examples"),
        (lambda one: list(one.similar_many("photo.jpg")), "photos"),
        (lambda one: list(one.similar_many(b"a photo's bytes")), "photos"),
        (lambda one: list(one.similar_many(Path("photo.jpg"))), "photos"),
        (lambda one: one.blend(Path("photo.jpg")), "examples"),
        (lambda one: one.count("a dog", 0.5), "captions"),
        (lambda one: count_any_of(one, LETTERS, 0.5), "captions"),
        (lambda one: count_any_of(one, [DOG], 0.5, excluded="i0"), "image ids"),
        (lambda one: one.text("a dog", without="beach"), "words"),
        (lambda one: one.random(without="beach"), "words"),
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
    assert searcher.count(["a dog"], 0.1, {"source": "coco"}) == 1
    assert searcher.count(["a dog"], 0.1, {"source": "coco"}, without=["dogs"]) == 0
    assert count_any_of(searcher, [DOG], 0.1, {"source": "coco"}) == 1
    assert count_any_of(searcher, [DOG], 0.1, {"source": "coco"}, excluded=["i0"]) == 0
    assert [hit.image_id for hit in searcher.random(filters={"source": "folder"}).hits] == ["i2"]


@pytest.mark.parametrize("filters", ["coco", {"source": None}, {"source": 1}, {"source": b"coco"}])
def test_filters_that_are_none(searcher: Searcher, filters: Any) -> None:
    for ask in (searcher.text, lambda dog, filters: searcher.count([dog], 0.5, filters)):
        with pytest.raises(QueryError, match=r"values.* \{'source': 'coco'\}, not "):
            ask("a dog", filters=filters)


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", None, True])
def test_no_image_is_no_number_of_images(searcher: Searcher, k: Any) -> None:
    for ask in (searcher.random, lambda k: searcher.text("a dog", k)):
        with pytest.raises(QueryError, match=f"hits wanted, a whole number of 1 or more, not {k!r}"):
            ask(k)


def test_numbers_of_numpy_are_numbers(searcher: Searcher) -> None:
    narrow: Any = np.uint8(100)
    assert searcher.text("a dog", narrow).hits == searcher.text("a dog", 100).hits
    drawn: Any = np.int64(3)
    assert searcher.random(2, seed=drawn).hits == searcher.random(2, seed=3).hits
    least: Any = np.float32(0.5)
    assert searcher.text("a dog", min_score=least).hits == searcher.text("a dog", min_score=0.5).hits


@pytest.mark.parametrize("least", [None, "0.3", float("nan"), -0.1, 1.1, True])
def test_what_is_no_similarity(searcher: Searcher, least: Any) -> None:
    for ask in (searcher.text, lambda dog, min_score: searcher.count([dog], min_score)):
        with pytest.raises(QueryError, match=f"a least score is from 0 to 1, not {least!r}"):
            ask("a dog", min_score=least)


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda one: one.texts(["a dog", float("nan")]), "captions are given here as text, not nan"),
        (lambda one: one.tokens([None]), "tokens are given here as text, not None"),
        (lambda one: any_of(one, TEXTS), "captions are given here as Asked, not 'a dog'"),
        (
            lambda one: count_any_of(one, [DOG], 0.5, excluded=NUMBERS),
            "image ids are given here as text, not 3",
        ),
        (lambda _: Asked("a dog", LETTERS), "tokens are given as a frozenset, not 'dog'"),
        (lambda one: one.text("a dog", after=3), "after is the cursor that a search gave, a text, not 3"),
    ],
)
def test_what_is_no_text(searcher: Searcher, ask: Callable[[Any], object], what: str) -> None:
    with pytest.raises(QueryError, match=what):
        ask(searcher)


def test_tokens_of_another_analyzer_are_told_as_such(searcher: Searcher) -> None:
    with pytest.raises(IndexMismatchError, match="analyzer is english/1, and words/1 made"):
        any_of(searcher, [Asked("a dog", frozenset({"dog"}), "words/1")])


@pytest.mark.parametrize(
    "ask",
    [lambda one: one.similar("no photo", k=0), lambda one: one.similar_many(iter(["no photo"]), k=0)],
)
def test_options_are_looked_at_before_photos(searcher: Searcher, ask: Callable[[Any], object]) -> None:
    with pytest.raises(QueryError, match="hits wanted"):
        ask(searcher)


def test_photos_are_taken_as_they_are_needed(searcher: Searcher) -> None:
    endless = (f"no-photo-{number}.jpg" for number in itertools.count())
    answers = list(itertools.islice(searcher.similar_many(endless), 3))
    assert [answer.photo for answer in answers] == ["no-photo-0.jpg", "no-photo-1.jpg", "no-photo-2.jpg"]
    assert all(answer.error for answer in answers)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_no_engine_takes(searcher: Searcher, seed: int) -> None:
    with pytest.raises(QueryError, match=f"a seed is a whole number from 0 to 2,147,483,647, not {seed!r}"):
        searcher.random(3, seed=seed)


def test_examples_may_come_one_after_the_other(searcher: Searcher) -> None:
    like: list[str | IndexedImage] = ["a dog", IndexedImage("i2")]
    results = searcher.blend(iter(like), iter(["a beach"]))
    assert results.asked == (Asked("a dog + a dog on a beach - a beach", frozenset({"dog"}), "english/1"),)


def test_the_options_of_a_search_are_told_where_help_is_asked_for() -> None:
    taking = {
        name: inspect.getdoc(method) or ""
        for name, method in inspect.getmembers(Searcher, inspect.isfunction)
        if not name.startswith("_") and "options" in inspect.signature(method).parameters
    }
    assert {"text", "texts", "tokens", "image", "similar", "similar_many", "blend"} == {*taking}
    for told in (taking["text"], taking["similar"], inspect.getdoc(Options) or ""):
        assert [name for name in Options.__annotations__ if f"`{name}`" not in told] == []
    assert [name for name, told in taking.items() if "`search.Options`" not in told] == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda one: one.text("a dog", minscore=0.3),
        lambda one: one.texts(["a dog"], minscore=0.3),
        lambda one: one.tokens(["dog"], minscore=0.3),
        lambda one: one.image("i0", minscore=0.3),
        lambda one: one.similar("no photo", minscore=0.3),
        lambda one: one.similar_many(iter(["no photo"]), minscore=0.3),
        lambda one: one.blend(["a dog"], minscore=0.3),
    ],
)
def test_an_option_that_there_is_not_is_refused_with_those_that_there_are(
    searcher: Searcher, ask: Callable[[Any], object]
) -> None:
    with pytest.raises(TypeError) as refused:
        ask(searcher)
    assert str(refused.value) == (
        "no option 'minscore' of a search; there are filters, without, min_score, after, fold_duplicates"
    )


def test_no_inner_name_is_an_option(searcher: Searcher) -> None:
    anything: Any = searcher
    for name in ("view", "analyzer_name"):
        with pytest.raises(TypeError, match=f"no option '{name}'"):
            anything.text("a dog", **{name: None})
