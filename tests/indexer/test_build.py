"""build and add: what arrives in the index, what is told, and what an interruption leaves behind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.captioner import Captioned
from captioner.errors import ModelError
from captioner.photo import Photo, open_photo, perceptual_hash
from captioner.tokens import DEFAULT
from indexer import gone as gone_photos
from indexer import loading
from indexer.build import BuildReport, Captioning, add, build, delete
from indexer.errors import IndexerError, IndexMismatchError, IndexUnavailableError
from indexer.gone import delete_gone
from indexer.index import open_index
from indexer.records import AddReport, CaptionRecord
from indexer.report import report_as_json, report_lines
from indexer.sources import CocoSource, FolderSource, JsonlSource, Problem, ScrapedSource
from tests.indexer.worlds import (
    ColourCaptioner,
    DraftingIndex,
    write_coco,
    write_jsonl,
    write_noise,
    write_photo,
)


def captioning(captioner: ColourCaptioner, captions: int = 1) -> Captioning:
    return Captioning(lambda: captioner, captions=captions)


def never() -> ColourCaptioner:
    raise AssertionError("no captioner is needed here")


def write_scraped(folder: Path, photo: str) -> None:
    """A scraped folder of one photo, the same one in every such folder."""
    write_photo(folder / photo)
    item = {"line": "item", "url": f"http://{folder.name}.example/1.jpg", "status": "downloaded"}
    shared = {"file": photo, "sha256": "ab12" * 16, "title": f"Seen by {folder.name}"}
    write_jsonl(folder / "manifest.jsonl", item | shared)


def captions_file(folder: Path, *captions: str, name: str = "captions.jsonl") -> Path:
    rows = [{"image_id": f"{number}.jpg", "caption": text} for number, text in enumerate(captions)]
    return write_jsonl(folder / name, *rows)


class TestBuild:
    def test_the_index_holds_what_the_sources_hold_and_nothing_else(self, tmp_path: Path) -> None:
        index = DraftingIndex([CaptionRecord("old", "An old caption.")])
        source = JsonlSource(captions_file(tmp_path, "A dog.", "A cat."))
        report = build(index, [source], Captioning(never))
        assert {record.caption for record in index.records} == {"A dog.", "A cat."}
        assert (report.added, report.unchanged, report.whole) == (2, 0, True)
        assert report.status.captions == 2

    def test_several_sources_and_photos_go_together(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "images" / "000000000009.jpg")
        write_photo(tmp_path / "mine" / "a b.png")
        index, captioner = DraftingIndex(), ColourCaptioner()
        found = [
            CocoSource(write_coco(tmp_path / "c.json"), tmp_path / "images"),
            FolderSource(tmp_path / "mine"),
            JsonlSource(captions_file(tmp_path, "A dog.")),
        ]
        report = build(index, found, captioning(captioner, captions=2))
        assert (report.added, report.captioned, len(report.problems)) == (3 + 1 + 2 * 2, 2, 1)
        generated = [record for record in index.records if record.kind == "generated"]
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
        found = [
            CocoSource(write_coco(tmp_path / "c.json"), tmp_path / "images"),
            FolderSource(tmp_path / "images"),
        ]
        report = build(DraftingIndex(), found, captioning(captioner))
        assert (report.captioned, report.known) == (1, 1)
        assert len(captioner.asked) == 1

    def test_two_photos_of_one_image_id_are_told_of_and_the_first_stays(self, tmp_path: Path) -> None:
        first, second = write_photo(tmp_path / "a" / "x.jpg"), write_photo(tmp_path / "b" / "x.jpg", "blue")
        index = DraftingIndex()
        found = [FolderSource(tmp_path / "a"), FolderSource(tmp_path / "b")]
        report = build(index, found, captioning(ColourCaptioner()))
        assert [record.image for record in index.records] == [str(first)]
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
        found = [JsonlSource(write_jsonl(tmp_path / "blip.jsonl", row, own)), FolderSource(tmp_path / "cam")]
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
            write_scraped(tmp_path / name, "x.jpg")
        index, captioner = DraftingIndex(), ColourCaptioner()
        report = build(
            index, [ScrapedSource(tmp_path / name) for name in ("oa", "ob")], captioning(captioner)
        )
        assert (report.captioned, report.known, report.problems) == (1, 1, ())
        assert {record.image_id for record in index.records} == {"scraped/" + "ab12" * 8}
        assert [record.caption for record in index.records if record.kind == "title"] == [
            "Seen by oa",
            "Seen by ob",
        ]
        assert add(index, [ScrapedSource(tmp_path / "ob")], captioning(captioner)).whole

    def test_empty_captions_are_counted_and_spaces_are_made_single(self, tmp_path: Path) -> None:
        index = DraftingIndex()
        file = captions_file(tmp_path, "", " \n\t", " A  dog\n on a sofa. ")
        report = build(index, [JsonlSource(file)])
        assert (report.added, report.empty, report.whole) == (1, 2, True)
        assert [record.caption for record in index.records] == ["A dog on a sofa."]

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
        assert {record.image_id for record in index.records} == {"a.jpg", "z.jpg"}
        assert (report.captioned, report.whole) == (2, False)
        assert told == list(report.problems)
        assert [problem.where for problem in told] == [
            str(folder / name) for name in ("cut.jpg", "empty.jpg", "text.png")
        ]
        assert told[1].reason == "the file is empty"
        assert not any(str(folder) in problem.reason for problem in told)

    def test_text_that_is_no_unicode_is_told_of(self, tmp_path: Path) -> None:
        file = tmp_path / "c.jsonl"
        file.write_text('{"image_id": "a\\ud800", "caption": "x"}\n{"image_id": "b", "caption": "A dog."}\n')
        index = DraftingIndex()
        report = build(index, [JsonlSource(file)])
        assert [record.image_id for record in index.records] == ["b"]
        assert [str(problem) for problem in report.problems] == [
            "a\\ud800: its name or text is not valid Unicode"
        ]

    def test_with_nothing_to_index_the_old_index_stays(self, tmp_path: Path) -> None:
        index = DraftingIndex([CaptionRecord("old", "An old caption.")])
        (tmp_path / "c.jsonl").write_text("broken\n")
        told: list[Problem] = []
        with pytest.raises(IndexerError, match="stays as it was"):
            build(index, [JsonlSource(tmp_path / "c.jsonl")], tell=told.append)
        assert [record.image_id for record in index.records] == ["old"]
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
    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=20), st.data())
    def test_every_caption_is_counted_once(
        self, tmp_path_factory: pytest.TempPathFactory, captions: list[str], data: st.DataObject
    ) -> None:
        index = DraftingIndex()
        file = captions_file(tmp_path_factory.mktemp("captions"), "A dog.", *captions)
        report = build(index, [JsonlSource(file)])
        assert report.added + report.unchanged + report.empty + len(report.rejected) == 1 + len(captions)
        assert report.added == len(index.documents)


class TestProgress:
    def test_a_bar_for_each_source_is_moved_to_its_end_and_closed(self, tmp_path: Path) -> None:
        class Bar:
            def __init__(self, total: int, unit: str, label: str) -> None:
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
        found = [FolderSource(tmp_path / "photos"), CocoSource(write_coco(tmp_path / "c.json"))]
        build(DraftingIndex(), found, captioning(ColourCaptioner()), progress=Bar)
        assert [(bar.label, bar.unit, bar.total, bar.done, bar.closed) for bar in bars] == [
            ("c.json", "caption", 3, 3, True),
            ("photos", "photo", 3, 3, True),
        ]


class Stopped(ColourCaptioner):
    """Stops after so many photos, as Ctrl-C would."""

    def __init__(self, after: int, how: BaseException) -> None:
        super().__init__()
        self.after, self.how = after, how

    def stream(
        self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
    ) -> Iterator[Captioned]:
        for number, result in enumerate(super().stream(photos, beam=beam, captions=captions)):
            if number == self.after:
                raise self.how
            yield result


class TestInterruption:
    @pytest.mark.parametrize("how", [KeyboardInterrupt(), MemoryError()])
    def test_a_build_goes_on_and_captions_no_photo_twice(self, tmp_path: Path, how: BaseException) -> None:
        for name in "abcde":
            write_photo(tmp_path / f"{name}.jpg")
        index = DraftingIndex([CaptionRecord("old", "An old caption.")])
        with pytest.raises(type(how)):
            build(index, [FolderSource(tmp_path)], captioning(Stopped(3, how)))
        assert [record.image_id for record in index.records] == ["old"]
        captioner = ColourCaptioner()
        report = build(index, [FolderSource(tmp_path)], captioning(captioner))
        assert [Path(name).name for name in captioner.asked] == ["d.jpg", "e.jpg"]
        assert (report.captioned, report.known) == (2, 3)
        assert {record.image_id for record in index.records} == {f"{name}.jpg" for name in "abcde"}

    def test_another_model_or_more_photos_begin_anew(self, tmp_path: Path) -> None:
        for name in "abc":
            write_photo(tmp_path / f"{name}.jpg")
        index = DraftingIndex()
        with pytest.raises(KeyboardInterrupt):
            build(index, [FolderSource(tmp_path)], captioning(Stopped(2, KeyboardInterrupt())))
        other = ColourCaptioner("other")
        build(index, [FolderSource(tmp_path)], captioning(other))
        assert len(other.asked) == 3
        assert {record.model for record in index.records} == {"other@12345678"}

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

    def test_an_engine_that_fails_ends_the_build_and_the_next_goes_on(self, tmp_path: Path) -> None:
        class Down(DraftingIndex):
            down = False

            def store(self, *arguments: object) -> AddReport:
                if self.down:
                    raise IndexUnavailableError("the server is down")
                return super().store(*arguments)  # type: ignore[arg-type]

        index = Down([CaptionRecord("old", "An old caption.")])
        index.down = True
        file = captions_file(tmp_path, "A dog.")
        with pytest.raises(IndexUnavailableError, match="the server is down; what was done is kept"):
            build(index, [JsonlSource(file)])
        assert [record.image_id for record in index.records] == ["old"]
        index.down = False
        assert build(index, [JsonlSource(file)]).added == 1


class TestAdd:
    def test_what_is_there_stays_and_what_is_new_comes(self, tmp_path: Path) -> None:
        index = DraftingIndex([CaptionRecord("0.jpg", "A dog.")])
        report = add(index, [JsonlSource(captions_file(tmp_path, "A dog.", "A cat."))])
        assert (report.added, report.unchanged) == (1, 1)
        assert len(index.documents) == 2

    def test_photos_with_a_caption_by_this_captioner_are_not_captioned_again(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "a.jpg")
        index = DraftingIndex()
        add(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()))
        write_photo(tmp_path / "b.jpg")
        same, other = ColourCaptioner(), ColourCaptioner("other")
        report = add(index, [FolderSource(tmp_path)], captioning(same))
        assert (report.captioned, report.known, len(same.asked)) == (1, 1, 1)
        assert add(index, [FolderSource(tmp_path)], captioning(other)).captioned == 2
        assert len(index.documents) == 4

    def test_an_image_id_of_another_photo_in_the_index_is_told_of(self, tmp_path: Path) -> None:
        first, second = write_photo(tmp_path / "a" / "x.jpg"), write_photo(tmp_path / "b" / "x.jpg")
        index = DraftingIndex()
        add(index, [FolderSource(tmp_path / "a")], captioning(ColourCaptioner()))
        report = add(index, [FolderSource(tmp_path / "b")], captioning(ColourCaptioner()))
        assert [str(problem) for problem in report.problems] == [
            f"{second}: its image id 'x.jpg' belongs to {first} already; rename one of them"
        ]

    def test_so_is_one_of_which_another_captioner_wrote(self, tmp_path: Path) -> None:
        first, second = write_photo(tmp_path / "p" / "a.jpg"), write_photo(tmp_path / "q" / "a.jpg", "blue")
        index, later = DraftingIndex(), ColourCaptioner("other")
        add(index, [FolderSource(first.parent)], captioning(ColourCaptioner()))
        report = add(index, [FolderSource(second.parent)], captioning(later))
        assert [str(problem) for problem in report.problems] == [
            f"{second}: its image id 'a.jpg' belongs to {first} already; rename one of them"
        ]
        assert later.asked == []
        assert {(record.model, record.image) for record in index.records} == {
            ("colour@12345678", str(first)),
        }
        assert add(index, [FolderSource(first.parent)], captioning(later)).captioned == 1

    def test_what_others_generated_elsewhere_leaves_the_id_free(self, tmp_path: Path) -> None:
        photo = write_photo(tmp_path / "a.jpg")
        places = ("", "http://example.org/a.jpg", "a.jpg", str(tmp_path / "gone" / "a.jpg"))
        index = DraftingIndex(
            CaptionRecord("a.jpg", f"Caption {number}.", image=place, kind="generated", model="blip")
            for number, place in enumerate(places)
        )
        report = add(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()))
        assert (report.captioned, report.problems) == (1, ())
        assert str(photo) in {record.image for record in index.records}

    def test_a_photo_of_two_scraped_folders_is_captioned_by_each_captioner(self, tmp_path: Path) -> None:
        for name in ("oa", "ob"):
            write_scraped(tmp_path / name, "x.jpg")
        index = DraftingIndex()
        add(index, [ScrapedSource(tmp_path / "oa")], captioning(ColourCaptioner()))
        report = add(index, [ScrapedSource(tmp_path / "ob")], captioning(ColourCaptioner("other")))
        assert (report.captioned, report.problems) == (1, ())

    def test_an_interruption_keeps_what_was_captioned(self, tmp_path: Path) -> None:
        for name in "abc":
            write_photo(tmp_path / f"{name}.jpg")
        index = DraftingIndex()
        with pytest.raises(KeyboardInterrupt):
            add(index, [FolderSource(tmp_path)], captioning(Stopped(2, KeyboardInterrupt())))
        assert {record.image_id for record in index.records} == {"a.jpg", "b.jpg"}

    def test_captions_are_stored_in_batches(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "BATCH", 2)
        index = DraftingIndex()
        add(index, [JsonlSource(captions_file(tmp_path, "One dog.", "Two.", "Three.", "Four.", "Five."))])
        assert index.stored == [0, 2, 2, 1]

    @pytest.mark.parametrize(("made_by", "wanted"), [("seed/1", DEFAULT), ("english/99", None)])
    def test_an_index_of_another_analyzer_is_refused(
        self, tmp_path: Path, made_by: str, wanted: str | None
    ) -> None:
        index = DraftingIndex()
        index.analyzer = made_by
        with pytest.raises(IndexMismatchError, match=f"{made_by}.*build it anew"):
            add(index, [JsonlSource(captions_file(tmp_path, "A dog."))], analyzer=wanted)
        assert index.documents == {}


class TestChangedPhotos:
    """A file that became another photo under the same name."""

    def test_it_is_captioned_anew_and_its_old_captions_go(self, tmp_path: Path, fresh_where: str) -> None:
        folder, elsewhere = tmp_path / "photos", tmp_path / "other.png"
        for number, name in enumerate(("moved.png", "written.png", "same.png")):
            write_noise(folder / name, number)
        title = CaptionRecord("moved.png", "A title.", source="scraped", kind="title")
        with open_index(fresh_where, create=True) as index:
            index.add([title])
            add(index, [FolderSource(folder)], captioning(ColourCaptioner()))
            add(index, [FolderSource(folder)], captioning(ColourCaptioner("other")))
            earlier = (folder / "moved.png").stat().st_mtime - 1000
            write_noise(elsewhere, 11)
            os.utime(elsewhere, (earlier, earlier))
            elsewhere.replace(folder / "moved.png")
            write_noise(folder / "written.png", 12)
            captioner = ColourCaptioner()
            report = add(index, [FolderSource(folder)], captioning(captioner, captions=2))
            assert [Path(name).name for name in captioner.asked] == ["moved.png", "written.png"]
            assert (report.captioned, report.known, report.renewed) == (2, 1, 2)
            held = index.captions(["moved.png", "written.png", "same.png"])
            assert {one.record.caption for one in held["moved.png"]} == {
                "A title.",
                "a photo of moved number 0",
                "a photo of moved number 1",
            }
            # what the other captioner wrote of the earlier picture is gone, too
            assert {one.record.model for one in held["written.png"]} == {"colour@12345678"}
            assert {one.record.model for one in held["same.png"]} == {"colour@12345678", "other@12345678"}
            phash = next(one.record.phash for one in held["moved.png"] if one.record.kind == "generated")
            assert phash == perceptual_hash(open_photo(folder / "moved.png"))
            report = add(index, [FolderSource(folder)], captioning(captioner))
            assert (report.captioned, report.known, report.renewed) == (0, 3, 0)

    def test_a_photo_that_is_damaged_now_keeps_its_caption(self, tmp_path: Path) -> None:
        write_noise(tmp_path / "photos" / "a.png", 1)
        with open_index(str(tmp_path / "index"), create=True) as index:
            add(index, [FolderSource(tmp_path / "photos")], captioning(ColourCaptioner()))
            (tmp_path / "photos" / "a.png").write_bytes(b"no photo")
            report = add(index, [FolderSource(tmp_path / "photos")], captioning(ColourCaptioner()))
            assert (report.renewed, len(report.problems), report.status.captions) == (0, 1, 1)


class TestLinkedPhotos:
    """A file that is reached by another path as well."""

    def test_it_is_one_photo_by_whatever_path(self, tmp_path: Path, fresh_where: str) -> None:
        disk, link = tmp_path / "disk", tmp_path / "lnk"
        write_noise(disk / "a.png", 1)
        link.symlink_to(disk)
        with open_index(fresh_where, create=True) as index:
            report = build(index, [FolderSource(disk), FolderSource(link)], captioning(ColourCaptioner()))
            assert (report.captioned, report.known, report.problems) == (1, 1, ())
            report = add(index, [FolderSource(link)], captioning(ColourCaptioner()))
            assert (report.captioned, report.known, report.problems) == (0, 1, ())
            report = add(index, [FolderSource(link)], captioning(ColourCaptioner("other")))
            assert (report.captioned, report.problems) == (1, ())

    def test_its_changes_are_seen_by_whatever_path(self, tmp_path: Path, fresh_where: str) -> None:
        disk, link = tmp_path / "disk", tmp_path / "lnk"
        write_noise(disk / "a.png", 1)
        link.symlink_to(disk)
        with open_index(fresh_where, create=True) as index:
            add(index, [FolderSource(disk)], captioning(ColourCaptioner()))
            write_noise(disk / "a.png", 2)
            report = add(index, [FolderSource(link)], captioning(ColourCaptioner(), captions=2))
            assert (report.captioned, report.renewed, report.problems) == (1, 1, ())
            held = index.captions(["a.png"])["a.png"]
            assert len(held) == 2 and {one.record.image for one in held} == {str(link / "a.png")}


class TestNestedFolders:
    """A file that lies below two of the folders that were named: one image, by the id that it got first."""

    def test_a_folder_in_one_that_was_added_before(self, tmp_path: Path, fresh_where: str) -> None:
        outer, inner = tmp_path / "trap", tmp_path / "trap" / "2024"
        write_noise(outer / "a.png", 1)
        with open_index(fresh_where, create=True) as index:
            build(index, [FolderSource(outer)], captioning(ColourCaptioner()))
            write_noise(inner / "b.png", 2)
            add(index, [FolderSource(inner)], captioning(ColourCaptioner()))
            report = add(index, [FolderSource(outer)], captioning(ColourCaptioner()))
            assert (report.captioned, report.known, report.elsewhere, report.whole) == (0, 2, 1, True)
            assert report_as_json(report)["photos_elsewhere"] == 1
            assert any(
                line.startswith("1 photo in the index already under another") for line in report_lines(report)
            )
            assert dict(index.places("")) == {"a.png": str(outer / "a.png"), "b.png": str(inner / "b.png")}
            write_noise(inner / "b.png", 3)
            report = add(index, [FolderSource(outer)], captioning(ColourCaptioner()))
            assert (report.captioned, report.renewed, report.elsewhere) == (1, 1, 1)
            report = add(index, [FolderSource(outer)], captioning(ColourCaptioner("other")))
            assert (report.captioned, report.elsewhere, report.status.images) == (2, 1, 2)

    def test_a_folder_round_one_that_was_added_before(self, tmp_path: Path, fresh_where: str) -> None:
        for number, name in enumerate(("a.png", "2024/a.png", "2024/b.png")):
            write_noise(tmp_path / "disk" / name, number)
        (tmp_path / "link").symlink_to(tmp_path / "disk")
        with open_index(fresh_where, create=True) as index:
            add(index, [FolderSource(tmp_path / "disk")], captioning(ColourCaptioner()))
            for name in ("disk", "link"):
                folder = FolderSource(tmp_path / name / "2024")
                report = add(index, [folder], captioning(ColourCaptioner()))
                # the id a.png is another file's; this one has an id of its own already
                assert (report.captioned, report.known, report.elsewhere, report.problems) == (0, 2, 2, ())
            assert index.status().images == 3

    @pytest.mark.parametrize("folders", [("", "2023"), ("2023", ""), ("", "2023", "")])
    @pytest.mark.parametrize("fill", [build, add])
    def test_both_in_one_run(
        self, tmp_path: Path, fill: Callable[..., BuildReport], folders: tuple[str, ...]
    ) -> None:
        photos = tmp_path / "photos"
        files = [write_photo(photos / name) for name in ("a.jpg", "2023/b.jpg", "2023/c.jpg")]
        index, captioner = DraftingIndex(), ColourCaptioner()
        report = fill(index, [FolderSource(photos / name) for name in folders], captioning(captioner))
        assert sorted(captioner.asked) == sorted(str(file) for file in files)
        assert (report.captioned, report.elsewhere, report.problems) == (3, 2, ())
        assert report.status.images == 3

    def test_a_build_that_is_gone_on_with_names_them_as_it_began(self, tmp_path: Path) -> None:
        for name in ("2023/a.jpg", "2023/b.jpg"):
            write_photo(tmp_path / name)
        index, found = DraftingIndex(), [FolderSource(tmp_path), FolderSource(tmp_path / "2023")]
        with pytest.raises(KeyboardInterrupt):
            build(index, found, captioning(Stopped(1, KeyboardInterrupt())))
        report = build(index, found, captioning(ColourCaptioner()))
        assert (report.captioned, report.known, report.elsewhere) == (1, 3, 2)
        assert {record.image_id for record in index.records} == {"2023/a.jpg", "2023/b.jpg"}

    def test_photos_that_cannot_be_read_do_not_count_as_known(self, tmp_path: Path) -> None:
        (tmp_path / "2023").mkdir()
        (tmp_path / "2023" / "a.jpg").write_bytes(b"no photo")
        index = DraftingIndex([CaptionRecord("old", "An old caption.")])
        for names in (("", ""), ("", "2023")):
            with pytest.raises(IndexerError, match="nothing to index"):
                build(index, [FolderSource(tmp_path / name) for name in names], captioning(ColourCaptioner()))
        assert [record.image_id for record in index.records] == ["old"]

    def test_an_index_that_holds_a_file_twice_keeps_its_ids(self, tmp_path: Path) -> None:
        photo = write_photo(tmp_path / "2023" / "a.jpg")
        index = DraftingIndex(
            CaptionRecord(name, "A dog.", str(photo), "folder", "generated", "colour@12345678")
            for name in ("a.jpg", "2023/a.jpg")
        )
        for folder in (tmp_path, photo.parent):
            report = add(index, [FolderSource(folder)], captioning(ColourCaptioner()))
            assert (report.captioned, report.known, report.elsewhere) == (0, 1, 0)
        assert {record.image_id for record in index.records} == {"a.jpg", "2023/a.jpg"}

    @pytest.mark.parametrize(
        ("ids", "expected"), [(["sea"], "a.jpg"), (["b/a.jpg", "z/b/a.jpg", "c/b/a.jpg", "sea"], "b/a.jpg")]
    )
    def test_of_several_ids_the_first_that_a_folder_gives(
        self, tmp_path: Path, ids: list[str], expected: str
    ) -> None:
        photo = write_photo(tmp_path / "z" / "b" / "a.jpg")
        index = DraftingIndex([CaptionRecord(name, "Sea.", str(photo)) for name in ids])
        report = add(index, [FolderSource(photo.parent)], captioning(ColourCaptioner()))
        assert (report.captioned, report.elsewhere) == (1, expected != "a.jpg")
        assert [one.image_id for one in index.records if one.kind == "generated"] == [expected]

    def test_the_index_is_asked_once_for_a_folder_and_only_where_photos_are_new_to_it(
        self, tmp_path: Path
    ) -> None:
        index = AskedIndex()
        for number in range(loading.LOOK_UP + 3):
            write_photo(tmp_path / f"{number}.jpg")
        for asked in (2, 1):  # the photos that are gone are asked for, too
            index.beginnings.clear()
            add(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()))
            assert index.beginnings == [f"{tmp_path}/"] * asked


class TestMovedPhotos:
    """A folder that was moved or renamed, and added again."""

    def test_their_captions_are_taken_over_with_the_new_place(self, tmp_path: Path, fresh_where: str) -> None:
        old, new = tmp_path / "few", tmp_path / "few2"
        for number in range(70):  # more than are looked up at once
            write_noise(old / f"{number:02d}.png", number)
        title = CaptionRecord("00.png", "A title.", image=str(old / "00.png"), source="scraped", kind="title")
        remark = CaptionRecord("00.png", "A remark.", image="http://example.org/00.png")
        with open_index(fresh_where, create=True) as index:
            add(index, [FolderSource(old)], captioning(ColourCaptioner()))
            index.add([title, remark])
            before = index.status().captions
            old.rename(new)
            captioner = ColourCaptioner()
            report = add(index, [FolderSource(new)], captioning(captioner))
            assert (captioner.asked, report.problems) == ([], ())
            assert (report.captioned, report.known, report.moved) == (0, 70, 70)
            assert any(", 70 moved (" in line for line in report_lines(report))
            held = index.captions(f"{number:02d}.png" for number in range(70))
            assert {(one.record.image_id, one.record.image) for one in held.pop("00.png")} == {
                ("00.png", str(new / "00.png")),
                ("00.png", remark.image),
            }
            assert all(one.record.image == str(new / name) for name, group in held.items() for one in group)
            assert index.status().captions == before
            report = add(index, [FolderSource(new)], captioning(ColourCaptioner()))
            assert (report.known, report.moved) == (70, 0)

    def test_another_picture_of_that_name_is_told_of(self, tmp_path: Path) -> None:
        gone = write_noise(tmp_path / "few" / "a.png", 1)
        with open_index(str(tmp_path / "index"), create=True) as index:
            add(index, [FolderSource(gone.parent)], captioning(ColourCaptioner()))
            gone.unlink()
            write_noise(tmp_path / "few2" / "a.png", 2)
            report = add(index, [FolderSource(tmp_path / "few2")], captioning(ColourCaptioner()))
            assert (report.moved, report.known, len(report.problems)) == (0, 0, 1)
            assert index.captions(["a.png"])["a.png"][0].record.image == str(gone)

    def test_two_copies_of_what_is_gone_are_one_that_moved_and_one_too_many(self, tmp_path: Path) -> None:
        gone = write_noise(tmp_path / "few" / "a.png", 1)
        with open_index(str(tmp_path / "index"), create=True) as index:
            add(index, [FolderSource(gone.parent)], captioning(ColourCaptioner()))
            gone.unlink()
            copies = [write_noise(tmp_path / name / "a.png", 1) for name in ("few2", "few3")]
            report = add(index, [FolderSource(one.parent) for one in copies], captioning(ColourCaptioner()))
            assert (report.moved, report.known, len(report.problems)) == (1, 1, 1)
            assert index.captions(["a.png"])["a.png"][0].record.image == str(copies[0])


class AskedIndex(DraftingIndex):
    """Notes what places are told by the index, and for which of them the disk is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.beginnings: list[str] = []

    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        self.beginnings.append(beginning)
        for found in super().places(beginning):
            self.events.append("index")
            yield found

    def disk(self, is_gone: Callable[[str], bool]) -> Callable[[str], bool]:
        def asked(place: str) -> bool:
            self.events.append(place)
            return is_gone(place)

        self.events.clear()
        return asked


