"""The contract of CaptionIndex, once for both engines, against brute force over all captions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner.tokens import _ANALYZERS, DEFAULT, analyzer
from indexer.errors import IndexerError, IndexMismatchError, IndexNotFoundError
from indexer.index import CaptionIndex, open_index
from indexer.records import (
    NO_FILTERS,
    AddReport,
    Candidate,
    Candidates,
    CaptionRecord,
    Filters,
    Position,
    Query,
)
from tests.conftest import remove_indices
from tests.search.memory import MemoryIndex

#: Pinned, so that these tests know the tokens of their captions whatever the default becomes.
ANALYZER = "english/1"
WORDS = ("bike", "cat", "dog", "egg", "fish", "goat", "hat")


def record(image_id: str, caption: str, **fields: str) -> CaptionRecord:
    return CaptionRecord(image_id, caption, **{"source": "coco", **fields})


RECORDS = (
    record("1", "A dog runs on a beach", kind="reference", image="beach.jpg", license="CC BY 4.0"),
    record("1", "A brown dog runs along the sea", kind="generated", model="default@12345678"),
    record("2", "A dog runs on a beach", source="folder", kind="generated", model="default@12345678"),
    record("3", "Two cats sleep on a red sofa", split="val"),
    record("4", "zebra", source="scraped", query="animals", provider="openverse", creator="J. Doe"),
    record("5", "of the", source="scraped"),
    record("6", "", source="scraped"),
    record("7", "Ein Café, naïve Ω ﬁsh 犬が走る 🐕 'quoted' \t tab", title="é\u0301"),
    record("8", " ".join(f"word{number}" for number in range(400))),
)


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def tokens(caption: str, name: str = ANALYZER) -> frozenset[str]:
    return analyzer(name)(caption)


def ranked(
    records: Iterable[CaptionRecord], query: Query, name: str = ANALYZER
) -> list[tuple[float, str, str]]:
    """Brute force: (score, image id, document id) of every caption that answers, in the contract's order."""
    analyse = analyzer(name)
    scored = {
        one.document_id: (jaccard(query.tokens, analyse(one.caption)), one.image_id)
        for one in records
        if query.filters.matches(one)
    }
    found = [
        (score, image, key)
        for key, (score, image) in scored.items()
        if score > 0 and score >= query.min_score
    ]
    return sorted(found, key=lambda one: (-one[0], one[1], one[2]))


def scores(query: Query, found: Sequence[Candidate]) -> list[float]:
    return [jaccard(query.tokens, one.document.tokens) for one in found]


def check_answer(
    answer: Candidates, query: Query, limit: int, everything: Sequence[tuple[float, str, str]]
) -> None:
    """`everything`: all that answers, by brute force. The answer is part of it, and its bound holds."""
    expected = {key: score for score, _, key in everything}
    keys = [one.document.record.document_id for one in answer.found]
    assert len(set(keys)) == len(keys) <= limit
    found = scores(query, answer.found)
    assert found == [expected.pop(key) for key in keys]
    assert answer.bound >= max(expected.values(), default=0.0)
    if len(keys) < limit:
        assert not expected and answer.bound == 0.0
    assert [one.position.score for one in answer.found] == sorted(
        (one.position.score for one in answer.found), reverse=True
    )
    if found and answer.bound <= min(found):
        assert found == [score for score, _, _ in everything[: len(found)]]


@pytest.fixture
def index(fresh_where: str) -> Iterator[CaptionIndex]:
    """A new place, where nothing is yet."""
    with open_index(fresh_where, create=True) as opened:
        yield opened


@pytest.fixture
def empty(index: CaptionIndex) -> CaptionIndex:
    """An index of the pinned analyzer without captions."""
    with index.draft("empty", ANALYZER) as draft:
        draft.add([record("gone", "gone")])
        draft.publish()
    index.delete(["gone"])
    return index


@pytest.fixture
def filled(empty: CaptionIndex) -> CaptionIndex:
    assert empty.add(RECORDS) == AddReport(len(RECORDS))
    return empty


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


