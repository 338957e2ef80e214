"""build: what arrives in the index, what is told, and what an interruption leaves behind."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.errors import ModelError
from captioner.problem import Problem
from captioner.tokens import DEFAULT
from indexer import loading
from indexer.build import Captioning, add, build
from indexer.deletion import delete
from indexer.errors import IndexerError, IndexMismatchError, IndexUnavailableError
from indexer.index import open_index
from indexer.records import RECORD_FIELDS, AddReport, CaptionRecord
from indexer.sources import CocoSource, FolderSource, JsonlSource, ScrapedSource, Source, SourceItem
from tests.indexer.fakes import ColourCaptioner, DraftingIndex, Stopped, captioning
from tests.indexer.files import captions_file, write_coco, write_jsonl, write_photo, write_scraped


def never() -> ColourCaptioner:
    raise AssertionError("no captioner is needed here")


class Given(Source):
    """A source of a library's user."""

    name = "given"

    def __init__(self, records: Sequence[CaptionRecord]) -> None:
        self._records = records

    def fingerprint(self) -> str:
        return "given"

    def captions(self) -> Iterator[SourceItem]:
        return iter(self._records)

    def caption_count(self) -> int:
        return len(self._records)


class Photos(Source):
    """Photos that have one id."""

    name = "photos"

    def __init__(self, image_id: str, *photos: Path) -> None:
        self._photos = [CaptionRecord(image_id, "", str(one), "folder", "generated") for one in photos]

    def fingerprint(self) -> str:
        return "photos"

    def photos(self) -> Iterator[SourceItem]:
        return iter(self._photos)

    def photo_count(self) -> int:
        return len(self._photos)


