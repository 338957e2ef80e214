"""What CaptionIndex promises of changes, once for both engines: additions, deletions, drafts, versions."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner.tokens import _ANALYZERS, DEFAULT
from indexer.contract import CaptionIndex
from indexer.errors import IndexerError, IndexMismatchError, IndexNotFoundError
from indexer.index import open_index
from indexer.records import AddReport, Candidates, CaptionRecord, Filters, Query, Rejected
from tests.indexer.memory import MemoryIndex
from tests.indexer.oracle import ANALYZER, RECORDS, check_answer, ranked, record, tokens


class TestAdding:
    def test_the_same_captions_again_change_nothing(self, filled: CaptionIndex) -> None:
        assert filled.add([*RECORDS, RECORDS[0]]) == AddReport(0, len(RECORDS) + 1)
        assert filled.status().captions == len(RECORDS)

    def test_a_caption_given_twice_at_once_is_stored_once(self, index: CaptionIndex) -> None:
        assert index.add([RECORDS[0], RECORDS[3], RECORDS[0]]) == AddReport(2, 1)

    def test_a_caption_again_with_other_metadata_is_replaced(self, filled: CaptionIndex) -> None:
        moved = replace(RECORDS[0], image="elsewhere/beach.jpg", split="val")
        assert filled.add([moved, RECORDS[3]]) == AddReport(1, 1, updated=1)
        assert {one.record for one in filled.captions(["1"])["1"]} == {moved, RECORDS[1]}
        assert filled.status().captions == len(RECORDS)
        assert filled.count([Query(tokens("beach"), min_score=0.1)]) == 2
        found = filled.candidates(tokens("beach"), 9, Filters({"split": ("val",)})).found
        assert [one.document.record for one in found] == [moved]
        assert filled.add([moved]) == AddReport(0, 1)

    def test_of_a_caption_given_with_several_metadata_the_last_stays(self, index: CaptionIndex) -> None:
        one, other = RECORDS[0], replace(RECORDS[0], image="elsewhere/beach.jpg")
        with index.draft("k", ANALYZER) as draft:
            assert draft.add([one, other, other]) == AddReport(2, 1, updated=1)
            assert draft.publish().captions == 1
        assert [document.record for document in index.captions(["1"])["1"]] == [other]
        assert index.add([one, RECORDS[3], other]) == AddReport(3, updated=2)
        assert [document.record for document in index.captions(["1"])["1"]] == [other]

    def test_a_draft_gone_on_with_holds_the_last_metadata_once(self, index: CaptionIndex) -> None:
        moved = replace(RECORDS[1], image="elsewhere/beach.jpg")
        with index.draft("k", ANALYZER) as draft:
            draft.add(RECORDS)
        with index.draft("k", ANALYZER) as draft:
            assert draft.add([moved]) == AddReport(1, updated=1)
            assert draft.known_places("default@12345678") == {"1": [moved.image], "2": [""]}
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

    @pytest.mark.parametrize(
        ("broken", "reason"),
        [
            (CaptionRecord("bad", "a dog", license=None), "license must be a string, not NoneType"),  # type: ignore[arg-type]
            (CaptionRecord("bad", " \t\n"), "caption is empty"),
            (CaptionRecord("", "a dog"), "image_id is empty"),
            (CaptionRecord(" \n", "a dog"), "image_id is empty"),
            (CaptionRecord("bad", "a \ud83d dog"), "caption is not valid Unicode at character 3"),
            (CaptionRecord("bad\udcff", "a dog"), "image_id is not valid Unicode at character 4"),
            (
                CaptionRecord("bad", "dog", title="\ud83d\ude00"),
                "title is not valid Unicode at character 1",
            ),
            (CaptionRecord(9, "a dog"), "image_id must be a string, not int"),  # type: ignore[arg-type]
            *(
                (
                    replace(RECORDS[0], **{name: "a\x1fb"}),
                    f"{name} has the character U+001F, which separates the parts of a document's id",
                )
                for name in ("image_id", "source", "kind", "model", "caption")
            ),
        ],
    )
    def test_a_record_that_cannot_be_stored_is_told_of_and_the_rest_goes_on(
        self, index: CaptionIndex, broken: CaptionRecord, reason: str
    ) -> None:
        report = AddReport(2, 0, (Rejected(broken, reason),))
        with index.draft("k", ANALYZER) as draft:
            assert draft.add([RECORDS[0], broken, RECORDS[3]]) == report
            assert draft.publish().captions == 2
        assert index.add([RECORDS[4], broken, RECORDS[5]]) == report
        assert index.replace((), [broken]) == AddReport(0, 0, report.rejected)
        assert index.status().captions == 4

    def test_other_fields_may_hold_what_separates_the_parts_of_an_id(self, filled: CaptionIndex) -> None:
        titled = replace(RECORDS[0], title="a\x1fb")
        assert filled.add([titled]) == AddReport(1, updated=1)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (RECORDS[0], r"captions are given as a list of CaptionRecord, not CaptionRecord"),
            (None, "captions are given as a list of CaptionRecord, not None"),
            ([RECORDS[3], {"image_id": "1"}], r"a caption is given as CaptionRecord, not {'image_id': '1'}"),
            ("a dog", "a caption is given as CaptionRecord, not 'a'"),
        ],
    )
    def test_what_is_no_record_is_refused(self, filled: CaptionIndex, given: Any, said: str) -> None:
        before = filled.captions(["1"])["1"]
        with filled.draft("k", ANALYZER) as draft, pytest.raises(IndexerError, match=said):
            draft.add(given)
        for ask in (filled.add, lambda records: filled.replace(before, records)):
            with pytest.raises(IndexerError, match=said) as error:
                ask(given)
            assert "\n" not in str(error.value)
        assert filled.captions(["1"])["1"] == before


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

    def test_of_a_caption_given_with_several_facts_the_last_ones_stay(self, filled: CaptionIndex) -> None:
        [old] = filled.captions(["2"])["2"]
        titled = replace(old.record, title="A dog")
        for records in ([titled, old.record, old.record], [old.record, titled, titled]):
            assert filled.replace([old], records) == AddReport(2, 1, updated=1)
            [new] = filled.captions(["2"])["2"]
            assert new.record == records[-1]
            old = new


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
            draft.add([replace(RECORDS[2], caption="A dog", image="beach.jpg"), *RECORDS[:4]])
        with pytest.raises(IndexNotFoundError):
            open_index(fresh_where)
        with open_index(fresh_where, create=True) as again, again.draft("k", ANALYZER) as draft:
            assert draft.known_places("default@12345678") == {"1": [""], "2": ["", "beach.jpg"]}
            assert draft.known_places("another@12345678") == {}
            assert draft.add(RECORDS) == AddReport(len(RECORDS) - 4, 4)
            assert draft.publish().captions == len(RECORDS) + 1

    def test_another_key_begins_anew(self, index: CaptionIndex) -> None:
        with index.draft("one", ANALYZER) as draft:
            draft.add(RECORDS[:4])
        with index.draft("two", ANALYZER) as draft:
            assert draft.known_places("default@12345678") == {}
            draft.add(RECORDS[4:])
            assert draft.publish().captions == len(RECORDS) - 4
        with index.draft("one", ANALYZER) as draft:
            assert draft.known_places("default@12345678") == {}, "what is published supersedes it"

    def test_what_drafts_of_other_keys_hold_can_be_read_until_a_build_is_published(
        self, filled: CaptionIndex
    ) -> None:
        left = [record("new", "a giraffe"), record("new", "two giraffes"), record("other", "a heron")]
        with filled.draft("one", ANALYZER) as draft:
            draft.add(left[:1])
        with filled.draft("two", "words/1") as draft:
            draft.add(left[1:])
            [held] = draft.left_by_others(["new", "other", "2"])
            assert {name: [one.record for one in some] for name, some in held.items()} == {"new": left[:1]}
        with filled.draft("three", ANALYZER) as draft:
            drafts = draft.left_by_others(iter(["new"]))
            assert {one["new"][0].record for one in drafts} == {*left[:2]}
            assert [[*one] for one in drafts] == [["new"], ["new"]]
            assert not any(draft.left_by_others(["absent"])) and not any(draft.left_by_others([]))
            draft.add(RECORDS)
            draft.publish()
        with filled.draft("four", ANALYZER) as draft:
            assert not draft.left_by_others(["new"]), "what is published supersedes it"

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


class TestClosing:
    @pytest.mark.parametrize("published", [True, False])
    def test_a_draft_that_is_closed_takes_and_publishes_nothing(
        self, filled: CaptionIndex, published: bool
    ) -> None:
        with filled.draft("k", ANALYZER) as draft:
            draft.add(RECORDS[:4])
            if published:
                draft.publish()
        held = filled.status().captions
        for ask in (
            lambda: draft.add([record("new", "a giraffe")]),
            lambda: draft.known_places("default@12345678"),
            lambda: draft.left_by_others(["1"]),
            draft.publish,
        ):
            with pytest.raises(IndexerError, match=f"^{re.escape(filled.where)}: this draft is closed; open"):
                ask()
        assert filled.status().captions == held == (4 if published else len(RECORDS))
        with filled.draft("k", ANALYZER) as again:
            assert again.add(RECORDS[:5]) == (AddReport(5) if published else AddReport(1, 4))

    def test_an_index_that_is_closed_answers_and_takes_nothing(
        self, filled: CaptionIndex, fresh_where: str
    ) -> None:
        [old] = filled.captions(["2"])["2"]
        filled.close()
        asked: tuple[Callable[[], object], ...] = (
            lambda: filled.candidates(tokens("dog"), 5),
            lambda: filled.view().captions(["2"]),
            lambda: filled.captions([]),
            lambda: filled.count([Query(tokens("dog"), min_score=0.5)]),
            lambda: filled.random(3),
            lambda: list(filled.places("/")),
            lambda: list(filled.records()),
            filled.status,
            filled.caption_count,
            filled.check,
            lambda: filled.add(RECORDS),
            lambda: filled.add([]),
            lambda: filled.delete(["2"]),
            lambda: filled.replace([old], [old.record]),
            lambda: filled.draft("k"),
        )
        for ask in asked:
            with pytest.raises(IndexerError) as error:
                ask()
            assert str(error.value) == f"{filled.where}: this index is closed; open it again"
        with open_index(fresh_where) as again:
            assert again.captions(["2"])["2"] == [old]


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
