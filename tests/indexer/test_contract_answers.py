"""What CaptionIndex promises to answer, once for both engines, against brute force over all captions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.contract import CaptionIndex
from indexer.errors import IndexerError
from indexer.index import open_index
from indexer.records import Candidate, Candidates, CaptionRecord, Document, Filters, Position, Query
from tests.conftest import remove_indices
from tests.indexer.memory import MemoryIndex
from tests.indexer.oracle import ANALYZER, RECORDS, WORDS, check_answer, ranked, record, scores, tokens
from tests.jaccard import jaccard


@pytest.fixture(
    scope="module",
    params=["memory", "embedded", pytest.param("elasticsearch", marks=pytest.mark.elasticsearch)],
)
def library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CaptionIndex]:
    """All records, for tests that only read: in two parts, with a deleted one, on either engine; or plain."""
    if request.param == "memory":  # what tests of searching take for the truth
        yield MemoryIndex(RECORDS, ANALYZER)
        return
    url, name = "", f"test-{uuid.uuid4().hex[:12]}"
    where = str(tmp_path_factory.mktemp("library") / "index")
    if request.param == "elasticsearch":
        url = request.getfixturevalue("elasticsearch_url")
        where = f"{url}/{name}"
    with open_index(where, create=True) as opened:
        with opened.draft("library", ANALYZER) as draft:
            draft.add([*RECORDS[:5], record("gone", "A dog runs on a beach")])
            draft.publish()
        opened.add(RECORDS[5:])
        opened.delete(["gone"])
        yield opened
    if url:
        remove_indices(url, name)


class TestStatus:
    def test_the_count_of_captions_is_that_of_the_status(self, library: CaptionIndex) -> None:
        assert library.caption_count() == library.status().captions == len(RECORDS)

    def test_a_place_without_an_index_has_no_captions(self, index: CaptionIndex) -> None:
        assert index.caption_count() == index.view().known_count == 0
        index.add(RECORDS[:1])
        assert index.view().known_count in (1, None)

    def test_it_counts_by_source_kind_and_model(self, library: CaptionIndex) -> None:
        status = library.status()
        assert status.analyzer == ANALYZER
        assert status.where == library.where
        assert (status.captions, status.images) == (9, 8)
        assert status.sources == {"coco": 5, "folder": 1, "scraped": 3}
        assert status.kinds == {"generated": 2, "reference": 7}
        assert status.models == {"default@12345678": 2}
        assert status.bytes > 0

    def test_it_names_the_engine_as_the_index_does(self, filled: CaptionIndex, fresh_where: str) -> None:
        assert filled.engine == filled.status().engine
        assert filled.engine == ("elasticsearch" if "://" in fresh_where else "embedded")

    def test_a_whole_index_has_nothing_to_complain_of(self, library: CaptionIndex) -> None:
        assert list(library.check()) == []


class TestWrongValues:
    def test_each_is_told_in_one_line(self, filled: CaptionIndex) -> None:
        dog = tokens("dog")
        asked: list[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any], str]] = [
            (filled.candidates, ("dog", 3), {}, "tokens are given as a frozenset, not 'dog'"),
            (filled.candidates, (frozenset({3}), 3), {}, "tokens are given here as text, not 3"),
            *(
                (
                    filled.candidates,
                    (dog, 3),
                    {"min_score": least},
                    f"least score is from 0 to 1, not {least!r}",
                )
                for least in (nan, "0.3", None, True)
            ),
            (filled.candidates, (dog, 3), {"after": 3}, "after is the position of a candidate, not 3"),
            (filled.count, ([Query(dog)],), {"excluded": [3]}, "image ids are given here as text, not 3"),
            (filled.captions, (["1", 3],), {}, "image ids are given here as text, not 3"),
            (filled.delete, (["1", 391895],), {}, "image ids are given here as text, not 391895"),
            *(
                (filled.random, (size,), {}, f"images wanted, a whole number of 1 or more, not {size!r}")
                for size in ("3", 2.5, 0, -1, True)
            ),
            *(
                (filled.random, (3,), {"seed": seed}, f"a seed is a whole number from 0 to .*, not {seed!r}")
                for seed in (-1, 1 << 31, "3", True)
            ),
            (filled.records, ({"colour": "red"},), {}, "no field 'colour' to filter by; there are .*"),
            (filled.draft, (None,), {}, "the key of a draft is a text, not None"),
        ]
        for ask, places, names, said in asked:
            with pytest.raises(IndexerError, match=f"{said}$") as error:
                ask(*places, **names)
            assert "\n" not in str(error.value)
        assert filled.caption_count() == len(RECORDS)

    def test_narrow_numbers_of_numpy_are_whole_numbers(self, filled: CaptionIndex) -> None:
        plenty = filled.candidates(tokens("dog"), 200)
        assert filled.candidates(tokens("dog"), np.uint8(200)) == plenty
        few = filled.random(int(np.int8(3)), seed=7)
        assert filled.random(np.int8(3), seed=np.int64(7)) == few

    def test_an_index_tells_what_it_is(self, filled: CaptionIndex) -> None:
        assert repr(filled) == f"<{type(filled).__name__} {filled.where}>"


class TestCandidates:
    @pytest.mark.parametrize(
        "caption",
        [
            "A dog runs on a beach",
            "zebra",
            "dog unknownword",
            "Café 犬が走る 🐕",
            "the of",
            "",
            "cats cats cats",
        ],
    )
    @pytest.mark.parametrize("limit", [1, 2, 20])
    def test_they_are_what_brute_force_finds(self, library: CaptionIndex, caption: str, limit: int) -> None:
        query = Query(tokens(caption))
        check_answer(library.candidates(query.tokens, limit), query, limit, ranked(RECORDS, query))

    @pytest.mark.parametrize("limit", [0, -1, 2.5, "3"])
    def test_no_candidates_wanted_is_no_answer_that_leaves_nothing_out(
        self, empty: CaptionIndex, limit: Any
    ) -> None:
        for ask in (lambda: empty.candidates(tokens("dog"), limit), lambda: empty.candidates_many([], limit)):
            with pytest.raises(IndexerError, match=f"a whole number of 1 or more, not {limit!r}"):
                ask()

    def test_unknown_words_count_in_the_query(self, library: CaptionIndex) -> None:
        query = Query(frozenset({"zebra", "unknown", "words"}))
        answer = library.candidates(query.tokens, 5)
        assert scores(query, answer.found) == [1 / 3]

    def test_a_long_query_meets_a_long_caption(self, library: CaptionIndex) -> None:
        query = Query(tokens(RECORDS[-1].caption) | {f"other{number}" for number in range(400)})
        assert scores(query, library.candidates(query.tokens, 5).found) == [0.5]

    @pytest.mark.parametrize(
        "where",
        [
            {"source": ("coco",)},
            {"source": ("folder", "scraped")},
            {"kind": ("generated",), "source": ("coco",)},
            {"model": ("default@12345678",)},
            {"model": ("",)},
            {"image_id": ("1", "2", "unknown")},
            {"split": ("val",)},
            {"query": ("animals",)},
            {"provider": ("openverse",)},
            {"license": ("CC BY 4.0",)},
            {"creator": ("J. Doe",)},
            {"image": ("/photos/4.jpg", "beach.jpg", "beach.jp")},
            {"image": ("",)},
            {"page": ("https://example.org/zebra",)},
            {"page": ("https://example.org/zebrA", "")},
            {"title": ("é\u0301", "Zebra")},
            {"title": ("e\u0301", "", "")},
            {"title": ("Zebra",), "attribution": ("Zebra by J. Doe (CC BY 4.0)",)},
            {"attribution": ("",), "kind": ("generated",)},
            {"attribution": ("me",)},
            {"phash": ("0123456789abcdef",)},
            {"phash": ("0123456789abcdee",)},
            {"source": ("unknown",)},
            {"source": ()},
        ],
    )
    def test_filters_are_exact(self, library: CaptionIndex, where: dict[str, tuple[str, ...]]) -> None:
        query = Query(tokens("a dog, a cat and a zebra on a beach"), Filters(where))
        expected = ranked(RECORDS, query)
        check_answer(library.candidates(query.tokens, 10, query.filters), query, 10, expected)
        images = {image for _, image, _ in expected}
        assert library.count([replace(query, min_score=0.01)]) == len(images)
        told = list(library.records(where))
        assert (len(told), set(told)) == (len(set(told)), set(filter(query.filters.matches, RECORDS)))

    @pytest.mark.parametrize(
        ("without", "where"),
        [
            (["dog"], {}),
            (["beach"], {}),
            (["sea", "beach"], {}),
            (["unknown"], {}),
            (["sofa", "unknown", "x" * 40_000], {}),
            (["dog", "cat", "zebra"], {}),
            (["beach"], {"source": ["coco", "scraped"]}),
            (["sea"], {"image_id": ["1", "4"]}),
            (["dog"], {"source": "folder"}),
        ],
    )
    def test_no_caption_that_holds_a_token_answers(
        self, library: CaptionIndex, without: list[str], where: dict[str, str]
    ) -> None:
        query = Query(tokens("a dog, a cat and a zebra on a beach"), Filters(where, without))
        expected = ranked(RECORDS, query)
        for limit in (1, 10):
            answer = library.candidates(query.tokens, limit, query.filters)
            check_answer(answer, query, limit, expected)
        images = {image for _, image, _ in expected}
        assert library.count([replace(query, min_score=0.01)]) == len(images)
        passing = [one for one in RECORDS if query.filters.passes(Document(one, tokens(one.caption)))]
        assert sorted(library.records(query.filters), key=repr) == sorted(passing, key=repr)
        drawn = [one.record for one in library.random(50, query.filters)]
        assert sorted(one.image_id for one in drawn) == sorted({one.image_id for one in passing})
        assert set(drawn) <= set(passing)

    def test_filters_may_be_given_as_fields_and_values(self, library: CaptionIndex) -> None:
        dog, where = tokens("A dog runs on a beach"), {"source": "folder"}
        for allowed in (where, Filters(where)):
            [found] = library.candidates(dog, 9, allowed).found
            assert found.document.record.image_id == "2"
            assert library.count([Query(dog, Filters(allowed), 0.1)]) == 1
            assert [one.record.image_id for one in library.random(9, allowed)] == ["2"]
        nothing: Any = "coco"
        for ask in (
            lambda: library.candidates(dog, 9, nothing),
            lambda: library.random(9, nothing),
        ):
            with pytest.raises(IndexerError, match="filters are fields and values"):
                ask()

    def test_a_threshold_is_inclusive(self, library: CaptionIndex) -> None:
        query = tokens("dog beach")  # two of the three words of captions 1 and 2
        at, above = 2 / 3, 0.6667
        assert {one.document.record.image_id for one in library.candidates(query, 9, min_score=at).found} == {
            "1",
            "2",
        }
        assert library.candidates(query, 9, min_score=above).found == ()
        counts = [library.count([Query(query, min_score=least)]) for least in (at, above)]
        assert counts == [2, 0]

    @pytest.mark.parametrize("images", [1, 2, 3, 10])
    def test_as_many_images_as_are_enough_are_the_best_ones(self, library: CaptionIndex, images: int) -> None:
        for one in RECORDS:
            wanted = tokens(one.caption)
            [answer] = library.candidates_many([Query(wanted, images=images)], 1_000)
            best: dict[str, float] = {}
            for score, image, _ in ranked(RECORDS, Query(wanted)):
                best.setdefault(image, score)
            found: dict[str, float] = {}
            for score, candidate in zip(scores(Query(wanted), answer.found), answer.found, strict=True):
                found.setdefault(candidate.position.image_id, score)
            assert list(found.values())[:images] == list(best.values())[:images]
            assert len(found) >= min(images, len(best))
            left = {image: score for image, score in best.items() if image not in found}
            assert answer.bound >= max(left.values(), default=0.0)
            if len(best) > images:
                assert list(found.values())[images - 1] >= answer.bound

    def test_several_queries_are_answered_in_their_order(self, library: CaptionIndex) -> None:
        queries = [Query(tokens(one)) for one in ("zebra", "", "two cats", "zebra")]
        answers = library.candidates_many(queries, 3)
        assert [[one.document.record.image_id for one in answer.found] for answer in answers] == [
            ["4"], [], ["3"], ["4"],
        ]  # fmt: skip

    def test_equal_scores_come_by_image_id_whatever_was_added_first(self, empty: CaptionIndex) -> None:
        names = [f"{number:02d}" for number in range(20)]
        empty.add(record(name, "a dog") for name in names[::2])
        empty.add(record(name, "a dog") for name in reversed(names[1::2]))
        answer = empty.candidates(tokens("dog"), 7)
        assert [one.document.record.image_id for one in answer.found] == names[:7]
        assert answer.bound == pytest.approx(1.0, abs=1e-5)


class TestLongerThanAnIndexHolds:
    """Lucene holds no term of more than 32,766 bytes, and the server refuses to be asked for one."""

    @pytest.mark.parametrize("length", [32_764, 32_766, 32_767, 40_000])
    def test_a_word_counts_in_the_query_and_matches_nothing(self, library: CaptionIndex, length: int) -> None:
        long = frozenset({"x" * length})
        [found] = library.candidates(long | tokens("zebra"), 5).found
        assert scores(Query(long | tokens("zebra")), [found]) == [0.5]
        counts = [library.count([Query(long | tokens("zebra"), min_score=least)]) for least in (0.5, 0.51)]
        assert counts == [1, 0]
        for few in (long, long | {"y" * length, "ä" * length}):
            for query in (Query(few), Query(few, min_score=0.5), Query(few, images=2)):
                assert library.candidates_many([query], 5) == [Candidates((), 0.0, 0)]
            assert library.count([Query(few, min_score=0.01)]) == 0

    def test_a_value_is_no_documents(self, library: CaptionIndex) -> None:
        long = "ä" * 16_384
        for values, images in (((long,), set[str]()), ((long, "folder"), {"2"})):
            filters = Filters({"source": values})
            found = library.candidates(tokens("A dog runs"), 5, filters).found
            assert {one.document.record.image_id for one in found} == images
            assert library.count([Query(tokens("A dog runs"), filters, 0.1)]) == len(images)
            assert {one.record.image_id for one in library.random(5, filters)} == images
        assert library.captions([long, "4"]).keys() == {"4"}

    def test_no_image_of_such_an_id_is_deleted(self, filled: CaptionIndex) -> None:
        assert filled.delete(["x" * 40_000, "4"]) == 1


class TestCounting:
    def test_images_left_out_do_not_count(self, library: CaptionIndex) -> None:
        queries = [Query(tokens(text), min_score=0.3) for text in ("A dog runs on a beach", "Two cats sleep")]
        for excluded, images in (
            ([], 3),
            (["1"], 2),
            (["1", "1", "unknown", "4"], 2),
            (["3"], 2),
            (["1", "2", "3"], 0),
        ):
            assert library.count(queries, excluded) == images

    def test_queries_count_by_their_own_filters_and_scores(self, library: CaptionIndex) -> None:
        dog, cats = tokens("A dog runs on a beach"), tokens("Two cats sleep")
        folder = Filters({"source": "folder"})
        assert library.count([Query(dog, folder, 0.1), Query(cats, min_score=0.3)]) == 2
        assert library.count([Query(dog, folder, 0.1), Query(cats, folder, 0.3)]) == 1
        assert library.count([Query(dog, min_score=0.3), Query(cats, min_score=1.0)]) == 2
        assert library.count([Query(frozenset(), min_score=0.5)]) == library.count([]) == 0


class TestKnown:
    def test_a_token_is_known_as_long_as_a_caption_holds_it(self, filled: CaptionIndex) -> None:
        held = tokens("zebra dog sofa")
        assert filled.known([*held, "dgo", "", "w" * 40_000]) == filled.view().known(held) == held
        filled.delete(["4"])
        assert filled.known(held) == held - {"zebra"}
        filled.add([record("9", "A zebra")])
        assert filled.known(held) == held

    def test_nothing_is_known_where_nothing_is_asked_or_held(self, index: CaptionIndex) -> None:
        assert index.known(["dog"]) == frozenset()
        index.add(RECORDS[:1])
        assert index.known([]) == frozenset()


class TestCorrections:
    def test_tokens_near_those_that_no_caption_has(self, library: CaptionIndex) -> None:
        asked = [
            "dgo",
            "odg",
            "bech",
            "zeebra",
            "zebra",
            "cofé",
            "xyz",
            "",
            "w" * 40_000,
            "wrod3",
            "do\udc80",
        ]
        found = {
            "dgo": ("dog",),
            "odg": ("dog",),
            "bech": ("beach",),
            "zeebra": ("zebra",),
            "cofé": ("café",),
        }
        found["do\udc80"] = ("dog",)
        assert library.corrections(asked) == library.view().corrections(asked) == found
        assert library.corrections([]) == {}

    def test_the_most_frequent_come_first_and_those_of_deleted_captions_not_at_all(
        self, index: CaptionIndex
    ) -> None:
        index.add([record(f"h{number}", "a horse") for number in range(3)])
        index.add(
            [record("c1", "a house"), record("c2", "house"), record("z", "a zebra"), record("t", "tabel")]
        )
        index.add([record(f"b{number}", "broccoli") for number in range(2)])
        asked = ["hors*2", "hois", "hore", "hors", "zerba", "brocolli", "tabl"]
        found = {"hois": ("hors", "hous"), "hore": ("hors",), "zerba": ("zebra",), "tabl": ("tabel",)}
        assert index.corrections(asked) == found | {"brocolli": ("broccoli",)}
        assert index.delete(["h0", "h1", "z", "t"]) == 4
        changed = {"hois": ("hous", "hors"), "hore": ("hors",), "brocolli": ("broccoli",)}
        assert index.corrections(asked) == changed

    def test_of_a_word_whose_captions_are_deleted(self, index: CaptionIndex) -> None:
        """A server that has not merged them away yet knows the word, and may take it for a sound one."""
        index.add(
            CaptionRecord(name, caption) for name, caption in {"1": "dgo", "2": "dgo", "3": "dog"}.items()
        )
        assert index.corrections(["dgo"]) == {}
        index.delete(["1", "2"])
        assert index.corrections(["dgo"]) == {"dgo": ("dog",)}

    def test_an_empty_index_has_none(self, index: CaptionIndex) -> None:
        assert index.corrections(["dgo"]) == {}

    @given(st.data())
    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_they_are_what_looking_at_every_token_finds(
        self, index: CaptionIndex, data: st.DataObject
    ) -> None:
        # Of two edits a server takes no swap with something between, as counting of all ways does.
        words = st.text("abé", min_size=1, max_size=7 if index.engine == "elasticsearch" else 9)
        held = data.draw(st.lists(words, min_size=1, max_size=40))
        records = [CaptionRecord(f"i{number}", word) for number, word in enumerate(held)]
        index.delete(index.images())
        index.add(records)
        asked = data.draw(st.lists(words, max_size=20))
        assert index.corrections(asked) == MemoryIndex(records, index.analyzer).corrections(asked)


class TestRandom:
    def test_it_draws_distinct_images_that_pass_the_filters(self, library: CaptionIndex) -> None:
        drawn = [document.record.image_id for document in library.random(50, seed=3)]
        assert sorted(drawn) == sorted({one.image_id for one in RECORDS})
        assert len(library.random(3, seed=3)) == 3
        scraped = library.random(50, Filters({"source": ("scraped",)}), seed=1)
        assert {document.record.image_id for document in scraped} == {"4", "5", "6"}

    def test_a_seed_repeats_the_draw(self, library: CaptionIndex) -> None:
        first, again = (library.random(4, seed=11) for _ in range(2))
        assert [one.record for one in first] == [one.record for one in again]

    def test_a_seed_repeats_the_draw_of_an_index_built_anew(self, index: CaptionIndex) -> None:
        draws = []
        for key in ("first", "anew"):
            with index.draft(key, ANALYZER) as draft:
                draft.add(RECORDS)
                draft.publish()
            draws.append([one.record.image_id for one in index.random(4, seed=11)])
        assert draws[0] == draws[1]

    def test_an_empty_index_has_nothing_to_draw(self, index: CaptionIndex) -> None:
        index.add([])
        assert list(index.random(3)) == []


class TestRecords:
    def test_every_caption_is_told_once_and_whole(self, library: CaptionIndex) -> None:
        held = list(library.records())
        assert (len(held), set(held)) == (len(RECORDS), set(RECORDS))

    def test_they_come_in_parts(self, library: CaptionIndex, monkeypatch: pytest.MonkeyPatch) -> None:
        for limit in ("embedded.segment._BATCH_ROWS", "elastic.point_in_time.PAGE"):
            monkeypatch.setattr(f"indexer.{limit}", 2)
        assert sorted(library.records(), key=repr) == sorted(RECORDS, key=repr)
        held = list(library.records({"source": "coco"}))
        assert len(held) == 5 and {one.source for one in held} == {"coco"}

    def test_they_are_of_the_moment_when_the_first_is_taken(self, filled: CaptionIndex) -> None:
        taken = filled.records()
        held = [next(taken)]
        filled.delete({one.image_id for one in RECORDS})
        filled.add([record("9", "a giraffe")])
        assert {*held, *taken} == set(RECORDS)
        assert list(filled.records()) == [record("9", "a giraffe")]

    def test_an_index_that_stays_tells_them_in_one_order(self, library: CaptionIndex) -> None:
        if library.engine != "elasticsearch":
            assert list(library.records()) == list(library.records())

    def test_a_value_too_long_to_be_found_by_is_not_missing(self, empty: CaptionIndex) -> None:
        pictured = record("1", "a dog", image="x" * 9_000)
        empty.add([pictured, record("2", "a cat")])
        assert list(empty.records({"image": ""})) == [record("2", "a cat")]
        assert set(empty.records()) == {pictured, record("2", "a cat")}

    def test_a_place_without_an_index_has_none(self, index: CaptionIndex) -> None:
        assert list(index.records()) == []


class TestPaging:
    def pages(self, index: CaptionIndex, query: Query, size: int) -> Iterator[Sequence[Candidate]]:
        after: Position | None = None
        while found := index.candidates(query.tokens, size, query.filters, after=after).found:
            yield found
            after = found[-1].position

    @pytest.mark.parametrize("size", [1, 2, 5])
    def test_pages_give_every_image_once_per_score(self, empty: CaptionIndex, size: int) -> None:
        records = [
            record(f"i{n % 7}", f"a {WORDS[n % 5]} and a {WORDS[(n * 3) % 7]} {n % 4}") for n in range(40)
        ]
        empty.add(records)
        query = Query(tokens("a bike, a cat and a dog"))
        pages = [one for page in self.pages(empty, query, size) for one in page]
        found = [(jaccard(query.tokens, one.document.tokens), one.document.record.image_id) for one in pages]
        expected = [(score, image) for score, image, _ in ranked(records, query)]
        assert sorted(set(found)) == sorted(set(expected))
        keys = [one.document.record.document_id for one in pages]
        assert len(set(keys)) == len(keys)

    def test_changes_before_a_page_do_not_shift_it(self, empty: CaptionIndex) -> None:
        empty.add(record(f"b{number}", "a dog") for number in range(6))
        first = empty.candidates(tokens("dog"), 3).found
        empty.delete(["b0", "b2"])
        empty.add([record("a0", "a dog"), record("b21", "a dog")])
        rest = empty.candidates(tokens("dog"), 9, after=first[-1].position).found
        assert [one.document.record.image_id for one in rest] == ["b21", "b3", "b4", "b5"]


captions = st.lists(st.sampled_from(WORDS), max_size=7).map(lambda few: " ".join(few) or "…")
records = st.builds(
    record,
    st.sampled_from([f"i{number}" for number in range(9)]),
    captions,
    source=st.sampled_from(["coco", "folder"]),
)
worlds = st.lists(records, min_size=1, max_size=40)
queries = st.builds(
    Query,
    st.lists(st.sampled_from((*WORDS, "unknown")), max_size=6).map(frozenset),
    st.builds(
        Filters,
        st.sampled_from([{}, {"source": ("coco",)}]),
        st.just(()) | st.lists(st.sampled_from((*WORDS, "unknown")), max_size=3),
    ),
    st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 2 / 3, 1.0]),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    world=worlds,
    later=worlds,
    gone=st.sets(st.sampled_from([f"i{number}" for number in range(9)]), max_size=3),
    asked=st.lists(queries, min_size=1, max_size=5),
    limit=st.integers(1, 12),
)
def test_any_world_is_answered_as_by_brute_force(
    index: CaptionIndex,
    world: list[CaptionRecord],
    later: list[CaptionRecord],
    gone: set[str],
    asked: list[Query],
    limit: int,
) -> None:
    with index.draft("world", ANALYZER) as draft:
        draft.add(world)
        draft.publish()
    index.add(later)
    removed = index.delete(sorted(gone))
    everything = {one.document_id: one for one in [*world, *later]}
    left = [one for one in everything.values() if one.image_id not in gone]
    assert removed == len(everything) - len(left)
    for query, answer in zip(asked, index.candidates_many(asked, limit), strict=True):
        expected = ranked(left, query)
        check_answer(answer, query, limit, expected)
        if query.min_score > 0:
            found = index.count([replace(query, after=None, images=None)])
            assert found == len({image for _, image, _ in expected})
