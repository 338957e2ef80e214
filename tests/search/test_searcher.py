"""Searcher: answers equal brute force, pages neither shift nor repeat, nothing is claimed without proof."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from captioner.captioner import Captioned
from captioner.errors import PhotoError
from captioner.photo import Photo, hash_distance
from indexer.errors import IndexMismatchError
from indexer.index import CaptionIndex, View, open_index
from indexer.records import NO_FILTERS, Candidates, CaptionRecord, Document, Filters, Query
from search.asked import Asked, analysed
from search.errors import QueryError
from search.hits import Results
from search.searcher import IndexedImage, Searcher
from tests.search.memory import MemoryIndex, jaccard
from tests.search.worlds import (
    ANALYZER,
    EvasiveIndex,
    HastyIndex,
    NamingCaptioner,
    RoundingIndex,
    filters,
    queries,
    records,
    worlds,
)

#: The smallest first question makes the loop work even in a small world.
engines = st.sampled_from([MemoryIndex, RoundingIndex, HastyIndex])
Engine = Callable[[list[CaptionRecord], str], MemoryIndex]
#: How many words a caption has besides a dog.
lengths = st.integers(0, 9)


def dog_and(length: int) -> str:
    return " ".join(["dog", *(f"x{number}" for number in range(length))])


def searcher(index: CaptionIndex) -> Searcher:
    return Searcher(index, NamingCaptioner)


def of(*captions: str) -> Searcher:
    """A searcher over images i0, i1, ... with one caption each."""
    return searcher(MemoryIndex([CaptionRecord(f"i{number}", text) for number, text in enumerate(captions)]))


def brute_force(
    index: MemoryIndex, tokens: frozenset[str], allowed: Filters = NO_FILTERS
) -> dict[str, float]:
    """Image -> its best similarity, by looking at everything."""
    best: dict[str, float] = {}
    for document in index.documents.values():
        score = jaccard(tokens, document.tokens)
        if score > 0 and allowed.matches(document.record):
            best[document.record.image_id] = max(score, best.get(document.record.image_id, 0.0))
    return best


def pages(search: Searcher, tokens: frozenset[str], k: int, **options: object) -> list[Results]:
    found = [search.tokens(tokens, k, **options)]  # type: ignore[arg-type]
    while found[-1].cursor:
        found.append(search.tokens(tokens, k, after=found[-1].cursor, **options))  # type: ignore[arg-type]
    return found


class TestExact:
    @given(engines, worlds, queries, st.integers(1, 6), filters, st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    def test_the_answer_is_brute_force(
        self,
        engine: Engine,
        world: list[CaptionRecord],
        query: frozenset[str],
        k: int,
        allowed: Filters,
        least: float,
    ) -> None:
        index = engine(world, ANALYZER)
        results = searcher(index).tokens(query, k, filters=allowed, min_score=least)
        truth = {
            image: score for image, score in brute_force(index, query, allowed).items() if score >= least
        }
        assert results.exact
        assert [hit.jaccard for hit in results.hits] == sorted(truth.values(), reverse=True)[:k]
        assert {hit.image_id: hit.jaccard for hit in results.hits}.items() <= truth.items()
        assert [hit.rank for hit in results.hits] == list(range(1, len(results.hits) + 1))

    def test_it_asks_for_more_until_it_is_certain(self) -> None:
        # One image has more good captions than the first question asks for.
        crowd = [CaptionRecord("crowd", f"dog cat {word}") for word in "abcdefghijkl"]
        index = MemoryIndex([*crowd, CaptionRecord("late", "dog")], "words/1")
        results = searcher(index).tokens({"dog", "cat"}, 2)
        assert [(hit.image_id, hit.overlap, hit.union) for hit in results.hits] == [
            ("crowd", 2, 3),
            ("late", 1, 2),
        ]
        assert results.exact
        assert index.asked == 2
        assert results.examined == results.captions == 13

    @given(
        worlds, st.lists(records, max_size=4), st.sets(st.sampled_from(["i1", "i4"])), queries, st.booleans()
    )
    def test_a_writer_between_two_questions_changes_nothing(
        self,
        world: list[CaptionRecord],
        added: list[CaptionRecord],
        deleted: set[str],
        query: frozenset[str],
        fold: bool,
    ) -> None:
        class Written(MemoryIndex):
            """A view of what was there before a writer that commits after every question."""

            def view(self) -> View:
                return Pinned(self.documents.values())

        class Pinned(MemoryIndex):
            def __init__(self, documents: Iterable[Document]) -> None:
                super().__init__((one.record for one in documents), ANALYZER)
                self.known_count = len(self.documents)

            def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
                index.add(added)
                index.delete(deleted)
                return super().candidates_many(queries, limit)

        index = Written(world, ANALYZER)
        before = searcher(MemoryIndex(world, ANALYZER)).tokens(query, 1, fold_duplicates=fold)
        during = searcher(index).tokens(query, 1, fold_duplicates=fold)
        assert replace(during, took_ms=0.0) == replace(before, took_ms=0.0)

    def test_what_cannot_be_proved_is_not_called_exact(self) -> None:
        results = searcher(EvasiveIndex([CaptionRecord("i0", "dog"), CaptionRecord("i1", "dog cat")])).text(
            "dog cat"
        )
        assert not results.exact
        assert not results.as_json()["exact"]

    def test_words_unknown_to_the_index_count(self) -> None:
        [hit] = of("a dog").text("a dog zyzzyva").hits
        assert (hit.overlap, hit.union, hit.missing) == (1, 2, ("zyzzyva",))

    @pytest.mark.parametrize("caption", ["", "   ", "of the", "!?"])
    def test_nothing_to_search_for_finds_nothing(self, caption: str) -> None:
        results = of("a dog", "").text(caption)
        assert (results.hits, results.tokens, results.exact, results.cursor) == ((), (), True, None)

    def test_a_caption_of_ten_thousand_words(self) -> None:
        results = of("a dog").text("dog " + " ".join(f"w{number}" for number in range(10_000)))
        assert results.hits[0].union == 10_001


class TestPages:
    @given(engines, worlds, queries, st.integers(1, 4), filters, st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0]))
    def test_all_pages_together_are_the_whole_answer(
        self,
        engine: Engine,
        world: list[CaptionRecord],
        query: frozenset[str],
        k: int,
        allowed: Filters,
        least: float,
    ) -> None:
        index = engine(world, ANALYZER)
        found = pages(searcher(index), query, k, filters=allowed, min_score=least)
        hits = [hit for page in found for hit in page.hits]
        truth = {
            image: score for image, score in brute_force(index, query, allowed).items() if score >= least
        }
        assert {hit.image_id: hit.jaccard for hit in hits} == truth
        assert len(hits) == len(truth)
        assert [hit.jaccard for hit in hits] == sorted(truth.values(), reverse=True)
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        assert all(page.exact for page in found)

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
        untouched = brute_force(index, query).keys() - {record.image_id for record in added} - deleted
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

    def test_more_that_just_reach_the_least_score_have_a_page(self) -> None:
        world = [CaptionRecord(f"i{number}", "dog cat") for number in range(7)]
        found = pages(searcher(HastyIndex(world)), frozenset({"dog"}), 1, min_score=0.5)
        assert [len(page.hits) for page in found] == [1] * 7

    def test_the_size_of_a_page_may_change(self) -> None:
        search = of("dog", "dog cat", "dog cat egg", "dog cat egg fish")
        first = search.text("dog", 1)
        second = search.text("dog", 3, after=first.cursor)
        assert [(hit.rank, hit.image_id) for hit in second.hits] == [(2, "i1"), (3, "i2"), (4, "i3")]
        assert second.cursor is None

    def test_a_cursor_of_another_search_is_refused(self) -> None:
        search = of("dog", "dog cat", "dog cat egg")
        cursor = search.text("dog", 1).cursor
        assert cursor
        for other in (
            lambda: search.text("cat", 1, after=cursor),
            lambda: search.text("dog", 1, after=cursor, min_score=0.1),
            lambda: search.text("dog", 1, after=cursor, filters=Filters({"kind": ("reference",)})),
            lambda: search.text("dog", 1, after=cursor, fold_duplicates=True),
            lambda: search.image("i0", 1, after=cursor),
            lambda: searcher(RoundingIndex([CaptionRecord("i", "dog")])).text("dog", 1, after=cursor),
        ):
            with pytest.raises(QueryError, match="another search"):
                other()


def far_apart(number: int) -> str:
    """Hashes that are no near copies of each other."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