class Unasked(DraftingIndex):
    """An engine that does not look for places."""

    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        raise IndexUnavailableError("memory: no expensive queries here")


class TestGonePhotos:
    """Files that are no longer where they were captioned, while others are added."""

    def test_they_are_counted_and_stay_until_they_are_deleted(self, tmp_path: Path, fresh_where: str) -> None:
        folder = tmp_path / "my photos"
        for name in ("2020/a.png", "2020/b.png", "c.png"):
            write_noise(folder / name, ord(name[-5]))
        write_noise(tmp_path / "my photos too" / "d.png", 1)
        words = (("A title of what is gone.", str(folder / "2020" / "a.png")), ("A remark.", ""))
        with open_index(fresh_where, create=True) as index:
            for each in (folder, tmp_path / "my photos too"):
                add(index, [FolderSource(each)], captioning(ColourCaptioner(), captions=2))
            index.add(CaptionRecord("2020/a.png", text, image=place) for text, place in words)
            (folder / "2020").rename(folder / "2021")
            (tmp_path / "my photos too" / "d.png").unlink()
            report = add(index, [FolderSource(folder)], captioning(ColourCaptioner()))
            assert (report.captioned, report.known, report.moved, report.whole) == (2, 1, 0, True)
            assert report.gone == {str(folder): 2}
            (line,) = (line for line in report_lines(report) if "gone" in line)
            assert line == (
                f"2 photos of {folder} are gone and still in the index; to take them out: "
                f"indexer delete --gone '{folder}' --index {index.where}"
            )
            assert delete_gone(index, folder) == (2 * 2 + 1, 2)
            held = index.captions(["2020/a.png", "2020/b.png", "2021/a.png", "c.png", "d.png"])
            assert {image_id: len(found) for image_id, found in held.items()} == {
                "2020/a.png": 1,  # the remark, which tells of no file
                "2021/a.png": 1,
                "c.png": 2,
                "d.png": 2,
            }
            assert delete_gone(index, folder) == (0, 0)
            assert add(index, [FolderSource(folder)], captioning(ColourCaptioner())).gone == {}
            assert delete_gone(index, tmp_path / "photos") is None

    def test_a_folder_is_the_same_however_it_was_named(self, tmp_path: Path) -> None:
        roundabout = tmp_path / "photos" / ".." / "photos"
        index = DraftingIndex()
        for folder, name in ((tmp_path / "photos", "a.jpg"), (roundabout, "b.jpg")):
            write_photo(tmp_path / "photos" / name)
            add(index, [FolderSource(folder)], captioning(ColourCaptioner()))
        for name in ("a.jpg", "b.jpg"):
            (tmp_path / "photos" / name).unlink()
        assert delete_gone(index, roundabout) == (2, 2)

    def test_only_what_may_be_gone_is_asked_of_the_disk_once_and_after_the_index(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed, gone = write_noise(tmp_path / "a.png", 1), write_noise(tmp_path / "b.png", 2)
        linked = tmp_path / "c.png"
        linked.symlink_to(write_noise(tmp_path / ".elsewhere" / "c.png", 3))
        index = AskedIndex()
        add(index, [FolderSource(tmp_path)], captioning(ColourCaptioner(), captions=5))
        gone.unlink()
        linked.resolve().unlink()
        monkeypatch.setattr(gone_photos, "is_gone", index.disk(gone_photos.is_gone))
        report = add(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()))
        assert index.events == [*["index"] * 15, str(gone), str(linked)]
        assert report.gone == {str(tmp_path): 2} and report.known == len([listed])

    def test_folders_in_one_another_count_what_is_in_them_once(self, tmp_path: Path) -> None:
        for name in ("a.jpg", "b/b.jpg", "b/c.jpg", ".d/d.jpg"):
            write_photo(tmp_path / name)
        for name in ("a.nef", "b/b.nef", ".d/d.nef"):
            (tmp_path / name).write_bytes(b"raw")
        index = DraftingIndex()
        add(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()))
        (tmp_path / "b" / "b.jpg").unlink()
        folders = [FolderSource(tmp_path / name) for name in ("b", "", "", ".d")]
        report = add(index, folders, captioning(ColourCaptioner()))
        assert report.gone == {str(tmp_path / "b"): 1}
        assert report.unread == {".nef": 3}

    def test_where_they_cannot_be_counted_the_addition_is_reported(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "a.jpg")
        told: list[Problem] = []
        report = add(Unasked(), [FolderSource(tmp_path)], captioning(ColourCaptioner()), tell=told.append)
        assert [str(problem) for problem in told] == [
            f"{tmp_path}/: not looked for under other image ids (memory: no expensive queries here)",
            "the photos that are gone: not counted (memory: no expensive queries here)",
        ]
        assert (report.added, report.whole, report.gone) == (1, True, None)
        assert report_as_json(report)["photos_gone"] is None
        assert not any("gone" in line for line in report_lines(report))


