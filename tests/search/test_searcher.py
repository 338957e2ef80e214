"""Searcher: answers equal brute force, and nothing is claimed without proof."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import PhotoError
from indexer.contract import View
from indexer.errors import IndexMismatchError, IndexUnavailableError
from indexer.index import open_index
from indexer.records import Candidates, CaptionRecord, Document, Query
from search.asked import Asked, analysed
from search.errors import QueryError
from search.photo_question import IndexedImage
from search.searcher import Searcher
from search.unknown import MOST
from tests.indexer.memory import MemoryIndex
from tests.search.asking import any_of, count_any_of
from tests.search.worlds import (
    ANALYZER,
    Case,
    EvasiveIndex,
    NamingCaptioner,
    cases,
    queries,
    records,
    searcher,
    searcher_of,
    worlds,
)


class NotingKnown(MemoryIndex):
    """Notes which tokens it was asked of."""

    def __init__(self, records: Iterable[CaptionRecord]) -> None:
        super().__init__(records, ANALYZER)
        self.doubted: list[frozenset[str]] = []

    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        self.doubted.append(frozenset(tokens))
        return super().known(tokens)


class TestExact:
    @given(cases)
    def test_the_answer_is_brute_force(self, case: Case) -> None:
        results = searcher(case.index).tokens(case.query, case.k, filters=case.allowed, min_score=case.least)
        truth = case.truth
        assert results.exact
        assert [hit.jaccard for hit in results.hits] == sorted(truth.values(), reverse=True)[: case.k]
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
        assert replace(during, took_ms=0.0, engine_ms=0.0) == replace(before, took_ms=0.0, engine_ms=0.0)

    def test_what_cannot_be_proved_is_not_called_exact(self) -> None:
        results = searcher(EvasiveIndex([CaptionRecord("i0", "dog"), CaptionRecord("i1", "dog cat")])).text(
            "dog cat"
        )
        assert not results.exact
        assert not results.as_json()["exact"]

    def test_words_that_no_caption_has_are_named(self) -> None:
        index = NotingKnown(
            [CaptionRecord("1", "dog beach", source="coco"), CaptionRecord("2", "cat", source="web")]
        )
        search = searcher(index)
        results = search.text("dog dgo cat", 1, filters={"source": ("coco",)})
        assert results.unknown == {"dgo"}
        assert results.as_json()["query"]["unknown"] == ["dgo"]
        assert index.doubted == [{"dgo", "cat"}]
        further = search.texts(["cat dgo", "dog egg"], 1)
        assert further.unknown == {"dgo", "egg"}
        assert search.texts(["cat dgo", "dog egg"], 1, after=further.cursor).unknown == frozenset()

    def test_a_word_that_was_held_a_moment_ago_is_not_asked_for_again(self) -> None:
        index = NotingKnown([CaptionRecord("1", "dog"), CaptionRecord("2", "cat")])
        search = searcher(index)
        assert [search.text("dog cat dgo", 1).unknown for _ in range(2)] == [{"dgo"}, {"dgo"}]
        assert index.doubted == [{"dgo", "cat"}, {"dgo"}]

    def test_barred_words_that_no_caption_has_are_named(self) -> None:
        search = searcher(NotingKnown([CaptionRecord("1", "dog beach")]))
        assert search.text("dog", without=["beech", "beach"]).unknown == {"beech"}

    def test_an_index_that_cannot_tell_spoils_no_answer(self) -> None:
        class Failing(NotingKnown):
            def known(self, tokens: Iterable[str]) -> frozenset[str]:
                raise IndexUnavailableError("no answer")

        results = searcher(Failing([CaptionRecord("1", "dog")])).text("dog dgo")
        assert (len(results.hits), results.unknown) == (1, frozenset())

    def test_an_index_is_not_asked_of_hundreds_of_words(self) -> None:
        index = NotingKnown([CaptionRecord("1", "dog")])
        strange = " ".join(f"w{number}" for number in range(MOST + 1))
        assert (searcher(index).text(f"dog {strange}").unknown, index.doubted) == (frozenset(), [])

    def test_a_search_whose_words_are_all_found_asks_nothing_more(self) -> None:
        index = NotingKnown([CaptionRecord("1", "dog beach"), CaptionRecord("2", "cat")])
        results = searcher(index).text("dog cat")
        assert (results.unknown, index.doubted) == (frozenset(), [])
        assert "unknown" not in results.as_json()["query"]

    def test_words_unknown_to_the_index_count(self) -> None:
        [hit] = searcher_of("a dog").text("a dog zyzzyva").hits
        assert (hit.overlap, hit.union, hit.missing) == (1, 2, ("zyzzyva",))

    @pytest.mark.parametrize("caption", ["", "   ", "of the", "!?"])
    def test_nothing_to_search_for_finds_nothing(self, caption: str) -> None:
        results = searcher_of("a dog", "").text(caption)
        assert (results.hits, results.tokens, results.exact, results.cursor) == ((), (), True, None)

    def test_a_caption_of_ten_thousand_words(self) -> None:
        results = searcher_of("a dog").text("dog " + " ".join(f"w{number}" for number in range(10_000)))
        assert results.hits[0].union == 10_001


class TestQueries:
    def test_an_indexed_image_is_no_hit_of_itself(self) -> None:
        search = searcher_of("a dog runs", "a dog runs", "a cat")
        results = search.image("i0")
        assert [hit.image_id for hit in results.hits] == ["i1"]
        assert results.caption == "a dog runs"
        assert count_any_of(search, results.asked, 1.0, excluded=["i0"]) == 1
        assert count_any_of(search, results.asked, 1.0) == 2

    def test_an_unknown_image(self) -> None:
        with pytest.raises(QueryError, match="no image 'nowhere' in memory"):
            searcher_of("a dog").image("nowhere")

    def test_more_like_these_less_like_those(self) -> None:
        search = searcher_of("a dog on the beach", "a dog in the snow", "a cat on the beach")
        results = search.blend(["a dog on a beach"], ["the beach"])
        assert results.tokens == ("dog",)
        assert results.caption == "a dog on a beach - the beach"
        results = search.blend([IndexedImage("i0"), "snow"])
        assert results.tokens == ("beach", "dog", "snow")
        assert "i0" not in [hit.image_id for hit in results.hits]

    def test_random_images_have_no_score(self) -> None:
        search = searcher_of("a dog", "a cat", "an egg")
        results = search.random(2, seed=1)
        assert len({hit.image_id for hit in results.hits}) == 2
        assert results.tokens == ()
        assert search.random(2, seed=1).hits == results.hits

    @pytest.mark.parametrize("options", [{"k": 0}, {"min_score": 1.5}, {"min_score": float("nan")}])
    def test_options_out_of_range(self, options: dict[str, Any]) -> None:
        with pytest.raises(QueryError):
            searcher_of("a dog").text("dog", **options)

    @pytest.mark.parametrize("least", [0.0, -1.0, 1.01, float("nan")])
    def test_a_count_needs_a_threshold(self, least: float) -> None:
        with pytest.raises(QueryError, match="least score"):
            count_any_of(searcher_of("a dog"), [Asked("", frozenset({"dog"}))], least)

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

        with pytest.raises(IndexMismatchError, match="analyzer is words/1, and english/2 made"):
            searcher(Rebuilt([CaptionRecord("i0", "dog")], "english/2")).text("dog")

    @pytest.mark.parametrize(
        "ask",
        [
            lambda search, asked: any_of(search, asked),
            lambda search, asked: any_of(search, [Asked("a cat", frozenset({"cat"})), *asked]),
            lambda search, asked: count_any_of(search, asked, 1.0),
            lambda search, asked: count_any_of(search, asked, 1.0, excluded=["i0"]),
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
        with pytest.raises(IndexMismatchError, match="analyzer is words/1, and english/1 made"):
            ask(search, asked)

    def test_tokens_without_an_analyzer_are_of_the_one_that_the_index_has_when_they_are_given(self) -> None:
        index = MemoryIndex([CaptionRecord("i0", "dogs")], "words/1")
        search, dogs = searcher(index), Asked("dogs", frozenset({"dogs"}))
        for results in (search.tokens({"dogs"}), any_of(search, [dogs])):
            assert (results.hits[0].jaccard, results.asked[0].analyzer) == (1.0, "words/1")
        assert count_any_of(search, [dogs], 1.0) == 1

    def test_the_indexs_analyzer_makes_the_query(self) -> None:
        index = MemoryIndex([CaptionRecord("i0", "Dogs run.")], "seed/1")
        [hit] = searcher(index).text("the dogs run.").hits
        assert (hit.shared, hit.missing, hit.extra) == (("dogs", "run."), ("the",), ())


class TestWithout:
    CAPTIONS = ("a dog in the snow", "a black dog in the snow", "a puppy in the snow", "snow")

    @pytest.fixture
    def search(self) -> Searcher:
        texts = enumerate(self.CAPTIONS)
        return searcher(
            MemoryIndex([CaptionRecord(f"i{number}", text) for number, text in texts], "english/2")
        )

    @pytest.mark.parametrize(
        ("without", "left"),
        [
            (["black"], ["i0", "i2", "i3"]),
            (["Blacks", "puppies"], ["i0", "i3"]),
            (["a black puppy"], ["i0", "i3"]),
            (["dog"], ["i2", "i3"]),  # a puppy implies one
            (["puppy"], ["i0", "i1", "i3"]),
            (["zebra"], ["i0", "i1", "i2", "i3"]),
            (["snow"], []),
        ],
    )
    def test_no_caption_with_such_a_word_answers(
        self, search: Searcher, without: list[str], left: list[str]
    ) -> None:
        results = search.text("a dog in the snow", without=iter(without))
        assert sorted(hit.image_id for hit in results.hits) == left
        assert results.exact and results.filtered and results.excluded_tokens
        assert count_any_of(search, results.asked, 0.01, without=without) == len(left)
        assert sorted(hit.image_id for hit in search.random(9, without=without).hits) == left

    def test_another_caption_of_the_image_may_answer(self) -> None:
        search = searcher_of("a black dog")
        search.index.add([CaptionRecord("i0", "a dog")])
        [hit] = search.text("a black dog", without=["black"]).hits
        assert hit.caption == "a dog"

    def test_a_cursor_belongs_to_the_words_done_without(self, search: Searcher) -> None:
        cursor = search.text("snow", 1, without=["black"]).cursor
        second = search.text("snow", 9, without=["black"], after=cursor)
        assert [hit.rank for hit in second.hits] == [2, 3]
        with pytest.raises(QueryError, match="belongs to another search"):
            search.text("snow", 9, after=cursor)

    @pytest.mark.parametrize("words", ["the", "", "of the"])
    def test_words_that_do_not_count_keep_nothing_away(self, search: Searcher, words: str) -> None:
        with_them = search.text("a dog", without=["black", words])
        assert with_them.hits == search.text("a dog", without=["black"]).hits
        assert (with_them.excluded_tokens, with_them.ignored_words) == (frozenset({"black"}), (words,))
        assert with_them.as_json()["query"]["idle_without"] == [words]
        alone = search.text("a dog", without=[words])
        assert (alone.hits, alone.filtered) == (search.text("a dog").hits, False)
        drawn = search.random(without=[words])
        assert (len(drawn.hits), drawn.ignored_words) == (len(search.random().hits), (words,))
        asked = [Asked("dog", frozenset({"dog"}))]
        assert count_any_of(search, asked, 0.1, without=[words]) == count_any_of(search, asked, 0.1) > 0

    def test_no_answer_without_tokens_of_another_analyzer(self) -> None:
        class Rebuilt(MemoryIndex):
            def random(self, *given: Any, **options: Any) -> Sequence[Document]:
                self.analyzer = "words/1"
                return super().random(*given, **options)

        search = searcher(Rebuilt([CaptionRecord("i0", "dogs")], "english/2"))
        with pytest.raises(IndexMismatchError, match="analyzer is words/1, and english/2 made"):
            search.random(without=["dogs"])

    def test_examples_that_take_no_word_out_are_named(self) -> None:
        search = searcher_of("a dog in the snow")
        for unlike, ignored in (
            (["snow"], ()),
            (["black", "a black beach"], ("black", "a black beach")),
            (["snow", "snow on a beach", "black"], ("black",)),
        ):
            assert search.blend(["a dog", "snow"], unlike).ignored_examples == ignored
        # All that is liked is of snow, and half of what is not.
        assert search.blend(["snow"], ["snow", "black"]).ignored_examples == ("snow", "black")
        assert (
            search.blend(["a dog"], ["a dog"]).ignored_examples == search.text("a dog").ignored_examples == ()
        )


class TestPhotos:
    @pytest.fixture
    def folder(self, photos: Path, tmp_path: Path) -> Path:
        for name, words in (("chelsea.png", "a-cat"), ("coffee.png", "a-cup-of-coffee")):
            (tmp_path / f"{words}.png").write_bytes((photos / name).read_bytes())
        (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        return tmp_path

    def test_a_photo_is_searched_by_its_caption(self, folder: Path) -> None:
        results = searcher_of("a cat", "a dog").similar(folder / "a-cat.png")
        assert results.caption == "a cat"
        assert [(hit.image_id, hit.jaccard) for hit in results.hits] == [("i0", 1.0)]

    def test_captions_are_written_by_the_models_usual_beam(self, folder: Path) -> None:
        captioner, photo = NamingCaptioner(), folder / "a-cat.png"
        search = Searcher(MemoryIndex([CaptionRecord("cat", "a cat")]), lambda: captioner)
        search.caption(photo), search.similar(photo), list(search.similar_many([photo]))
        assert captioner.beams == [None, None, None]

    def test_a_bad_photo_says_why(self, folder: Path) -> None:
        with pytest.raises(PhotoError, match=r"broken\.png"):
            searcher_of("a cat").similar(folder / "broken.png")

    def test_many_photos_and_a_bad_one(self, folder: Path) -> None:
        given_photos = [folder / "a-cat.png", folder / "broken.png", folder / "a-cup-of-coffee.png"]
        answers = list(searcher_of("a cat", "coffee").similar_many(given_photos))
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