class TestDuplicates:
    def hashed(self, *hashes: str) -> Searcher:
        words = ["dog", "dog cat", "dog cat egg", "dog cat egg fish", "dog cat egg fish goat"]
        return searcher(
            MemoryIndex(
                [CaptionRecord(f"i{number}", words[number], phash=one) for number, one in enumerate(hashes)]
            )
        )

    def test_a_near_copy_is_folded_into_the_better_hit(self) -> None:
        search = self.hashed("00000000000000ff", "00000000000000fe", "ffffffff00000000", "")
        assert hash_distance("00000000000000ff", "00000000000000fe") == 1
        hits = search.text("dog", fold_duplicates=True).hits
        assert [(hit.rank, hit.image_id, hit.duplicates) for hit in hits] == [
            (1, "i0", ("i1",)),
            (2, "i2", ()),
            (3, "i3", ()),
        ]
        assert [hit.image_id for hit in search.text("dog").hits] == ["i0", "i1", "i2", "i3"]

    def test_a_copy_of_an_earlier_page_stays_folded(self) -> None:
        search = self.hashed(
            "00000000000000ff", "ffffffff00000000", "00000000000000fe", "ffffffff00000001", ""
        )
        found = [
            [hit.image_id for hit in page.hits]
            for page in pages(search, frozenset({"dog"}), 1, fold_duplicates=True)
        ]
        assert [image for page in found for image in page] == ["i0", "i1", "i4"]

    def test_a_cursor_holds_hashes_only_where_copies_are_folded(self) -> None:
        search = self.hashed("00000000000000ff", "ffffffff00000000", "00000000000000fe", "")
        plain, folding = (search.text("dog", 2, fold_duplicates=fold) for fold in (False, True))
        assert plain.next is not None and folding.next is not None
        assert (plain.next.hashes, folding.next.hashes) == ((), ("00000000000000ff", "ffffffff00000000"))
        for page, fold in ((plain, True), (folding, False)):
            with pytest.raises(QueryError, match=r"another search: .*folding"):
                search.text("dog", 2, fold_duplicates=fold, after=page.cursor)

    def test_a_plain_search_pages_to_the_end_whatever_hashes_its_images_have(self) -> None:
        world = [CaptionRecord(f"i{one:04}", "a dog", phash=far_apart(one)) for one in range(6_000)]
        found = pages(searcher(MemoryIndex(world)), frozenset({"dog"}), 2_500)
        assert [len(page.hits) for page in found] == [2_500, 2_500, 1_000]
        assert [page.more for page in found] == [True, True, False]

    def test_a_cursor_that_would_be_too_long_is_not_given(self) -> None:
        world = [CaptionRecord(f"i{one:04}", "a dog", phash=far_apart(one)) for one in range(5_000)]
        found = pages(searcher(MemoryIndex(world)), frozenset({"dog"}), 2_400, fold_duplicates=True)
        assert [len(page.hits) for page in found] == [2_400, 2_400]
        assert [(page.exact, page.more) for page in found] == [(True, True), (True, True)]
        assert found[-1].as_json()["more"] is True and "cursor" not in found[-1].as_json()

    def test_what_is_no_hash_folds_nothing(self) -> None:
        assert len(self.hashed("dog", "dog", "", "").text("dog", fold_duplicates=True).hits) == 4