class TestAdding:
    def test_the_same_captions_again_change_nothing(self, filled: CaptionIndex) -> None:
        assert filled.add([*RECORDS, RECORDS[0]]) == AddReport(0, len(RECORDS) + 1)
        assert filled.status().captions == len(RECORDS)

    def test_a_caption_given_twice_at_once_is_stored_once(self, index: CaptionIndex) -> None:
        assert index.add([RECORDS[0], RECORDS[3], RECORDS[0]]) == AddReport(2, 1)

    def test_a_caption_again_with_other_metadata_is_replaced(self, filled: CaptionIndex) -> None:
        moved = replace(RECORDS[0], image="elsewhere/beach.jpg", split="val")
        assert filled.add([moved, RECORDS[3]]) == AddReport(1, 1)
        assert {one.record for one in filled.captions(["1"])["1"]} == {moved, RECORDS[1]}
        assert (filled.status().captions, filled.count(tokens("beach"), 0.1)) == (len(RECORDS), 2)
        found = filled.candidates(tokens("beach"), 9, Filters({"split": ("val",)})).found
        assert [one.document.record for one in found] == [moved]
        assert filled.add([moved]) == AddReport(0, 1)

    def test_of_a_caption_given_with_several_metadata_the_last_stays(self, index: CaptionIndex) -> None:
        one, other = RECORDS[0], replace(RECORDS[0], image="elsewhere/beach.jpg")
        with index.draft("k", ANALYZER) as draft:
            assert draft.add([one, other, other]) == AddReport(2, 1)
            assert draft.publish().captions == 1
        assert [document.record for document in index.captions(["1"])["1"]] == [other]
        assert index.add([one, RECORDS[3], other]) == AddReport(3)
        assert [document.record for document in index.captions(["1"])["1"]] == [other]

    def test_a_draft_gone_on_with_holds_the_last_metadata_once(self, index: CaptionIndex) -> None:
        moved = replace(RECORDS[1], image="elsewhere/beach.jpg")
        with index.draft("k", ANALYZER) as draft:
            draft.add(RECORDS)
        with index.draft("k", ANALYZER) as draft:
            assert draft.add([moved]) == AddReport(1)
            assert draft.known_images("default@12345678") == {"1", "2"}
            assert draft.publish().captions == len(RECORDS)
        assert moved in {document.record for document in index.captions(["1"])["1"]}

    def test_nothing_to_add_leaves_an_index_that_answers(self, index: CaptionIndex) -> None:
        assert index.add([]) == AddReport()
        assert index.analyzer == DEFAULT
        assert index.candidates(tokens("dog"), 5) == Candidates((), 0.0, 0)
        assert index.status().captions == 0

    def test_everything_of_a_record_comes_back(self, filled: CaptionIndex) -> None:
        found = filled.captions({one.image_id for one in RECORDS} | {"unknown"})
        assert {one.image_id for one in RECORDS} == set(found)
        documents = [document for group in found.values() for document in group]
        assert {document.record for document in documents} == set(RECORDS)
        assert all(document.tokens == tokens(document.record.caption) for document in documents)

    def test_times_are_told_in_one_form(self, index: CaptionIndex) -> None:
        index.add([])
        made = index.status().built_at  # of an index that no build has published
        with index.draft("k", ANALYZER) as draft:
            draft.add(RECORDS)
            built = draft.publish().built_at
        [document] = index.captions(["2"])["2"]
        now = datetime.now(timezone.utc)
        for told in (made, built, document.indexed_at):
            time = datetime.fromisoformat(told)
            assert timedelta(0) <= now - time < timedelta(hours=1)
            assert told == time.astimezone(timezone.utc).isoformat(timespec="microseconds")

    def test_captions_added_later_are_seen_at_once_and_by_other_readers(
        self, filled: CaptionIndex, fresh_where: str
    ) -> None:
        with open_index(fresh_where) as reader:
            assert reader.status().captions == len(RECORDS)
            filled.add([record("9", "a giraffe")])
            for one in (filled, reader):
                assert [
                    hit.document.record.image_id for hit in one.candidates(tokens("giraffe"), 5).found
                ] == ["9"]


class TestStatus:
    def test_the_count_of_captions_is_that_of_the_status(self, library: CaptionIndex) -> None:
        assert library.caption_count() == library.status().captions == len(RECORDS)

    def test_a_place_without_an_index_has_no_captions(self, index: CaptionIndex) -> None:
        assert index.caption_count() == 0

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