class TestBuild:
    def test_the_index_holds_what_the_sources_hold_and_nothing_else(self, tmp_path: Path) -> None:
        index = DraftingIndex([CaptionRecord("old", "An old caption.")])
        source = JsonlSource(captions_file(tmp_path, "A dog.", "A cat."))
        report = build(index, [source], Captioning(never))
        assert {record.caption for record in index.held} == {"A dog.", "A cat."}
        assert (report.added, report.unchanged, report.whole) == (2, 0, True)
        assert report.status.captions == 2

    def test_several_sources_and_photos_go_together(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "images" / "000000000009.jpg")
        write_photo(tmp_path / "mine" / "a b.png")
        index, captioner = DraftingIndex(), ColourCaptioner()
        found: list[Source] = [
            CocoSource(write_coco(tmp_path / "c.json"), tmp_path / "images"),
            FolderSource(tmp_path / "mine"),
            JsonlSource(captions_file(tmp_path, "A dog.")),
        ]
        report = build(index, found, captioning(captioner, captions=2))
        assert (report.added, report.captioned, len(report.problems)) == (3 + 1 + 2 * 2, 2, 1)
        generated = [record for record in index.held if record.kind == "generated"]
        assert {(record.image_id, record.source, record.model) for record in generated} == {
            ("000000000009.jpg", "coco", "colour@12345678"),
            ("a b.png", "folder", "colour@12345678"),
        }
        assert all(len(record.phash) == 16 for record in generated)
        assert {record.license for record in generated if record.source == "coco"} == {"CC BY 2.0"}
        assert {record.image for record in generated if record.source == "folder"} == {
            str(tmp_path / "mine" / "a b.png")
        }

    def test_building_again_changes_nothing(self, tmp_path: Path) -> None:
        index = DraftingIndex()
        source = JsonlSource(captions_file(tmp_path, "A dog.", "A cat."))
        build(index, [source])
        before = dict(index.documents)
        build(index, [source])
        assert index.documents == before

    def test_two_sources_with_the_same_captions_give_each_once(self, tmp_path: Path) -> None:
        file = captions_file(tmp_path, "A dog.", "A cat.")
        report = build(DraftingIndex(), [JsonlSource(file), JsonlSource(file)])
        assert (report.added, report.unchanged, report.status.captions) == (2, 2, 2)

    def test_a_photo_of_two_sources_is_captioned_once(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "images" / "000000000009.jpg")
        captioner = ColourCaptioner()
        found: list[Source] = [
            CocoSource(write_coco(tmp_path / "c.json"), tmp_path / "images"),
            FolderSource(tmp_path / "images"),
        ]
        report = build(DraftingIndex(), found, captioning(captioner))
        assert (report.captioned, report.known, report.met_again) == (1, 0, 1)
        assert len(captioner.asked) == 1

    def test_two_photos_of_one_id_that_no_folder_gave_are_told_of_and_the_first_stays(
        self, tmp_path: Path
    ) -> None:
        first, second = write_photo(tmp_path / "a" / "x.jpg"), write_photo(tmp_path / "b" / "y.jpg", "blue")
        index = DraftingIndex()
        report = build(index, [Photos("x.jpg", first, second)], captioning(ColourCaptioner()))
        assert [record.image for record in index.held] == [str(first)]
        assert [str(problem) for problem in report.problems] == [
            f"{second}: its image id 'x.jpg' belongs to {first} already; rename one of them"
        ]

    def test_a_caption_that_another_generated_is_none_of_this_captioner(
        self, tmp_path: Path, fresh_where: str
    ) -> None:
        write_photo(tmp_path / "cam" / "a.jpg")
        write_photo(tmp_path / "cam" / "b.jpg")
        row = {"image_id": "a.jpg", "caption": "A bright ring.", "kind": "generated", "model": "blip"}
        own = {"image_id": "b.jpg", "caption": "Mine.", "kind": "generated", "model": "colour@12345678"}
        blip = JsonlSource(write_jsonl(tmp_path / "blip.jsonl", row, own))
        found: list[Source] = [blip, FolderSource(tmp_path / "cam")]
        with open_index(fresh_where, create=True) as index:
            with pytest.raises(KeyboardInterrupt):  # and so it is for a draft that is gone on with
                build(index, found, captioning(Stopped(0, KeyboardInterrupt())))
            report = build(index, found, captioning(ColourCaptioner()))
            assert (report.captioned, report.known) == (1, 1)
            assert {one.record.caption for one in index.captions(["a.jpg"])["a.jpg"]} == {
                "A bright ring.",
                "a photo of a number 0",
            }

    def test_a_photo_of_two_scraped_folders_is_one(self, tmp_path: Path) -> None:
        for name in ("oa", "ob"):
            write_scraped(tmp_path / name)
        index, captioner = DraftingIndex(), ColourCaptioner()
        report = build(
            index, [ScrapedSource(tmp_path / name) for name in ("oa", "ob")], captioning(captioner)
        )
        assert (report.captioned, report.known, report.met_again, report.problems) == (1, 0, 1, ())
        assert {record.image_id for record in index.held} == {"scraped/" + "ab12" * 8}
        assert [record.caption for record in index.held if record.kind == "title"] == [
            "Seen by oa",
            "Seen by ob",
        ]
        assert add(index, [ScrapedSource(tmp_path / "ob")], captioning(captioner)).whole

    def test_empty_captions_are_counted_and_spaces_are_made_single(self, tmp_path: Path) -> None:
        index = DraftingIndex()
        file = captions_file(tmp_path, "", " \n\t", " A  dog\n on a sofa. ")
        report = build(index, [JsonlSource(file)])
        assert (report.added, report.empty, report.whole) == (1, 2, True)
        assert [record.caption for record in index.held] == ["A dog on a sofa."]

    def test_a_caption_of_10000_words(self, tmp_path: Path) -> None:
        index = DraftingIndex()
        caption = " ".join(f"word{number}" for number in range(10_000))
        report = build(index, [JsonlSource(captions_file(tmp_path, caption))])
        assert report.added == 1
        assert [len(document.tokens) >= 10_000 for document in index.documents.values()] == [True]

    def test_bad_photos_are_told_of_and_the_rest_goes_on(self, tmp_path: Path) -> None:
        folder = tmp_path / "photos"
        write_photo(folder / "a.jpg")
        (folder / "empty.jpg").write_bytes(b"")
        (folder / "text.png").write_text("no photo")
        write_photo(folder / "z.jpg")
        (folder / "cut.jpg").write_bytes((folder / "z.jpg").read_bytes()[:200])
        told: list[Problem] = []
        index = DraftingIndex()
        report = build(index, [FolderSource(folder)], captioning(ColourCaptioner()), tell=told.append)
        assert {record.image_id for record in index.held} == {"a.jpg", "z.jpg"}
        assert (report.captioned, report.whole) == (2, False)
        assert told == list(report.problems)
        assert [problem.where for problem in told] == [
            str(folder / name) for name in ("cut.jpg", "empty.jpg", "text.png")
        ]
        assert told[1].reason == "the file is empty"
        assert not any(str(folder) in problem.reason for problem in told)

    def test_what_is_wrong_in_a_folder_that_comes_twice_is_told_of_once(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "a.jpg")
        (tmp_path / "below").mkdir()
        (tmp_path / "below" / "lost.jpg").symlink_to(tmp_path / "nothing.jpg")
        write_photo(tmp_path / "below" / "b.jpg")
        ways = (tmp_path, tmp_path, tmp_path / "below" / "..", tmp_path / "below")
        told: list[Problem] = []
        report = build(
            DraftingIndex(),
            [FolderSource(way) for way in ways],
            captioning(ColourCaptioner()),
            tell=told.append,
        )
        assert (report.captioned, report.met_again) == (2, 5)
        lost = str(tmp_path / "below" / "lost.jpg")
        assert list(report.problems) == told == [Problem(lost, "is a broken link, or gone")]
        lines = write_jsonl(tmp_path / "x.jsonl", {}), write_jsonl(tmp_path / "below" / "x.jsonl", {})
        report = build(DraftingIndex(), [*map(JsonlSource, lines), Given([CaptionRecord("a", "A dog.")])])
        assert len(report.problems) == 2, "files of one name are two"

    def test_text_that_is_no_unicode_is_told_of(self, tmp_path: Path) -> None:
        file = tmp_path / "c.jsonl"
        file.write_text('{"image_id": "a\\ud800", "caption": "x"}\n{"image_id": "b", "caption": "A dog."}\n')
        index = DraftingIndex()
        report = build(index, [JsonlSource(file)])
        assert [record.image_id for record in index.held] == ["b"]
        assert [str(problem) for problem in report.problems] == [
            "c.jsonl: line 1: image_id is not valid Unicode at character 2"
        ]

    @pytest.mark.parametrize("value", [5, None, b"text", Path("a.jpg"), ["a"], "a\ud800"])
    @pytest.mark.parametrize("name", RECORD_FIELDS)
    def test_a_record_of_a_source_of_ones_own_that_holds_no_text_is_told_of(
        self, name: str, value: object
    ) -> None:
        good = CaptionRecord("b", "A dog.")
        fields: Any = {"image_id": "a", "caption": "A cat.", name: value}
        index = DraftingIndex()
        report = build(index, [Given([CaptionRecord(**fields), good])])
        assert (index.held, report.added) == ([good], 1)
        [problem] = report.problems
        wrong = "is not valid Unicode at character 2" if isinstance(value, str) else "must be a string, not "
        assert problem.reason.startswith(f"{name} {wrong}")

    def test_with_nothing_to_index_the_old_index_stays(self, tmp_path: Path) -> None:
        index = DraftingIndex([CaptionRecord("old", "An old caption.")])
        (tmp_path / "c.jsonl").write_text("broken\n")
        told: list[Problem] = []
        with pytest.raises(IndexerError, match="stays as it was"):
            build(index, [JsonlSource(tmp_path / "c.jsonl")], tell=told.append)
        assert [record.image_id for record in index.held] == ["old"]
        assert len(told) == 1

    def test_photos_without_a_captioner(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "a.jpg")
        with pytest.raises(IndexerError, match="no captioner"):
            build(DraftingIndex(), [FolderSource(tmp_path)])

    def test_a_wrong_model_or_analyzer_is_told_of_before_anything_is_done(self, tmp_path: Path) -> None:
        def load() -> ColourCaptioner:
            raise ModelError("no such model")

        write_photo(tmp_path / "a.jpg")
        index = DraftingIndex()
        with pytest.raises(ModelError, match="no such model"):
            build(index, [FolderSource(tmp_path)], Captioning(load))
        with pytest.raises(IndexMismatchError, match="unknown analyzer"):
            build(index, [JsonlSource(captions_file(tmp_path, "A dog."))], analyzer="klingon/1")
        assert index.drafts == {}

    def test_build_replaces_an_index_of_another_analyzer(self, tmp_path: Path) -> None:
        index = DraftingIndex([CaptionRecord("old", "An old caption.")], "seed/1")
        build(index, [JsonlSource(captions_file(tmp_path, "A dog."))])
        assert index.analyzer == DEFAULT

    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=20))
    def test_every_caption_is_counted_once(
        self, tmp_path_factory: pytest.TempPathFactory, captions: list[str]
    ) -> None:
        index = DraftingIndex()
        file = captions_file(tmp_path_factory.mktemp("captions"), "A dog.", *captions)
        report = build(index, [JsonlSource(file)])
        told = len(report.rejected) + len(report.problems)
        assert report.added + report.unchanged + report.empty + told == 1 + len(captions)
        assert report.added == len(index.documents)


