"""What is said of an answer as a whole is true of it, and the same in table, page and montage."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from captioner.drawing.marks import Mark
from captioner.drawing.picture import wrap
from indexer.records import CaptionRecord, Filters
from search.hits import Answer, Results
from search.render import montage as montages
from search.render.certificate import certificate, no_hits
from search.render.page import page
from search.render.table import table
from search.searcher import Searcher
from search.wanted import Wanted
from tests.indexer.memory import MemoryIndex
from tests.search.worlds import NamingCaptioner

RECORDS = (
    CaptionRecord("nearest", "a dog on the beach", source="folder"),
    CaptionRecord("near", "a dog at a sunny beach", source="coco"),
    CaptionRecord("far", "a cat on a beach", source="coco"),
)


@pytest.fixture
def search() -> Searcher:
    return Searcher(MemoryIndex(RECORDS), NamingCaptioner)


@pytest.fixture(params="top later last all only past filtered sole page none doubtful".split())
def case(request: pytest.FixtureRequest, search: Searcher) -> tuple[Results, str]:
    """An answer, and what is to be said of it."""
    first = search.text("dog on a beach", 1)
    coco = {"source": "coco"}
    cases = {
        "top": (first, "exact: the true top 1 of 3 captions, "),
        "later": (
            search.text("dog on a beach", 1, after=first.cursor),
            "exact: the true rank 2 of 3 captions, ",
        ),
        "last": (
            search.text("dog on a beach", 5, after=first.cursor),
            "exact: the true ranks 2 to 3 of 3 captions, ",
        ),
        "all": (search.text("dog on a beach"), "exact: all 3 matches of 3 captions, "),
        "only": (search.text("cat"), "exact: the only match of 3 captions, "),
        "past": (
            replace(search.text("zebra"), wanted=Wanted.of("english/2", 1, after=first.cursor)),
            "exact: no further match; 3 captions in the index, ",
        ),
        "filtered": (
            search.text("dog on a beach", filters=coco),
            "exact: all 2 matches among the captions that pass the filters; 3 captions in the index, ",
        ),
        "sole": (
            search.text("dog on a beach", filters={"source": "folder"}),
            "exact: the only match among the captions that pass the filters; 3 captions in the index, ",
        ),
        "page": (
            search.text("dog on a beach", 1, filters=coco),
            "exact: the true top 1 among the captions that pass the filters; 3 captions in the index, ",
        ),
        "none": (search.text("zebra"), "exact: no match; 3 captions in the index, "),
        "doubtful": (
            replace(first, exact=False),
            "NOT exact: better hits may have been missed; 3 captions in the index, ",
        ),
    }
    return cases[request.param]


class Texts(HTMLParser):
    """The texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_what_is_proved(case: tuple[Results, str]) -> None:
    results, said = case
    assert certificate(results).startswith(said)


def test_one_caption_is_not_many() -> None:
    alone = Searcher(MemoryIndex(RECORDS[:1]), NamingCaptioner)
    assert certificate(alone.text("a dog")).startswith("exact: the only match of 1 caption, 1 ")


def test_every_form_says_the_same(case: tuple[Results, str], monkeypatch: pytest.MonkeyPatch) -> None:
    results, _ = case
    said = certificate(results)
    assert table(results, color=False).splitlines()[-1] == said
    assert said[0].upper() + said[1:] in Texts(page([Answer("q", results)])).texts
    drawn: list[str] = []

    def listening(words: list[Mark], *others: int) -> list[list[Mark]]:
        lines = wrap(words, *others)
        drawn.append(" ".join(word for line in lines for word, _ in line))
        return lines

    monkeypatch.setattr(montages, "wrap", listening)
    montages.montage([Answer("q", results)])
    assert said in drawn


def test_more_may_exist_where_no_cursor_is_given(search: Searcher) -> None:
    """As `search web` shows its answers: the index is remade, so that a cursor would not hold."""
    without = replace(search.text("dog on a beach", 2), following=None)
    assert certificate(without).startswith("exact: the true top 2 of")
    assert without.as_json()["more"] is True
    assert "more" not in search.text("dog on a beach", 2).as_json()
    assert "more" not in search.text("dog on a beach", 3).as_json()


@pytest.mark.parametrize(
    ("records", "filters", "said"),
    [
        ((), {}, "no image in the index"),
        (RECORDS, {"kind": "title"}, "no image in the index passes the filters"),
    ],
)
def test_no_image_to_be_drawn(records: tuple[CaptionRecord, ...], filters: dict[str, str], said: str) -> None:
    results = Searcher(MemoryIndex(records), NamingCaptioner).random(3, filters)
    assert no_hits(results) == said
    text = page([Answer("", results)])
    assert "<h1>Random images</h1>" in text
    assert said[0].upper() + said[1:] in text


def test_nothing_to_search_for(search: Searcher) -> None:
    assert no_hits(search.text("of the")) == "nothing to search for: 'of the' holds no word that counts"
    cancelled = search.blend(["a dog"], ["the dog"])
    assert no_hits(cancelled) == "nothing to search for: in 'a dog - the dog' no word is left"
    excluding = no_hits(search.text("", without=["dog"]))
    assert excluding == "nothing to search for: give a word to look for besides those to do without"
    assert no_hits(search.text("", filters=Filters(excluded_tokens=["dog"]))) == excluding
    assert no_hits(search.text("", without=["the"])) == excluding
    assert no_hits(search.text("of the", without=["dog"])) == no_hits(search.text("of the"))
    long = no_hits(search.text("of the " * 20))
    assert long == f"nothing to search for: '{'of the ' * 8}of …' holds no word that counts"
    assert "<h1>of the</h1>" in page([Answer("q", search.text("of the"))])
    assert "<h1></h1>" not in page([Answer("q", search.text(""))])