class TestQueries:
    def test_an_indexed_image_is_no_hit_of_itself(self) -> None:
        search = of("a dog runs", "a dog runs", "a cat")
        results = search.image("i0")
        assert [hit.image_id for hit in results.hits] == ["i1"]
        assert results.caption == "a dog runs"
        assert search.count_any_of(results.asked, 1.0, excluded=["i0"]) == 1
        assert search.count_any_of(results.asked, 1.0) == 2

    def test_an_unknown_image(self) -> None:
        with pytest.raises(QueryError, match="no image 'nowhere' in memory"):
            of("a dog").image("nowhere")

    def test_more_like_these_less_like_those(self) -> None:
        search = of("a dog on the beach", "a dog in the snow", "a cat on the beach")
        results = search.blend(["a dog on a beach"], ["the beach"])
        assert results.tokens == ("dog",)
        assert results.caption == "a dog on a beach - the beach"
        results = search.blend([IndexedImage("i0"), "snow"])
        assert results.tokens == ("beach", "dog", "snow")
        assert "i0" not in [hit.image_id for hit in results.hits]

    def test_random_images_have_no_score(self) -> None:
        search = of("a dog", "a cat", "an egg")
        results = search.random(2, seed=1)
        assert len({hit.image_id for hit in results.hits}) == 2
        assert results.tokens == ()
        assert search.random(2, seed=1).hits == results.hits

    @pytest.mark.parametrize("options", [{"k": 0}, {"min_score": 1.5}, {"min_score": float("nan")}])
    def test_options_out_of_range(self, options: dict[str, float]) -> None:
        with pytest.raises(QueryError):
            of("a dog").text("dog", **options)  # type: ignore[arg-type]

    @pytest.mark.parametrize("least", [0.0, -1.0, 1.01, float("nan")])
    def test_a_count_needs_a_threshold(self, least: float) -> None:
        with pytest.raises(QueryError, match="least score"):
            of("a dog").count_any_of([Asked("", frozenset({"dog"}))], least)

    def test_an_index_of_an_unknown_analyzer_is_refused(self) -> None:
        index = MemoryIndex()
        index.analyzer = "klingon/1"
        with pytest.raises(IndexMismatchError, match="unknown analyzer 'klingon/1'"):
            searcher(index)

    def test_an_index_built_anew_with_another_analyzer_is_searched_by_that_one(self, tmp_path: Path) -> None:
        records = [CaptionRecord("i0", "a zebra on grass"), CaptionRecord("i1", "a zebra")]
        with open_index(str(tmp_path / "index"), create=True) as index:
            search = searcher(index)
            for name in ("english/2", "words/1"):
                with index.draft(name, name) as draft:
                    draft.add(records)
                    draft.publish()
                results = search.text("a zebra")
                assert [hit.image_id for hit in results.hits] == ["i1", "i0"]
                assert (results.hits[0].jaccard, results.analyzer) == (1.0, name)

    def test_no_answer_to_tokens_of_another_analyzer(self) -> None:
        class Rebuilt(MemoryIndex):
            def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
                self.analyzer = "words/1"
                return super().candidates_many(queries, limit)

        with pytest.raises(IndexMismatchError, match="built anew with the analyzer words/1"):
            searcher(Rebuilt([CaptionRecord("i0", "dog")], "english/2")).text("dog")

    @pytest.mark.parametrize(
        "ask",
        [
            lambda search, asked: search.any_of(asked),
            lambda search, asked: search.any_of([Asked("a cat", frozenset({"cat"})), *asked]),
            lambda search, asked: search.count_any_of(asked, 1.0),
            lambda search, asked: search.count_any_of(asked, 1.0, excluded=["i0"]),
        ],
        ids=["search", "search beside others", "count", "count but one"],
    )
    def test_tokens_keep_their_analyzer_when_the_index_learns_of_another(
        self, ask: Callable[[Searcher, Sequence[Asked]], object]
    ) -> None:
        index = MemoryIndex([CaptionRecord("i0", "a zebra on grass"), CaptionRecord("i1", "a zebra")])
        search = searcher(index)
        asked = analysed(index, ["a zebra"])
        index.analyzer = "words/1"  # as a look at anything else makes it known, also in another thread
        with pytest.raises(IndexMismatchError, match="built anew with the analyzer words/1"):
            ask(search, asked)

    def test_tokens_without_an_analyzer_are_of_the_one_that_the_index_has_when_they_are_given(self) -> None:
        index = MemoryIndex([CaptionRecord("i0", "dogs")], "words/1")
        search, dogs = searcher(index), Asked("dogs", frozenset({"dogs"}))
        for results in (search.tokens({"dogs"}), search.any_of([dogs])):
            assert (results.hits[0].jaccard, results.asked[0].analyzer) == (1.0, "words/1")
        assert search.count_any_of([dogs], 1.0) == 1

    def test_the_indexs_analyzer_makes_the_query(self) -> None:
        index = MemoryIndex([CaptionRecord("i0", "Dogs run.")], "seed/1")
        [hit] = searcher(index).text("the dogs run.").hits
        assert (hit.shared, hit.missing, hit.extra) == (("dogs", "run."), ("the",), ())


