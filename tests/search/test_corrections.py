"""Words that no caption has, and what captions write in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pytest

from indexer.errors import IndexUnavailableError
from indexer.records import Candidates, CaptionRecord, Query
from search.asked import Asked
from search.corrections import MOST_WORDS
from tests.indexer.memory import MemoryIndex
from tests.search.asking import any_of
from tests.search.worlds import searcher

CAPTIONS = ["A dog on the beach", "Dogs on beaches", "two frisbees", "a frisbee", "white tables", "a sofa"]


class NotingCorrections(MemoryIndex):
    """Notes of which tokens it was asked for others."""

    def __init__(self, captions: Iterable[str] = CAPTIONS, name: str = "english/2") -> None:
        self.doubted: list[list[str]] = []
        super().__init__((CaptionRecord(f"i{n}", one) for n, one in enumerate(captions)), name)

    def corrections(self, tokens: Iterable[str]) -> Mapping[str, Sequence[str]]:
        self.doubted.append(sorted(tokens))
        return super().corrections(self.doubted[-1])


@pytest.mark.parametrize(
    ("sentence", "without", "found"),
    [
        ("a dgo on the baech", [], {"dgo": ("dog",), "baech": ("beach",)}),
        ("baeches", [], {"baech": ("beaches",)}),
        ("a frizbee", [], {"frizbe": ("frisbee",)}),
        ("a whitte tabel", [], {"whitt": ("white",), "tabel": ("tables",)}),
        ("a dog", ["beech"], {"beech": ("beach",)}),
        ("a teletubby", [], {}),
        ("a dog", [], {}),
    ],
)
def test_they_are_words_as_captions_write_them(
    sentence: str, without: list[str], found: dict[str, tuple[str, ...]]
) -> None:
    results = searcher(NotingCorrections()).text(sentence, without=without)
    assert results.corrections == found
    as_lists = {"corrections": {stem: [*words] for stem, words in found.items()}} if found else {}
    told = results.as_json()["query"]
    assert {name: told[name] for name in told.keys() & {"corrections"}} == as_lists


def test_a_search_whose_words_are_all_found_asks_for_none() -> None:
    index = NotingCorrections()
    assert searcher(index).text("a dog on the beach").corrections == {}
    assert index.doubted == []


def test_the_first_page_tells() -> None:
    index = NotingCorrections()
    first = searcher(index).text("dog beach dgo", 1)
    assert (first.corrections, index.doubted) == ({"dgo": ("dog",)}, [["dgo"]])
    assert searcher(index).text("dog beach dgo", 1, after=first.cursor).corrections == {}
    assert index.doubted == [["dgo"]]


def test_what_a_word_only_implies_is_not_misspelt() -> None:
    index = NotingCorrections(["a lift", "a rome"])
    results = searcher(index).text("couches")  # which implies live and room
    assert results.unknown >= {"couch", "live", "room"}
    assert index.doubted == [["couch"]]


def test_a_text_of_many_strange_words_is_not_misspelt() -> None:
    index = NotingCorrections()
    words = "dgo baech tabel soffa whitte frizbee".split()
    assert len(words) == MOST_WORDS + 1
    assert searcher(index).text(" ".join(words)).corrections == {}
    assert searcher(index).text(" ".join(words[1:])).corrections.keys() >= {"baech", "tabel", "soffa"}


def test_tokens_asked_for_beside_a_caption_may_be_misspelt() -> None:
    asked = Asked("a dog", frozenset({"dog", "dog*2", "frizbe", "frizbe*2"}))
    found = any_of(searcher(NotingCorrections()), [asked])
    assert found.corrections == {"frizbe": ("frisbee",)}
    assert searcher(NotingCorrections()).tokens({"dgo", "dgo*2"}).corrections == {"dgo": ("dog",)}


def test_each_of_several_searches_has_its_own() -> None:
    found = searcher(NotingCorrections()).texts(["a dgo", "the baech"])
    assert found.corrections == {"dgo": ("dog",), "baech": ("beach",)}


def test_an_index_that_cannot_tell_spoils_no_answer() -> None:
    class Failing(NotingCorrections):
        def corrections(self, tokens: Iterable[str]) -> Mapping[str, Sequence[str]]:
            raise IndexUnavailableError("no answer")

    class FailingLater(NotingCorrections):
        def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
            if self.doubted:
                raise IndexUnavailableError("no answer")
            return super().candidates_many(queries, limit)

    for index in (Failing(), FailingLater()):
        results = searcher(index).text("a dog, a dgo")
        assert len(results.hits) == 2
        assert results.unknown == {"dgo", "dgo*2"}
        assert results.corrections == {}
