"""Pages together are the whole answer: nothing shifts, repeats or gets lost, whatever comes and goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indexer.records import Candidates, CaptionRecord, Filters, Position, Query
from search.cursor import Cursor
from search.errors import QueryError
from search.hits import Results
from search.jaccard import Similarity
from search.paging import EarlierPages
from search.strand import Strand
from search.wanted import Options
from tests.indexer.memory import MemoryIndex, best_of_images
from tests.search.worlds import (
    ANALYZER,
    Case,
    Engine,
    HastyIndex,
    RoundingIndex,
    cases,
    check_all_pages,
    dog_and,
    engines,
    pages,
    queries,
    records,
    searcher,
    searcher_of,
    worlds,
)

#: For each option of a search but the page a value other than the usual one.
OTHERWISE: dict[str, object] = {
    "filters": Filters({"kind": ("reference",)}),
    "without": ["egg"],
    "min_score": 0.1,
    "fold_duplicates": True,
}
#: How many words a caption has besides a dog.
lengths = st.integers(0, 9)


class TestPages:
    @given(cases)
    def test_all_pages_together_are_the_whole_answer(self, case: Case) -> None:
        found = pages(searcher(case.index), case.query, case.k, filters=case.allowed, min_score=case.least)
        check_all_pages(found, case.truth)

    @given(engines, worlds, st.lists(records, max_size=6), st.sets(st.sampled_from(["i1", "i4"])), queries)
    def test_captions_that_come_and_go_between_pages_repeat_nothing_and_lose_nothing_else(
        self,
        engine: Engine,
        world: list[CaptionRecord],
        added: list[CaptionRecord],
        deleted: set[str],
        query: frozenset[str],
    ) -> None:
        index = engine(world, ANALYZER)
        search = searcher(index)
        untouched = best_of_images(index, [query]).keys() - {record.image_id for record in added} - deleted
        first = search.tokens(query, 2)
        index.add(added)
        index.delete(deleted)
        shown = [hit.image_id for hit in first.hits]
        cursor = first.cursor
        while cursor:
            page = search.tokens(query, 2, after=cursor)
            shown += [hit.image_id for hit in page.hits]
            cursor = page.cursor
        assert len(shown) == len(set(shown))
        assert untouched <= set(shown)

    @given(
        engines,
        st.lists(st.tuples(st.sampled_from("ab"), lengths), max_size=6),
        st.lists(lengths, min_size=1, max_size=3),
        st.integers(1, 2),
        st.booleans(),
    )
    @example(MemoryIndex, [("a", 1), ("a", 5), ("b", 6)], [3], 1, False)
    def test_images_that_are_added_behind_a_page_come_on_a_later_one(
        self, engine: Engine, world: list[tuple[str, int]], later: list[int], k: int, fold: bool
    ) -> None:
        index = engine([CaptionRecord(image, dog_and(length)) for image, length in world], ANALYZER)
        search = searcher(index)
        found = [search.text("dog", k, fold_duplicates=fold)]
        added: set[str] = set()
        while cursor := found[-1].cursor:
            if later:
                one = CaptionRecord(f"new{len(later)}", dog_and(length := later.pop()))
                index.add([one])
                added |= {one.image_id} if 1 / (1 + length) < found[-1].hits[-1].jaccard else set()
            found.append(search.text("dog", k, after=cursor, fold_duplicates=fold))
        assert added <= {hit.image_id for page in found for hit in page.hits}

    def test_an_answer_that_ends_between_captions_of_one_image(self) -> None:
        texts = {"a": 1, "b": 3, "x": 2, "z": 1}
        world = [
            CaptionRecord(image, "dog beach", model=f"m{number}")
            for image, count in texts.items()
            for number in range(count)
        ]
        found = pages(searcher(MemoryIndex(world)), frozenset({"dog", "beach"}), 1)
        assert [hit.image_id for page in found for hit in page.hits] == ["a", "b", "x", "z"]

    def test_all_of_which_it_is_open_whether_they_were_shown_are_fetched_further(self) -> None:
        # Another caption of a, as good, is not fetched yet; b, which is looked up later, has but one.
        texts = {"a": ["dog cat", "dog egg"], "b": ["dog hat"], "shown": ["dog", "dog bike"]}
        index = MemoryIndex(
            [CaptionRecord(image, text) for image in texts for text in texts[image]], ANALYZER
        )
        fetched = ("dog bike", "dog cat", "dog hat")
        strand = Strand(0, Query(frozenset({"dog"})))
        answers = index.matching(strand.query)
        strand.take(Candidates(tuple(o for o in answers if o.document.record.caption in fetched), 0.5, 5))
        images = sorted(strand.fetched, key=lambda one: one.document.record.caption)
        cursor = Cursor("query", 1, (None,), Position(1.0, "shown"), Similarity(1, 1))
        unshown = EarlierPages(Filters(), cursor).leave_out(images, [strand], index, 2)
        assert [one.image_id for one in unshown.images] == ["a", "b"]
        assert unshown.doubtful == {0}

    def test_more_that_just_reach_the_least_score_have_a_page(self) -> None:
        world = [CaptionRecord(f"i{number}", "dog cat") for number in range(7)]
        found = pages(searcher(HastyIndex(world)), frozenset({"dog"}), 1, min_score=0.5)
        assert [len(page.hits) for page in found] == [1] * 7

    def test_the_size_of_a_page_may_change(self) -> None:
        search = searcher_of("dog", "dog cat", "dog cat egg", "dog cat egg fish")
        first = search.text("dog", 1)
        second = search.text("dog", 3, after=first.cursor)
        assert [(hit.rank, hit.image_id) for hit in second.hits] == [(2, "i1"), (3, "i2"), (4, "i3")]
        assert second.cursor is None

    def test_a_cursor_of_another_search_is_refused(self) -> None:
        search = searcher_of("dog", "dog cat", "dog cat egg")
        cursor = search.text("dog", 1).cursor
        assert cursor
        others: list[Callable[[], Results]] = [
            lambda: search.text("cat", 1, after=cursor),
            lambda: search.image("i0", 1, after=cursor),
            lambda: searcher(RoundingIndex([CaptionRecord("i", "dog")])).text("dog", 1, after=cursor),
        ]
        for other in others:
            with pytest.raises(QueryError, match="another search"):
                other()

    @pytest.mark.parametrize("option", sorted(Options.__annotations__.keys() - {"after"}))
    def test_every_option_makes_another_search(self, option: str) -> None:
        assert option in OTHERWISE, "a new option of a search: give a value of it that changes the answer"
        search = searcher_of("dog", "dog cat", "dog cat egg")

        def ask(after: str | None, **changed: object) -> Results:
            return search.text("dog", 1, **cast(Options, {"after": after} | changed))

        otherwise = {option: OTHERWISE[option]}
        plain, changed = ask(None).cursor, ask(None, **otherwise).cursor
        assert ask(plain).hits and ask(changed, **otherwise).hits
        with pytest.raises(QueryError, match="another search"):
            ask(plain, **otherwise)
        with pytest.raises(QueryError, match="another search"):
            ask(changed)