class TestPhotos:
    @pytest.fixture
    def folder(self, photos: Path, tmp_path: Path) -> Path:
        for name, words in (("chelsea.png", "a-cat"), ("coffee.png", "a-cup-of-coffee")):
            (tmp_path / f"{words}.png").write_bytes((photos / name).read_bytes())
        (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        return tmp_path

    def test_a_photo_is_searched_by_its_caption(self, folder: Path) -> None:
        results = of("a cat", "a dog").similar(folder / "a-cat.png")
        assert results.caption == "a cat"
        assert [(hit.image_id, hit.jaccard) for hit in results.hits] == [("i0", 1.0)]

    def test_captions_are_written_by_the_models_usual_beam(self, folder: Path) -> None:
        asked: list[int | None] = []

        class Watched(NamingCaptioner):
            def stream(
                self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
            ) -> Iterator[Captioned]:
                asked.append(beam)
                return super().stream(photos, beam=beam, captions=captions)

        search, photo = Searcher(MemoryIndex([CaptionRecord("cat", "a cat")]), Watched), folder / "a-cat.png"
        search.caption(photo), search.similar(photo), list(search.similar_many([photo]))
        assert asked == [None, None, None]

    def test_a_bad_photo_says_why(self, folder: Path) -> None:
        with pytest.raises(PhotoError, match=r"broken\.png"):
            of("a cat").similar(folder / "broken.png")

    def test_many_photos_and_a_bad_one(self, folder: Path) -> None:
        given_photos = [folder / "a-cat.png", folder / "broken.png", folder / "a-cup-of-coffee.png"]
        answers = list(of("a cat", "coffee").similar_many(given_photos))
        assert [answer.name for answer in answers] == [str(photo) for photo in given_photos]
        assert [answer.results and [hit.image_id for hit in answer.results.hits] for answer in answers] == [
            ["i0"],
            None,
            ["i1"],
        ]
        assert answers[1].error
        assert "broken.png" in answers[1].error

    def test_several_queries_go_to_the_engine_together(self, folder: Path) -> None:
        index = MemoryIndex([CaptionRecord("i0", "a cat"), CaptionRecord("i1", "coffee")])
        assert (
            len(list(searcher(index).similar_many([folder / "a-cat.png", folder / "a-cup-of-coffee.png"])))
            == 2
        )
        assert index.asked == 1

    def test_the_captioner_is_loaded_once_and_only_for_a_photo(self, folder: Path) -> None:
        loaded: list[NamingCaptioner] = []

        def load() -> NamingCaptioner:
            loaded.append(NamingCaptioner())
            return loaded[-1]

        search = Searcher(MemoryIndex([CaptionRecord("i0", "a cat")]), load)
        search.text("a cat")
        search.image("i0")
        assert not loaded
        search.similar(folder / "a-cat.png")
        search.similar(folder / "a-cat.png")
        assert len(loaded) == 1


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
            for allowed in (NO_FILTERS, Filters({"source": ("coco",)})):
                mine = pages(real, frozenset(query), 2, filters=allowed)
                theirs = pages(reference, frozenset(query), 2, filters=allowed)
                assert _scores(mine) == _scores(theirs)
                assert all(page.exact for page in mine)
                if query:
                    asked = [Asked("", frozenset(query))]
                    expected = reference.count_any_of(asked, 0.3, allowed)
                    assert real.count_any_of(asked, 0.3, allowed) == expected
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
            expected = reference.count_any_of(asked, 0.2, excluded=excluded)
            assert real.count_any_of(asked, 0.2, excluded=excluded) == expected
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
