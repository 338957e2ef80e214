"""A search for several captions at once: the best of them counts, exactly, on every page and engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import Unpack

from captioner.errors import ModelError
from indexer.index import open_index
from indexer.records import NO_FILTERS, Candidates, CaptionRecord, Filters, Query
from search.asked import Asked, analysed
from search.errors import QueryError
from search.hits import Results
from search.jaccard import explain, similarity
from search.searcher import Searcher
from search.wanted import Options
from tests.indexer.memory import MemoryIndex, best_of_images
from tests.jaccard import jaccard
from tests.search.asking import any_of, count_any_of
from tests.search.worlds import (
    ANALYZER,
    Engine,
    EvasiveIndex,
    NamingCaptioner,
    check_all_pages,
    engines,
    filters,
    queries,
    records,
    searcher,
    worlds,
)

Sets = list[frozenset[str]]

several = st.lists(queries, min_size=1, max_size=5)
least_scores = st.sampled_from([0.0, 0.25, 0.5, 1.0])


def asked(sets: Sets) -> list[Asked]:
    return [Asked(f"caption {number}", tokens) for number, tokens in enumerate(sets)]


def ask(search: Searcher, sets: Sets, k: int, **options: Unpack[Options]) -> Results:
    return any_of(search, asked(sets), k, **options)


def pages(search: Searcher, sets: Sets, sizes: Sequence[int], **options: Unpack[Options]) -> list[Results]:
    """All pages; their sizes are taken in turn."""
    found = [ask(search, sets, sizes[0], **options)]
    while cursor := found[-1].cursor:
        options["after"] = cursor
        found.append(ask(search, sets, sizes[len(found) % len(sizes)], **options))
    return found


def ids(found: Sequence[Results]) -> list[str]:
    return [hit.image_id for page in found for hit in page.hits]


class TestExact:
    @given(engines, worlds, several, st.integers(1, 6), filters, least_scores)
    def test_the_answer_is_brute_force(
        self, engine: Engine, world: list[CaptionRecord], sets: Sets, k: int, allowed: Filters, least: float
    ) -> None:
        index = engine(world, ANALYZER)
        results = ask(searcher(index), sets, k, filters=allowed, min_score=least)
        truth = best_of_images(index, sets, allowed, least)
        assert results.exact
        assert [hit.jaccard for hit in results.hits] == sorted(truth.values(), reverse=True)[:k]
        assert {hit.image_id: hit.jaccard for hit in results.hits}.items() <= truth.items()

    @given(worlds, several, st.integers(1, 6))
    def test_a_hit_is_explained_by_the_caption_that_it_matches_best(
        self, world: list[CaptionRecord], sets: Sets, k: int
    ) -> None:
        index = MemoryIndex(world, ANALYZER)
        for hit in ask(searcher(index), sets, k).hits:
            theirs = index.documents[hit.record.document_id].tokens
            assert hit.asked.tokens in sets
            assert hit.similarity == similarity(hit.asked.tokens, theirs)
            assert hit.explanation == explain(hit.asked.tokens, theirs)
            assert hit.jaccard == max(jaccard(tokens, theirs) for tokens in sets)

    @given(engines, worlds, several, st.integers(1, 9), st.integers(1, 9))
    def test_a_shorter_answer_is_the_beginning_of_a_longer_one(
        self, engine: Engine, world: list[CaptionRecord], sets: Sets, k: int, more: int
    ) -> None:
        # Ties too: which of equal hits comes first does not depend on how far the engine was asked.
        search = searcher(engine(world, ANALYZER))
        assert ids([ask(search, sets, k)]) == ids([ask(search, sets, k + more)])[:k]

    @given(engines, worlds, queries, st.integers(1, 6), filters)
    def test_the_same_words_again_change_nothing(
        self, engine: Engine, world: list[CaptionRecord], query: frozenset[str], k: int, allowed: Filters
    ) -> None:
        search = searcher(engine(world, ANALYZER))
        once = search.tokens(query, k, filters=allowed)
        again = any_of(search, [Asked(once.caption, query), Asked("again", query)], k, filters=allowed)
        assert (again.hits, again.cursor, again.asked) == (once.hits, once.cursor, once.asked)
        assert again.as_json().keys() == once.as_json().keys()

    @given(engines, worlds, several, st.sampled_from([0.2, 0.25, 0.5, 1.0]), filters)
    def test_the_count_is_brute_force(
        self, engine: Engine, world: list[CaptionRecord], sets: Sets, least: float, allowed: Filters
    ) -> None:
        index = engine(world, ANALYZER)
        truth = best_of_images(index, sets, allowed, least)
        search = searcher(index)
        assert count_any_of(search, asked(sets), least, allowed) == len(truth)
        left_out = count_any_of(search, asked(sets), least, allowed, excluded=["i0", "i1"])
        assert left_out == len(truth.keys() - {"i0", "i1"})

    def test_all_captions_go_to_the_engine_together(self) -> None:
        index = MemoryIndex([CaptionRecord("i0", "a cat"), CaptionRecord("i1", "a dog")])
        results = searcher(index).texts(["a cat", "a dog", "an egg"])
        assert (len(results.hits), index.asked) == (2, 1)

    def test_only_a_caption_that_is_not_settled_is_asked_further(self) -> None:
        # One image has more good captions than the first question asks for, but only for one of the sets.
        crowd = [CaptionRecord("crowd", f"dog cat {word}") for word in "abcdefghijkl"]
        index = CountingIndex([*crowd, CaptionRecord("late", "dog"), CaptionRecord("egg", "egg")], ANALYZER)
        results = ask(searcher(index), [frozenset({"dog", "cat"}), frozenset({"egg", "hat"})], 3)
        assert ids([results]) == ["crowd", "egg", "late"]
        assert index.sizes == [2, 1]

    def test_what_cannot_be_proved_is_not_called_exact(self) -> None:
        index = EvasiveIndex([CaptionRecord("i0", "dog"), CaptionRecord("i1", "dog cat")])
        assert not searcher(index).texts(["dog cat", "cat"]).exact

    def test_a_caption_without_words_asks_nothing(self) -> None:
        search = searcher(MemoryIndex([CaptionRecord("i0", "a dog")]))
        results = search.texts(["of the", "a dog"])
        assert (results.caption, results.tokens, ids([results])) == ("a dog", ("dog",), ["i0"])
        nothing = search.texts(["of the", "", "with"])
        assert (nothing.caption, nothing.tokens, nothing.hits, nothing.exact) == ("of the", (), (), True)

    def test_no_caption_at_all(self) -> None:
        with pytest.raises(QueryError, match="at least one caption"):
            searcher(MemoryIndex()).texts([])


class TestPages:
    @given(
        engines,
        worlds,
        several,
        st.lists(st.integers(1, 4), min_size=1, max_size=3),
        filters,
        st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0]),
    )
    def test_all_pages_together_are_the_whole_answer(
        self,
        engine: Engine,
        world: list[CaptionRecord],
        sets: Sets,
        sizes: list[int],
        allowed: Filters,
        least: float,
    ) -> None:
        index = engine(world, ANALYZER)
        search = searcher(index)
        found = pages(search, sets, sizes, filters=allowed, min_score=least)
        check_all_pages(found, best_of_images(index, sets, allowed, least))
        assert ids(found) == ids([ask(search, sets, 100, filters=allowed, min_score=least)])

    @given(
        engines,
        worlds,
        st.lists(records, max_size=6),
        st.sets(st.sampled_from(["i1", "i4"])),
        several,
        st.integers(1, 3),
    )
    def test_captions_that_come_and_go_between_pages_repeat_nothing_and_lose_nothing_else(
        self,
        engine: Engine,
        world: list[CaptionRecord],
        added: list[CaptionRecord],
        deleted: set[str],
        sets: Sets,
        k: int,
    ) -> None:
        index = engine(world, ANALYZER)
        search = searcher(index)
        untouched = best_of_images(index, sets).keys() - {record.image_id for record in added} - deleted
        found = [ask(search, sets, k)]
        index.add(added)
        index.delete(deleted)
        while cursor := found[-1].cursor:
            found.append(ask(search, sets, k, after=cursor))
        assert len(ids(found)) == len(set(ids(found)))
        assert untouched <= set(ids(found))

    @given(engines, st.lists(st.tuples(records, st.integers(0, 3)), max_size=40), several, st.integers(1, 4))
    def test_near_copies_stay_folded_over_pages(
        self, engine: Engine, world: list[tuple[CaptionRecord, int]], sets: Sets, k: int
    ) -> None:
        # Four pictures far apart; every image has one of them, or none that is known.
        pictures = ["", "00ff00ff00ff00ff", "ffff0000ffff0000", "0f0ff0f00f0ff0f0"]
        picture = {record.image_id: pictures[number] for record, number in world}
        index = engine(
            [CaptionRecord(one.image_id, one.caption, phash=picture[one.image_id]) for one, _ in world],
            ANALYZER,
        )
        search = searcher(index)
        whole = ask(search, sets, 100, fold_duplicates=True)
        found = pages(search, sets, [k], fold_duplicates=True)
        truth = best_of_images(index, sets)
        assert ids(found) == ids([whole])
        assert all(page.exact for page in found)
        shown = [picture[image] for image in ids(found) if picture[image]]
        assert len(shown) == len(set(shown))
        copies = {image for hit in whole.hits for image in hit.duplicates}
        assert copies | set(ids([whole])) == truth.keys()
        assert all(truth[hit.image_id] >= truth[copy] for hit in whole.hits for copy in hit.duplicates)

    @given(
        engines,
        st.lists(st.tuples(records, st.sampled_from(["", "00ff00ff00ff00ff"])), max_size=80),
        several,
        st.integers(1, 4),
        filters,
        least_scores,
        st.booleans(),
    )
    def test_how_much_an_engine_gives_at_once_changes_no_page(
        self,
        engine: Engine,
        world: list[tuple[CaptionRecord, str]],
        sets: Sets,
        k: int,
        allowed: Filters,
        least: float,
        fold: bool,
    ) -> None:
        search = searcher(engine([replace(one, phash=phash) for one, phash in world], ANALYZER))
        wanted: Options = {"filters": allowed, "min_score": least, "fold_duplicates": fold}
        at_once = pages(search, sets, [k], **wanted)
        with pytest.MonkeyPatch.context() as little_by_little:
            little_by_little.setattr("search.pursuit.MOST", 10)
            found = pages(search, sets, [k], **wanted)
        assert [(page.hits, page.exact, page.more) for page in found] == [
            (page.hits, page.exact, page.more) for page in at_once
        ]

    def test_an_answer_that_ends_before_one_as_good_by_another_caption(self) -> None:
        # On the second page, what comes for "cat" are captions of an image that was shown: a is not seen yet.
        crowd = [CaptionRecord("0", "cat hat", model=model) for model in ("m1", "m2", "m3", "m4")]
        others = [CaptionRecord("0", "dog"), CaptionRecord("a", "cat hat"), CaptionRecord("z", "dog egg")]
        search = searcher(MemoryIndex([*crowd, *others], ANALYZER))
        found = pages(search, [frozenset({"dog"}), frozenset({"cat"})], [1])
        assert ids(found) == ["0", "a", "z"]
        assert all(page.exact for page in found)

    def test_a_cursor_belongs_to_its_captions(self) -> None:
        search = searcher(MemoryIndex([CaptionRecord(f"i{n}", f"dog cat w{n}") for n in range(5)]))
        cursor = search.texts(["a dog", "a cat"], 2).cursor
        assert len(search.texts(["a dog", "a cat"], 9, after=cursor).hits) == 3
        for other in (["a dog"], ["a cat", "a dog"], ["a dog", "a cat", "an egg"]):
            with pytest.raises(QueryError, match="another search"):
                search.texts(other, 2, after=cursor)


class TestPhotos:
    @pytest.fixture
    def photo(self, photos: Path, tmp_path: Path) -> Path:
        """A real photo that is captioned "a dog", "a dog runs", "a cat" and "an egg"."""
        path = tmp_path / "a-dog+a-dog-runs+a-cat+an-egg.png"
        path.write_bytes((photos / "chelsea.png").read_bytes())
        return path

    @pytest.fixture
    def index(self) -> MemoryIndex:
        return MemoryIndex(
            [CaptionRecord("cat", "a cat"), CaptionRecord("run", "dogs run"), CaptionRecord("egg", "eggs")]
        )

    @pytest.mark.parametrize(
        ("beam", "captions", "asked"),
        [
            (3, 1, ["a dog"]),
            (1, 1, ["a dog"]),
            (3, 3, ["a dog", "a dog runs", "a cat"]),
            (1, 2, ["a dog", "a dog runs"]),
            (3, 4, ["a dog", "a dog runs", "a cat", "an egg"]),
        ],
    )
    def test_it_is_searched_for_by_as_many_as_the_searcher_says(
        self, photo: Path, index: MemoryIndex, beam: int, captions: int, asked: list[str]
    ) -> None:
        search = Searcher(index, NamingCaptioner, beam, captions)
        [answer] = search.similar_many([photo])
        assert answer.results is not None
        for results in (search.similar(photo), answer.results):
            assert [one.caption for one in results.asked] == asked
            assert results.caption == "a dog"

    def test_the_object_says_which_caption_found_what(self, photo: Path, index: MemoryIndex) -> None:
        answer = Searcher(index, NamingCaptioner, captions=3).similar(photo).as_json()
        assert answer["query"] == {
            "caption": "a dog",
            "tokens": ["dog"],
            "captions": [
                {"caption": "a dog", "tokens": ["dog"]},
                {"caption": "a dog runs", "tokens": ["dog", "run"]},
                {"caption": "a cat", "tokens": ["cat"]},
            ],
        }
        found = [(hit["image_id"], hit["query_caption"], hit["jaccard"]) for hit in answer["hits"]]
        assert found == [("cat", "a cat", 1.0), ("run", "a dog runs", 1.0)]
        assert answer["hits"][1]["missing"] == []

    def test_one_caption_gives_the_contracts_object(self, photo: Path, index: MemoryIndex) -> None:
        answer = Searcher(index, NamingCaptioner, captions=1).similar(photo).as_json()
        assert answer["query"] == {"caption": "a dog", "tokens": ["dog"]}
        assert "query_caption" not in answer["hits"][0]

    def test_many_photos_are_still_one_request(self, photo: Path, index: MemoryIndex) -> None:
        answers = list(Searcher(index, NamingCaptioner, captions=3).similar_many([photo] * 5))
        assert [len(answer.results.hits) for answer in answers if answer.results] == [2] * 5
        assert index.asked == 1

    @pytest.mark.parametrize("effort", [{"captions": 0}, {"captions": 51}, {"beam": 0}])
    def test_what_no_captioner_does_is_refused_at_once(self, effort: dict[str, int]) -> None:
        with pytest.raises(ModelError, match="not possible"):
            Searcher(MemoryIndex(), NamingCaptioner, **effort)


class CountingIndex(MemoryIndex):
    """Notes how many queries come with each request."""

    def __init__(self, records: list[CaptionRecord], analyzer_name: str) -> None:
        self.sizes: list[int] = []
        super().__init__(records, analyzer_name)

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        self.sizes.append(len(queries))
        return super().candidates_many(queries, limit)


class TestEngines:
    """The same on the real engines, against the reference."""

    WORDS = ("dog", "beach", "sofa", "cat", "wave", "man", "frisbee")

    @pytest.fixture
    def both(self, fresh_where: str) -> tuple[Searcher, Searcher]:
        """Every subset of three of seven words is a caption, and many a tie."""
        made = [
            CaptionRecord(
                f"i{(7 * one + 3 * two + three) % 23:02}",
                " ".join({self.WORDS[one], self.WORDS[two], self.WORDS[three]}),
                source="coco" if one % 2 else "folder",
                phash=f"{0x0123456789ABCDEF ^ (one + two + three) % 5 * 0x1111111111111111:016x}",
            )
            for one in range(7)
            for two in range(one, 7)
            for three in range(two, 7)
        ]
        index = open_index(fresh_where, create=True)
        index.add(made)
        return searcher(index), searcher(MemoryIndex(made, index.analyzer))

    def test_pages_scores_filters_and_counts_agree(self, both: tuple[Searcher, Searcher]) -> None:
        real, reference = both
        assert isinstance(reference.index, MemoryIndex)
        for texts in (
            ["a dog on the beach", "a man on a beach"],
            ["a dog", "a cat", "a sofa"],
            ["a man rides a wave", "a wave", "unknown words", "a frisbee and a dog", "the beach"],
        ):
            sets = [one.tokens for one in analysed(real.index, texts)]
            for allowed in (NO_FILTERS, Filters({"source": ("coco",)})):
                truth = best_of_images(reference.index, sets, allowed)
                for size in (1, 4, 100):
                    found = pages(real, sets, [size], filters=allowed)
                    hits = [hit for page in found for hit in page.hits]
                    assert {hit.image_id: hit.jaccard for hit in hits} == truth
                    assert [hit.jaccard for hit in hits] == sorted(truth.values(), reverse=True)
                    assert all(page.exact for page in found)
                    assert ids(found) == ids([ask(real, sets, 100, filters=allowed)])
                counted = count_any_of(real, asked(sets), 0.4, allowed)
                assert counted == sum(score >= 0.4 for score in truth.values()) > 0
            folded = pages(real, sets, [2], fold_duplicates=True)
            assert ids(folded) == ids([ask(real, sets, 100, fold_duplicates=True)])
            assert len(ids(folded)) == 5
        real.close()