class TestDeleting:
    def test_all_captions_of_an_image_go(self, filled: CaptionIndex) -> None:
        assert filled.delete(["1", "unknown"]) == 2
        assert filled.captions(["1", "2"]).keys() == {"2"}
        query = Query(tokens("a dog on a beach"))
        check_answer(filled.candidates(query.tokens, 10), query, 10, ranked(RECORDS[2:], query))
        assert (filled.status().captions, filled.status().images) == (7, 7)
        assert filled.delete(["1"]) == 0

    def test_one_image_id_is_no_list_of_them(self, filled: CaptionIndex) -> None:
        filled.add([record("12", "a giraffe")])
        for ask in (filled.delete, filled.captions):
            with pytest.raises(IndexerError, match=r"as a list, also a single one: \['12'\]"):
                ask("12")
        assert filled.captions(["1", "2", "12"]).keys() == {"1", "2", "12"}

    def test_what_was_deleted_can_come_back(self, filled: CaptionIndex) -> None:
        filled.delete(["1"])
        assert filled.add(RECORDS) == AddReport(2, len(RECORDS) - 2)
        assert len(filled.captions(["1"])["1"]) == 2

    def test_deleting_everything_leaves_an_empty_index(self, filled: CaptionIndex) -> None:
        assert filled.delete([one.image_id for one in RECORDS]) == len(RECORDS)
        assert filled.candidates(tokens("dog"), 5).found == ()
        assert (filled.status().captions, filled.status().images) == (0, 0)
        assert filled.add(RECORDS).added == len(RECORDS)


class TestPlaces:
    def test_captions_are_found_by_where_their_pictures_are(self, filled: CaptionIndex) -> None:
        places = {"a": "/r/2020/*.jpg", "b": "/r/b.jpg", "c": "/r2/c.jpg", "d": "/r", "gone": "/r/gone.jpg"}
        filled.add(record(image_id, "a dog", image=place) for image_id, place in places.items())
        filled.add([record("a", "another dog", image=places["a"]), record("a", "no place")])
        filled.delete(["gone"])
        assert sorted(filled.places("/r/")) == [("a", places["a"]), ("a", places["a"]), ("b", places["b"])]
        assert list(filled.places("/r/2020/?")) == []
        assert list(filled.places("/none\udcff/")) == []

    def test_a_place_without_an_index_has_none(self, index: CaptionIndex) -> None:
        assert list(index.places("/")) == []


