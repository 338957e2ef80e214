"""A question has one view of the index: nothing that is published while it is answered changes the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from indexer.contract import CaptionIndex
from indexer.embedded.engine import EmbeddedIndex
from indexer.embedded.snapshot import manifest_stamp
from indexer.records import CaptionRecord
from search.asked import Asked
from search.hits import Results
from search.photo_question import IndexedImage
from search.searcher import Searcher
from search.web.parameters import (
    CountParameters,
    ImageParameters,
    RandomParameters,
    SearchParameters,
    TextParameters,
)
from search.web.service import Service
from search.web.settings import Settings
from tests.search.asking import any_of, count_any_of
from tests.search.worlds import NamingCaptioner, searcher

#: What the index holds at first, and what is published over it: of another analyzer, without image i1.
BEFORE = [
    CaptionRecord("i0", "dogs on a beach", "i0.jpg"),
    CaptionRecord("i1", "dogs", "i1.jpg"),
    CaptionRecord("i2", "eggs", "i2.jpg"),
]
AFTER = [CaptionRecord("i0", "cats"), CaptionRecord("i2", "a fish")]


class Looks:
    """Counts looks at the manifest, and publishes another generation before each but the first."""

    def __init__(self, where: str) -> None:
        self.count = 0
        self._where = where
        self._generations = cycle([("words/1", AFTER), ("english/2", BEFORE)])
        self._publishing = False

    def __call__(self, folder: Path) -> tuple[int, int, int]:
        if not self._publishing:  # which looks at the manifest, too
            if self.count:
                self._publishing = True
                publish(self._where, *next(self._generations))
                self._publishing = False
            self.count += 1
        return manifest_stamp(folder)


def publish(where: str, analyzer: str, records: list[CaptionRecord]) -> None:
    with EmbeddedIndex.open(where, create=True) as index, index.draft("new", analyzer) as draft:
        draft.add(records)
        draft.publish()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[CaptionIndex]:
    where = str(tmp_path / "index")
    publish(where, "english/2", BEFORE)
    with EmbeddedIndex.open(where) as index:
        yield index


@pytest.fixture
def search(index: CaptionIndex) -> Searcher:
    return searcher(index)


@pytest.fixture
def service(index: CaptionIndex) -> Iterator[Service]:
    """What the routes of the server call."""
    service = Service(index, NamingCaptioner, Settings())
    yield service
    service.close()


@pytest.fixture
def looks(search: Searcher, service: Service, monkeypatch: pytest.MonkeyPatch) -> Looks:
    looks = Looks(search.index.where)
    monkeypatch.setattr("indexer.embedded.engine.manifest_stamp", looks)
    return looks


@pytest.fixture
def photo(photos: Path, tmp_path: Path) -> Path:
    """One that is captioned "dogs"."""
    path = tmp_path / "dogs.png"
    path.write_bytes((photos / "chelsea.png").read_bytes())
    return path


QUESTIONS: dict[str, Callable[[Searcher], Results]] = {
    "text": lambda search: search.text("dogs", without=["eggs"]),
    "texts": lambda search: search.texts(["dogs", "cats"], without=["eggs"]),
    "tokens": lambda search: search.tokens({"dog"}, without=["eggs"]),
    "any of": lambda search: any_of(search, [Asked("dogs", frozenset({"dog"}))], without=["eggs"]),
    "blend": lambda search: search.blend(["dogs"], [IndexedImage("i2")], without=["eggs"]),
}


def check(results: Results | None, found: list[str]) -> None:
    """The answer is that of the index as it was at first."""
    assert results is not None
    assert (results.analyzer, results.captions, results.exact) == ("english/2", 3, True)
    assert [hit.image_id for hit in results.hits] == found


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_search(search: Searcher, looks: Looks, question: Callable[[Searcher], Results]) -> None:
    check(question(search), ["i1", "i0"])
    assert looks.count == 1


def test_a_search_by_an_image(search: Searcher, looks: Looks) -> None:
    check(search.image("i1", without=["eggs"]), ["i0"])
    assert looks.count == 1


def test_a_search_by_a_photo(search: Searcher, looks: Looks, photo: Path) -> None:
    check(search.similar(photo, without=["eggs"]), ["i1", "i0"])
    assert looks.count == 1


def test_photos_that_are_answered_together(search: Searcher, looks: Looks, photo: Path) -> None:
    answers = search.similar_many([photo, photo])
    looks.count = 0  # by then the options have been checked
    for answer in answers:
        check(answer.results, ["i1", "i0"])
    assert looks.count == 1


def test_a_count(search: Searcher, looks: Looks) -> None:
    assert count_any_of(search, [Asked("dogs", frozenset({"dog"}))], 0.1, without=["eggs"]) == 2
    assert looks.count == 1


def test_a_count_of_captions(search: Searcher, looks: Looks) -> None:
    assert search.count(["dogs"], 0.1, without=["eggs"]) == 2
    assert looks.count == 1


def test_a_random_draw(search: Searcher, looks: Looks) -> None:
    results = search.random(without=["eggs"])
    check(results, [hit.image_id for hit in results.hits])
    assert {hit.image_id for hit in results.hits} == {"i0", "i1"}
    assert looks.count == 1


def test_the_caption_that_stands_for_an_image(search: Searcher, looks: Looks) -> None:
    assert search.representative("i1").record.caption == "dogs"
    assert looks.count == 1


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["image_id"] for hit in answer["hits"]]


def scores(answer: dict[str, Any]) -> list[float]:
    return [caption["jaccard"] for caption in answer["captions"]]


Ask = Callable[[Service], Awaitable[dict[str, Any]]]


#: Question, what of the answer is looked at, and what it is for the index as it was at first.
SERVED: dict[str, tuple[Ask, Callable[[dict[str, Any]], object], object]] = {
    "text": (lambda one: one.text(TextParameters(q="dogs", without=["eggs"])), ids, ["i1", "i0"]),
    "text like an image": (lambda one: one.text(TextParameters(like="i1")), ids, ["i1", "i0"]),
    "images like an image": (lambda one: one.similar_to_image("i1", SearchParameters()), ids, ["i0"]),
    "image": (lambda one: one.image("i1", ImageParameters(q="dogs")), scores, [1.0]),
    "image beside one": (lambda one: one.image("i1", ImageParameters(like="i1")), scores, [1.0]),
    "count": (
        lambda one: one.count(CountParameters(like="i1", min_score=0.1)),
        lambda answer: answer["images"],
        2,
    ),
    "random": (
        lambda one: one.random(RandomParameters()),
        lambda answer: {image["image_id"] for image in answer["images"]},
        {"i0", "i1", "i2"},
    ),
}


@pytest.mark.parametrize(("question", "told", "expected"), SERVED.values(), ids=SERVED)
def test_a_question_to_the_server(
    service: Service,
    looks: Looks,
    question: Ask,
    told: Callable[[dict[str, Any]], object],
    expected: object,
) -> None:
    async def answer() -> dict[str, Any]:
        return await question(service)

    assert told(asyncio.run(answer())) == expected
    assert looks.count == 1