class TestProgress:
    def test_a_bar_for_each_source_is_moved_to_its_end_and_closed(self, tmp_path: Path) -> None:
        class Bar:
            def __init__(self, total: int | None, unit: str, label: str) -> None:
                self.total, self.unit, self.label, self.done, self.closed = total, unit, label, 0, False
                bars.append(self)

            def update(self, n: int = 1) -> None:
                self.done += n

            def close(self) -> None:
                self.closed = True

        bars: list[Bar] = []
        for name in ("a.jpg", "b.jpg"):
            write_photo(tmp_path / "photos" / name)
        (tmp_path / "photos" / "c.jpg").write_bytes(b"")
        found: list[Source] = [FolderSource(tmp_path / "photos"), CocoSource(write_coco(tmp_path / "c.json"))]
        build(DraftingIndex(), found, captioning(ColourCaptioner()), progress=Bar)
        assert [(bar.label, bar.unit, bar.total, bar.done, bar.closed) for bar in bars] == [
            ("c.json", "caption", 3, 3, True),
            ("photos", "photo", 3, 3, True),
        ]


class TestInterruption:
    @pytest.mark.parametrize("how", [KeyboardInterrupt(), MemoryError()])
    def test_a_build_goes_on_and_captions_no_photo_twice(self, tmp_path: Path, how: BaseException) -> None:
        for name in "abcde":
            write_photo(tmp_path / f"{name}.jpg")
        index = DraftingIndex([CaptionRecord("old", "An old caption.")])
        with pytest.raises(type(how)):
            build(index, [FolderSource(tmp_path)], captioning(Stopped(3, how)))
        assert [record.image_id for record in index.held] == ["old"]
        captioner = ColourCaptioner()
        report = build(index, [FolderSource(tmp_path)], captioning(captioner))
        assert [Path(name).name for name in captioner.asked] == ["d.jpg", "e.jpg"]
        assert (report.captioned, report.known) == (2, 3)
        assert {record.image_id for record in index.held} == {f"{name}.jpg" for name in "abcde"}

    def test_another_model_or_more_photos_begin_anew(self, tmp_path: Path) -> None:
        for name in "abc":
            write_photo(tmp_path / f"{name}.jpg")
        index = DraftingIndex()
        with pytest.raises(KeyboardInterrupt):
            build(index, [FolderSource(tmp_path)], captioning(Stopped(2, KeyboardInterrupt())))
        other = ColourCaptioner("other")
        build(index, [FolderSource(tmp_path)], captioning(other))
        assert len(other.asked) == 3
        assert {record.model for record in index.held} == {"other@12345678"}

    @pytest.mark.parametrize(("beam", "left"), [(None, 1), (3, 1), (5, 3)])
    def test_the_models_usual_beam_is_the_same_by_its_number(
        self, tmp_path: Path, beam: int | None, left: int
    ) -> None:
        for name in "abc":
            write_photo(tmp_path / f"{name}.jpg")
        index, captioner = DraftingIndex(), ColourCaptioner()
        stopped = Stopped(2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            build(index, [FolderSource(tmp_path)], Captioning(lambda: stopped))
        build(index, [FolderSource(tmp_path)], Captioning(lambda: captioner, beam))
        assert len(captioner.asked) == left

    def test_captions_tell_of_another_beam_than_the_usual_one(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "a.jpg")
        index = DraftingIndex()
        for beam, model in ((None, ""), (3, ""), (5, "/beam5")):
            build(index, [FolderSource(tmp_path)], Captioning(ColourCaptioner, beam))
            assert [record.model for record in index.held] == [f"colour@12345678{model}"]

    def test_a_batch_that_is_interrupted_while_it_is_stored_is_not_stored_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loading, "PHOTO_BATCH", 2)
        for name in "abcd":
            write_photo(tmp_path / f"{name}.jpg")
        calls: list[int] = []

        class Interrupted(DraftingIndex):
            def add(self, records: Iterable[CaptionRecord]) -> AddReport:
                calls.append(len(list(records)))
                if len(calls) > 1:
                    raise KeyboardInterrupt
                return AddReport()

        with pytest.raises(KeyboardInterrupt):
            add(Interrupted(), [FolderSource(tmp_path)], captioning(ColourCaptioner()))
        assert calls == [0, 2]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize(("at", "kept"), [(1, "ab"), (2, "abc")])
    def test_a_signal_while_captions_are_stored_comes_behind_the_storing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, kept: str, number: signal.Signals
    ) -> None:
        """Be it amid the photos, or when all are captioned and the last ones are stored."""
        monkeypatch.setattr(loading, "PHOTO_BATCH", 2)
        for name in "abc":
            write_photo(tmp_path / f"{name}.jpg")

        class Signalled(DraftingIndex):
            def store(self, *arguments: Any) -> AddReport:
                if len(self.stored) == at:
                    signal.raise_signal(number)
                return super().store(*arguments)

        index, before = Signalled(), signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                add(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()))
        finally:
            signal.signal(signal.SIGTERM, before)
        assert {record.image_id for record in index.held} == {f"{name}.jpg" for name in kept}

    def test_an_engine_that_fails_ends_the_build_and_the_next_goes_on(self, tmp_path: Path) -> None:
        class Down(DraftingIndex):
            down = False

            def store(self, *arguments: Any) -> AddReport:
                if self.down:
                    raise IndexUnavailableError("the server is down")
                return super().store(*arguments)

        index = Down([CaptionRecord("old", "An old caption.")])
        index.down = True
        file = captions_file(tmp_path, "A dog.")
        with pytest.raises(IndexUnavailableError, match="the server is down; what was stored is kept"):
            build(index, [JsonlSource(file)])
        assert [record.image_id for record in index.held] == ["old"]
        index.down = False
        assert build(index, [JsonlSource(file)]).added == 1


