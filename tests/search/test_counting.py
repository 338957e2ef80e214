"""What --count gives is what a search would find, and nothing is searched for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from indexer.records import Candidates, CaptionRecord, Query
from search.cli import main
from search.counting import count
from search.hits import Results
from search.question import of_captions
from search.searcher import Searcher
from search.wanted import Wanted
from tests.indexer.memory import MemoryIndex
from tests.search.worlds import NamingCaptioner

CAPTIONS = ("A dog in the snow.", "A big dog in the snow.", "A dog at the beach.", "A cat on a sofa.")


class OnlyCounted(MemoryIndex):
    """An index that answers no search."""

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        raise AssertionError("a count searches")

    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        raise AssertionError("a count looks for unknown words")

    def corrections(self, tokens: Iterable[str]) -> Mapping[str, Sequence[str]]:
        raise AssertionError("a count corrects words")


@pytest.fixture
def photo(photos: Path, tmp_path: Path) -> str:
    """Its name says two captions."""
    path = tmp_path / "a-dog-in-snow+a-cat.png"
    path.write_bytes((photos / "chelsea.png").read_bytes())
    return str(path)


@pytest.fixture(
    params=[
        ["text", "a dog in the snow"],
        ["text", "a dgo in the snow"],
        ["text", "the"],
        ["text", "a dog in the snow", "--without", "big", "--without", "the"],
        ["text", "a dog in the snow", "--source", "coco"],
        ["text", "a dog in the snow", "--like", "a cat", "--unlike", "snow"],
        ["image", "i0"],
        ["image", "i0", "--unlike", "snow"],
        ["similar", "PHOTO"],
        ["similar", "PHOTO", "--captions", "2"],
        ["similar", "PHOTO", "--like", "a cat on a sofa"],
    ],
    ids=" ".join,
)
def arguments(request: pytest.FixtureRequest, photo: str) -> list[str]:
    return [photo if one == "PHOTO" else one for one in request.param]


def run(monkeypatch: pytest.MonkeyPatch, kind: type[MemoryIndex], *arguments: str) -> dict[str, object]:
    index = kind(CaptionRecord(f"i{number}", caption) for number, caption in enumerate(CAPTIONS))
    opened = classmethod(lambda cls, *given: cls(index, NamingCaptioner, *given[2:]))
    monkeypatch.setattr(Searcher, "open", opened)
    result = CliRunner().invoke(main, [*arguments, "--json", "--min-score", "0.3"], catch_exceptions=False)
    assert result.exit_code == 0
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_a_count_searches_nothing(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    found = run(monkeypatch, MemoryIndex, *arguments)
    counted = run(monkeypatch, OnlyCounted, *arguments, "--count")
    hits, query = found["hits"], found["query"]
    assert isinstance(hits, list) and isinstance(query, dict)
    plain = {name: value for name, value in query.items() if name not in ("unknown", "corrections")}
    assert counted == {"query": plain, "count": len(hits)}


def test_a_count_says_nothing_of_what_only_a_search_finds_out() -> None:
    index = OnlyCounted(CaptionRecord(f"i{number}", caption) for number, caption in enumerate(CAPTIONS))
    counted = count(of_captions(index, ["a dog in the snow"]), Wanted.of(index.analyzer, 10, min_score=0.3))
    assert (counted.images, counted.found, counted.tokens) == (3, True, ("dog", "snow"))
    told = {field.name for field in fields(counted)}
    assert told.isdisjoint({"hits", "exact", "examined", "captions", "took_ms"})
    assert "images" not in {field.name for field in fields(Results)}