class TestRejects:
    def test_refused_captions_are_reported_whole_and_can_be_tried_again(self, tmp_path: Path) -> None:
        rejects = tmp_path / "rejected.jsonl"
        row = {"image_id": "r.jpg", "caption": "A refused dog.", "license": "CC BY 2.0", "title": "Rex"}
        file = write_jsonl(tmp_path / "c.jsonl", {"image_id": "a.jpg", "caption": "A cat."}, row)
        told: list[Problem] = []
        report = build(DraftingIndex(), [JsonlSource(file)], rejects=rejects, tell=told.append)
        assert (report.added, len(report.rejected), report.whole) == (1, 1, False)
        assert "r.jpg" in str(told[0]) and "the mapping refuses it" in str(told[0])
        line = json.loads(rejects.read_text())
        assert line["reason"] == "the mapping refuses it"
        assert row.items() <= line.items()
        assert list(JsonlSource(rejects).captions()) == [report.rejected[0].record]

    def test_trying_again_may_write_to_the_report_it_reads(self, tmp_path: Path) -> None:
        rejects = captions_file(tmp_path, "A refused dog.", "A cat.", name="rejected.jsonl")
        report = add(DraftingIndex(), [JsonlSource(rejects)], rejects=rejects)
        assert (report.added, len(report.rejected)) == (1, 1)
        assert [json.loads(line)["caption"] for line in rejects.read_text().splitlines()] == [
            "A refused dog."
        ]

    def test_a_run_that_does_not_end_adds_to_the_report(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loading, "BATCH", 1)
        rejects = captions_file(tmp_path, "A refused dog.", "A stop.", "A cat.", name="rejected.jsonl")

        class Stops(DraftingIndex):
            def add(self, records: Iterable[CaptionRecord]) -> AddReport:
                given = list(records)
                if any("stop" in record.caption for record in given):
                    raise KeyboardInterrupt
                return super().add(given)

        with pytest.raises(KeyboardInterrupt):
            add(Stops(), [JsonlSource(rejects)], rejects=rejects)
        captions = [json.loads(line)["caption"] for line in rejects.read_text().splitlines()]
        assert captions == ["A refused dog.", "A stop.", "A cat.", "A refused dog."]


def test_delete_names_the_images_that_were_not_there() -> None:
    index = DraftingIndex(
        [CaptionRecord("a", "A dog."), CaptionRecord("a", "A cat."), CaptionRecord("b", "X.")]
    )
    assert delete(index, ["a", "none"]) == (2, ["none"])
    assert [record.image_id for record in index.records] == ["b"]


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