class TestReplacing:
    def test_the_old_captions_go_and_the_others_of_the_image_stay(self, filled: CaptionIndex) -> None:
        before = filled.captions(["1", "2"])
        old = [one for one in before["1"] if one.record.kind == "generated"]
        new = [replace(old[0].record, caption="Two cats in the snow"), record("9", "a giraffe")]
        assert filled.replace(old, new) == AddReport(2)
        after = filled.captions(["1", "2", "9"])
        assert {one.record for one in after["1"]} == {RECORDS[0], new[0]}
        assert after["2"] == before["2"]
        assert filled.status().captions == len(RECORDS) + 1
        assert filled.candidates(tokens("a brown dog runs along the sea"), 1).found[0].position.score < 1

    def test_the_same_caption_again_is_of_now(self, filled: CaptionIndex) -> None:
        [old] = filled.captions(["2"])["2"]
        assert filled.replace([old], [old.record]) == AddReport(1)
        [new] = filled.captions(["2"])["2"]
        assert new.record == old.record
        assert new.indexed_at >= old.indexed_at


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

    @pytest.mark.parametrize("limit", [0, -1])
    def test_no_candidates_wanted_is_no_answer_that_leaves_nothing_out(
        self, empty: CaptionIndex, limit: int
    ) -> None:
        for ask in (lambda: empty.candidates(tokens("dog"), limit), lambda: empty.candidates_many([], limit)):
            with pytest.raises(IndexerError, match=f"1 or more, not {limit}"):
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
            {"source": ("unknown",)},
            {"source": ()},
        ],
    )
    def test_filters_are_exact(self, library: CaptionIndex, where: dict[str, tuple[str, ...]]) -> None:
        query = Query(tokens("a dog, a cat and a zebra on a beach"), Filters(where))
        expected = ranked(RECORDS, query)
        check_answer(library.candidates(query.tokens, 10, query.filters), query, 10, expected)
        assert library.count(query.tokens, 0.01, query.filters) == len({image for _, image, _ in expected})

    def test_a_threshold_is_inclusive(self, library: CaptionIndex) -> None:
        query = tokens("dog beach")  # two of the three words of captions 1 and 2
        at, above = 2 / 3, 0.6667
        assert {one.document.record.image_id for one in library.candidates(query, 9, min_score=at).found} == {
            "1",
            "2",
        }
        assert library.candidates(query, 9, min_score=above).found == ()
        assert (library.count(query, at), library.count(query, above)) == (2, 0)

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
        assert library.count(long | tokens("zebra"), 0.5) == 1
        assert library.count(long | tokens("zebra"), 0.51) == 0
        for few in (long, long | {"y" * length, "ä" * length}):
            for query in (Query(few), Query(few, min_score=0.5), Query(few, images=2)):
                assert library.candidates_many([query], 5) == [Candidates((), 0.0, 0)]
            assert library.count(few, 0.01) == 0

    def test_a_value_is_no_documents(self, library: CaptionIndex) -> None:
        long = "ä" * 16_384
        for values, images in (((long,), set[str]()), ((long, "folder"), {"2"})):
            filters = Filters({"source": values})
            found = library.candidates(tokens("A dog runs"), 5, filters).found
            assert {one.document.record.image_id for one in found} == images
            assert library.count(tokens("A dog runs"), 0.1, filters) == len(images)
            assert {one.record.image_id for one in library.random(5, filters)} == images
        assert library.captions([long, "4"]).keys() == {"4"}

    def test_no_image_of_such_an_id_is_deleted(self, filled: CaptionIndex) -> None:
        assert filled.delete(["x" * 40_000, "4"]) == 1


class TestCounting:
    def test_images_left_out_do_not_count(self, library: CaptionIndex) -> None:
        dog, cats = tokens("A dog runs on a beach"), tokens("Two cats sleep")
        for excluded, images in (
            ([], 3),
            (["1"], 2),
            (["1", "1", "unknown", "4"], 2),
            (["3"], 2),
            (["1", "2", "3"], 0),
        ):
            assert library.count(dog, 0.3, also=[cats], excluded=excluded) == images


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

    def test_an_empty_index_has_nothing_to_draw(self, index: CaptionIndex) -> None:
        index.add([])
        assert list(index.random(3)) == []


class TestDrafts:
    def test_nobody_sees_a_draft_before_it_is_published(self, filled: CaptionIndex) -> None:
        with filled.draft("k", ANALYZER) as draft:
            assert draft.add([record("new", "a giraffe")]) == AddReport(1)
            assert filled.candidates(tokens("giraffe"), 5).found == ()
            assert filled.status().captions == len(RECORDS)
            status = draft.publish()
        assert (status.captions, filled.status().captions) == (1, 1)
        assert filled.candidates(tokens("zebra"), 5).found == ()
        assert len(filled.candidates(tokens("giraffe"), 5).found) == 1

    def test_a_draft_that_was_closed_is_gone_on_with(self, index: CaptionIndex, fresh_where: str) -> None:
        with index.draft("k", ANALYZER) as draft:
            draft.add(RECORDS[:4])
        with pytest.raises(IndexNotFoundError):
            open_index(fresh_where)
        with open_index(fresh_where, create=True) as again, again.draft("k", ANALYZER) as draft:
            assert draft.known_images("default@12345678") == {"1", "2"}
            assert draft.known_images("another@12345678") == frozenset()
            assert draft.add(RECORDS) == AddReport(len(RECORDS) - 4, 4)
            assert draft.publish().captions == len(RECORDS)

    def test_another_key_begins_anew(self, index: CaptionIndex) -> None:
        with index.draft("one", ANALYZER) as draft:
            draft.add(RECORDS[:4])
        with index.draft("two", ANALYZER) as draft:
            assert draft.known_images("default@12345678") == frozenset()
            draft.add(RECORDS[4:])
            assert draft.publish().captions == len(RECORDS) - 4
        with index.draft("one", ANALYZER) as draft:
            assert draft.known_images("default@12345678") == frozenset(), "what is published supersedes it"

    def test_the_same_key_after_publishing_begins_anew(self, index: CaptionIndex) -> None:
        for count in (4, 2):
            with index.draft("k", ANALYZER) as draft:
                assert draft.add(RECORDS[:count]) == AddReport(count)
                assert draft.publish().captions == count
        assert index.status().captions == 2

    def test_a_draft_may_bring_another_analyzer_which_the_index_keeps(
        self, filled: CaptionIndex, fresh_where: str
    ) -> None:
        with filled.draft("k", "words/1") as draft:
            draft.add([record("1", "The dogs")])
            draft.publish()
        assert filled.analyzer == "words/1"
        filled.add([record("2", "The cats")])
        with open_index(fresh_where) as again:
            assert again.analyzer == "words/1"
            assert [one.document.tokens for one in again.candidates(frozenset({"cats"}), 5).found] == [
                {"the", "cats"}
            ]


