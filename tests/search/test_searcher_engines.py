"""Searcher on the real engines, against the reference."""

from __future__ import annotations

import pytest

from indexer.index import open_index
from indexer.records import NO_FILTERS, CaptionRecord, Filters
from search.asked import Asked
from search.hits import Results
from search.searcher import Searcher
from tests.indexer.memory import MemoryIndex
from tests.search.asking import count_any_of
from tests.search.worlds import (
    dog_and,
    pages,
    searcher,
)


class TestEngines:
    """The same on the real engines, against the reference."""

    CAPTIONS = (
        "a dog on the beach",
        "two dogs run on a beach",
        "a dog",
        "the dog and the cat",
        "a cat sleeps on a sofa",
        "a man rides a wave",
        "a man on a beach with his dog and a frisbee",
        "",
        "a beach",
        "dogs on a sofa",
    )

    @pytest.fixture
    def both(self, fresh_where: str) -> tuple[Searcher, Searcher]:
        made = [
            CaptionRecord(f"i{number % 6}", text, source="coco" if number % 2 else "folder")
            for number, text in enumerate(self.CAPTIONS)
        ]
        index = open_index(fresh_where, create=True)
        index.add(made)
        return searcher(index), searcher(MemoryIndex(made, index.analyzer))

    def test_scores_pages_filters_and_counts_agree(self, both: tuple[Searcher, Searcher]) -> None:
        real, reference = both
        for query in ({"dog"}, {"dog", "beach"}, {"beach", "man", "unknown"}, {"unknown"}, set()):
            for allowed in (
                NO_FILTERS,
                Filters({"source": ("coco",)}),
                Filters(excluded_tokens=["cat", "man"]),
            ):
                mine = pages(real, frozenset(query), 2, filters=allowed)
                theirs = pages(reference, frozenset(query), 2, filters=allowed)
                assert _scores(mine) == _scores(theirs)
                assert all(page.exact for page in mine)
                if query:
                    asked = [Asked("", frozenset(query))]
                    expected = count_any_of(reference, asked, 0.3, allowed)
                    assert count_any_of(real, asked, 0.3, allowed) == expected
        real.close()

    def test_the_certificate_tells_of_all_captions_and_none_twice(self, fresh_where: str) -> None:
        index = open_index(fresh_where, create=True)
        index.add([CaptionRecord("a", "dog cat"), CaptionRecord("b", "dog")])
        search = searcher(index)
        assert search.texts(["dog", "cat", "dog cat"]).captions == 2
        with open_index(fresh_where) as other:
            other.add(
                CaptionRecord(f"n{number}", f"dog {'cat ' * (number % 2)}x{number}") for number in range(9)
            )
        for results in (
            search.texts(["dog", "cat", "dog cat"], 20),
            search.text("dog", 2),
            search.random(20),
        ):
            assert results.examined <= results.captions == 11
        index.close()

    def test_an_image_that_is_added_behind_a_page_of_a_crowd_is_not_lost(self, fresh_where: str) -> None:
        index = open_index(fresh_where, create=True)
        index.add(
            CaptionRecord(image, dog_and(length))
            for image, length in (("a", 0), ("b", 1), ("b", 4), ("b", 5), ("d", 6))
        )
        search = searcher(index)
        shown, cursor = list[str](), None
        for _ in range(2):
            page = search.tokens({"dog"}, 1, after=cursor)
            shown, cursor = [*shown, page.hits[0].image_id], page.cursor
        index.add([CaptionRecord("c", dog_and(2))])
        assert cursor
        rest = search.tokens({"dog"}, 9, after=cursor)
        assert shown == ["a", "b"]
        assert [(hit.rank, hit.image_id) for hit in rest.hits] == [(3, "c"), (4, "d")]
        assert rest.exact
        index.close()

    def test_images_that_are_left_out_are_not_counted(self, both: tuple[Searcher, Searcher]) -> None:
        real, reference = both
        asked = [Asked("", frozenset({"dog"})), Asked("", frozenset({"beach"}))]
        for excluded in ([], ["i0"], ["i0", "i1", "unknown"], [f"i{number}" for number in range(6)]):
            expected = count_any_of(reference, asked, 0.2, excluded=excluded)
            assert count_any_of(real, asked, 0.2, excluded=excluded) == expected
        assert expected == 0
        real.close()

    def test_images_random_and_deletes(self, both: tuple[Searcher, Searcher]) -> None:
        real, reference = both
        assert _scores([real.image("i0")]) == _scores([reference.image("i0")])
        assert {hit.image_id for hit in real.random(10).hits} == {f"i{number}" for number in range(6)}
        first, expected = real.text("a dog on the beach", 2), reference.text("a dog on the beach", 2)
        for one in (real, reference):
            one.index.delete(["i0", "i3"])
        rest = real.text("a dog on the beach", 9, after=first.cursor)
        assert {hit.image_id for hit in rest.hits}.isdisjoint(hit.image_id for hit in first.hits)
        truth = reference.text("a dog on the beach", 9, after=expected.cursor)
        assert _scores([rest]) == _scores([truth])
        real.close()


def _scores(found: list[Results]) -> list[tuple[str, int, int]]:
    return sorted((hit.image_id, hit.overlap, hit.union) for page in found for hit in page.hits)