class TestEngines:
    """The whole way on the real engines."""

    def test_build_add_delete(self, tmp_path: Path, fresh_where: str) -> None:
        write_photo(tmp_path / "photos" / "a.jpg")
        write_photo(tmp_path / "photos" / "b.jpg", "blue")
        with open_index(fresh_where, create=True) as index:
            with pytest.raises(KeyboardInterrupt):
                build(index, [FolderSource(tmp_path / "photos")], captioning(Stopped(1, KeyboardInterrupt())))
            captioner = ColourCaptioner()
            report = build(index, [FolderSource(tmp_path / "photos")], captioning(captioner))
            assert [Path(name).name for name in captioner.asked] == ["b.jpg"]
            assert (report.status.captions, report.known) == (2, 1)
            report = add(index, [CocoSource(write_coco(tmp_path / "c.json"))])
            assert (report.added, report.status.images) == (3, 4)
            assert add(index, [CocoSource(tmp_path / "c.json")]).unchanged == 3
            report = add(index, [FolderSource(tmp_path / "photos")], captioning(captioner))
            assert (report.captioned, report.known) == (0, 2)
            assert delete(index, ["000000000009.jpg", "none"]) == (2, ["none"])
            found = index.candidates(frozenset(["cat"]), 10).found
            assert [one.document.record.caption for one in found] == ["Two cats sleep."]