class TestOtherVersions:
    def test_an_analyzer_that_is_not_known_is_refused_by_all_that_need_it(
        self, filled: CaptionIndex, fresh_where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        [old] = filled.captions(["2"])["2"]
        monkeypatch.delitem(_ANALYZERS, ANALYZER)
        needing: tuple[Callable[[], object], ...] = (
            lambda: open_index(fresh_where),
            lambda: filled.add(RECORDS),
            lambda: filled.replace([old], [old.record]),
            lambda: filled.delete(["2"]),
            lambda: filled.draft("k", ANALYZER),
        )
        for ask in needing:
            with pytest.raises(IndexMismatchError, match=r"unknown analyzer 'english/1'.*; build it anew"):
                ask()
        with suppress(IndexMismatchError):  # where only analysing would tell
            assert not filled.check()
        assert filled.captions(["2"])["2"] == [old]

    def test_it_is_replaced_by_a_build(
        self, filled: CaptionIndex, fresh_where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(_ANALYZERS, ANALYZER)
        with open_index(fresh_where, create=True) as again, again.draft("k") as draft:
            draft.add(RECORDS[:2])
            assert draft.publish().analyzer == DEFAULT
        assert filled.add(RECORDS[1:3]) == AddReport(1, 1)


class TestOpening:
    def test_no_index_is_one_clear_line(self, fresh_where: str) -> None:
        with pytest.raises(IndexNotFoundError) as error:
            open_index(fresh_where)
        assert "\n" not in str(error.value)

    def test_a_place_that_is_only_looked_at_stays_empty(self, fresh_where: str) -> None:
        with open_index(fresh_where, create=True) as opened:
            assert opened.candidates(tokens("dog"), 3).found == ()
            assert opened.status().captions == 0
        with pytest.raises(IndexNotFoundError):
            open_index(fresh_where)


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


captions = st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join)
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
    st.sampled_from([NO_FILTERS, Filters({"source": ("coco",)})]),
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
            found = index.count(query.tokens, query.min_score, query.filters)
            assert found == len({image for _, image, _ in expected})


versions = st.builds(
    record,
    st.sampled_from(["i0", "i1"]),
    st.sampled_from(["a dog", "a cat"]),
    image=st.sampled_from(["", "a.jpg", "b.jpg"]),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(versions, max_size=8), min_size=1, max_size=4))
def test_any_additions_leave_the_last_metadata_and_count_what_changed(
    index: CaptionIndex, additions: list[list[CaptionRecord]]
) -> None:
    index.delete(["i0", "i1"])
    reference = MemoryIndex()
    for batch in additions:
        assert index.add(batch) == reference.add(batch)
    found, truth = (
        sorted((one.record for group in each.captions(["i0", "i1"]).values() for one in group), key=repr)
        for each in (index, reference)
    )
    assert found == truth
    assert index.status().captions == reference.status().captions


def test_the_packages_bring_neither_torch_nor_elasticsearch(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys, indexer, indexer.embedded; indexer.open_index(sys.argv[1], create=True);"
        "print([name for name in ('torch', 'elasticsearch') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "i")], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
