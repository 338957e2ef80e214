"""Building over an index: which captions the new one gets as they are, what is told of those it has not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from captioner.problem import Problem
from indexer import loading
from indexer.build import BuildReport, Captioning, add, build
from indexer.commands.report import report_as_json, report_lines
from indexer.errors import IndexUnavailableError
from indexer.index import open_index
from indexer.loading import Loading
from indexer.photo_files import replacing
from indexer.photo_files.replacing import Replaced
from indexer.records import CaptionRecord, IndexStatus
from indexer.sources import CocoSource, FolderSource, JsonlSource, ScrapedSource, Source
from tests.indexer.embedded.forging import overwrite
from tests.indexer.fakes import ColourCaptioner, DraftingIndex, Stopped, captioning
from tests.indexer.files import (
    captions_file,
    write_coco,
    write_jsonl,
    write_noise,
    write_photo,
    write_scraped,
)


def fresh(found: list[Source], by: Captioning) -> set[CaptionRecord]:
    """What a build where nothing was before makes of the sources."""
    index = DraftingIndex()
    build(index, found, by)
    return set(index.held)


class TestTakenOver:
    """Captions of the index before, where captioning would write the same."""

    def test_a_finished_build_again_captions_nothing_and_makes_the_same_index(
        self, tmp_path: Path, fresh_where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loading, "BATCH", 20)
        for number in range(loading.LOOK_UP + 6):
            write_noise(tmp_path / "photos" / f"{number}.png", number)
        found, by = [FolderSource(tmp_path / "photos")], captioning(ColourCaptioner(), captions=2)
        with open_index(fresh_where, create=True) as index:
            build(index, found, by)
            before, captioner = set(index.records()), ColourCaptioner()
            report = build(index, found, captioning(captioner, captions=2))
            assert captioner.asked == []
            assert (report.captioned, report.known, report.taken_over, report.added) == (0, 70, 70, 140)
            assert set(index.records()) == before == fresh([*found], by)
            assert index.check() == []
        assert "0 photos captioned, 70 had their caption already (70 from an earlier build)" in [
            *report_lines(report)
        ]
        assert report_as_json(report)["photos_taken_over"] == 70

    def test_only_what_is_new_or_has_changed_is_captioned(self, tmp_path: Path, fresh_where: str) -> None:
        folder = tmp_path / "photos"
        for number, name in enumerate("abcd"):
            write_noise(folder / f"{name}.png", number)
        with open_index(fresh_where, create=True) as index:
            build(index, [FolderSource(folder)], captioning(ColourCaptioner()))
            (folder / "a.png").unlink()
            write_noise(folder / "b.png", 11)
            write_noise(folder / "e.png", 12)
            captioner, found = ColourCaptioner(), FolderSource(folder)
            report = build(index, [found], captioning(captioner))
            assert [Path(one).name for one in captioner.asked] == ["b.png", "e.png"]
            assert (report.captioned, report.taken_over) == (2, 2)
            assert set(index.records()) == fresh([found], captioning(ColourCaptioner()))

    @pytest.mark.parametrize(
        "other",
        [
            captioning(ColourCaptioner("other")),
            captioning(ColourCaptioner(), captions=2),
            captioning(ColourCaptioner(), captions=4),
            Captioning(ColourCaptioner, beam=5, captions=3),
        ],
    )
    def test_another_captioner_or_beam_or_number_of_captions_writes_anew(
        self, tmp_path: Path, other: Captioning
    ) -> None:
        write_photo(tmp_path / "a.jpg")
        index, found = DraftingIndex(), FolderSource(tmp_path)
        build(index, [found], captioning(ColourCaptioner(), captions=3))
        report = build(index, [found], other)
        assert (report.captioned, report.known) == (1, 0)
        assert set(index.held) == fresh([found], other)

    @pytest.mark.parametrize("again", [("b", "a"), ("b",), ("",), ("a/in", "a"), ("link", "b")])
    def test_ids_are_those_of_the_new_index_whatever_the_photos_had_before(
        self, tmp_path: Path, again: tuple[str, ...], fresh_where: str
    ) -> None:
        for number, name in enumerate(("a/1.png", "a/in/1.png", "a/in/2.png", "b/1.png")):
            write_noise(tmp_path / name, number)
        (tmp_path / "link").symlink_to("a")
        found: list[Source] = [FolderSource(tmp_path / name) for name in again]
        with open_index(fresh_where, create=True) as index:
            first = [FolderSource(tmp_path / name) for name in ("a", "b")]
            assert build(index, first, captioning(ColourCaptioner())).with_folder == 1
            captioner = ColourCaptioner()
            report = build(index, found, captioning(captioner))
            assert (captioner.asked, report.captioned, report.elsewhere) == ([], 0, 0)
            assert set(index.records()) == fresh(found, captioning(ColourCaptioner()))

    def test_a_folder_that_was_moved_is_not_captioned_again(self, tmp_path: Path) -> None:
        for number in range(3):
            write_noise(tmp_path / "old" / f"{number}.png", number)
        index, captioner = DraftingIndex(), ColourCaptioner()
        build(index, [FolderSource(tmp_path / "old")], captioning(ColourCaptioner()))
        (tmp_path / "old").rename(tmp_path / "new")
        found = FolderSource(tmp_path / "new")
        assert build(index, [found], captioning(captioner)).taken_over == 3
        assert captioner.asked == []
        assert set(index.held) == fresh([found], captioning(ColourCaptioner()))

    def test_what_add_captioned_is_taken_over_too_and_all_else_is_as_the_sources_tell_now(
        self, tmp_path: Path
    ) -> None:
        write_photo(tmp_path / "images" / "000000000009.jpg")
        write_scraped(tmp_path / "oa")
        index, captioner = DraftingIndex(), ColourCaptioner()
        add(index, [CocoSource(write_coco(tmp_path / "c.json"), tmp_path / "images")], captioning(captioner))
        add(index, [ScrapedSource(tmp_path / "oa")], captioning(captioner))
        index.add([CaptionRecord("old", "A remark.")])
        manifest = tmp_path / "oa" / "manifest.jsonl"
        manifest.write_text(manifest.read_text().replace("Seen by", "Shown by"))
        write_coco(tmp_path / "c.json", licenses=[])
        captioner.asked.clear()
        found: list[Source] = [
            CocoSource(tmp_path / "c.json", tmp_path / "images"),
            ScrapedSource(tmp_path / "oa"),
            FolderSource(tmp_path / "images"),
        ]
        report = build(index, found, captioning(captioner))
        assert (captioner.asked, report.taken_over, report.met_again) == ([], 2, 1)
        assert set(index.held) == fresh(found, captioning(ColourCaptioner()))

    def test_what_another_build_published_since_it_was_opened_is_taken_over(
        self, tmp_path: Path, fresh_where: str
    ) -> None:
        write_photo(tmp_path / "photos" / "a.jpg")
        found, captioner = FolderSource(tmp_path / "photos"), ColourCaptioner()
        with open_index(fresh_where, create=True) as index:
            with open_index(fresh_where, create=True) as another:
                build(another, [found], captioning(ColourCaptioner()))
            report = build(index, [found], captioning(captioner))
        assert (captioner.asked, report.taken_over, report.replaced) == ([], 1, Replaced(1, 1, 0))

    def test_another_analyzer_makes_the_tokens_anew(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "a.jpg")
        with open_index(tmp_path / "index", create=True) as index:
            build(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()), analyzer="seed/1")
            captioner = ColourCaptioner()
            report = build(index, [FolderSource(tmp_path)], captioning(captioner), analyzer="english/1")
            assert (captioner.asked, report.taken_over, index.analyzer) == ([], 1, "english/1")
            assert index.check() == []

    def test_captions_without_a_place_and_of_another_file_are_none_of_the_photo(self, tmp_path: Path) -> None:
        photo, other = write_photo(tmp_path / "p" / "a.jpg"), write_photo(tmp_path / "q" / "a.jpg")
        for place in ("", "a.jpg", "http://example.org/a.jpg", str(other), str(tmp_path / "gone.jpg")):
            index = DraftingIndex(
                [CaptionRecord("a.jpg", "Sea.", place, "folder", "generated", "colour@12345678")]
            )
            report = build(index, [FolderSource(photo.parent)], captioning(ColourCaptioner()))
            assert (report.captioned, report.taken_over) == (1, 0)

    def test_a_photo_whose_id_is_of_another_file_among_captions_that_are_ready_made_is_captioned(
        self, tmp_path: Path, fresh_where: str
    ) -> None:
        there, photo = write_noise(tmp_path / "a" / "x.png", 1), write_noise(tmp_path / "b" / "x.png", 2)
        for name in ("y", "z"):
            write_noise(tmp_path / "b" / f"{name}.png", ord(name))
        model = captioning(ColourCaptioner()).model
        row = {"caption": "Sea.", "kind": "generated", "model": model}
        source = JsonlSource(
            write_jsonl(
                tmp_path / "exported.jsonl",
                row | {"image_id": "x.png", "image": str(there)},
                row | {"image_id": "y.png", "image": "elsewhere/y.png"},
                row | {"image_id": "z.png", "image": str(tmp_path / "gone.png")},
            )
        )
        last = write_noise(tmp_path / "b" / "zz.png", 3)
        captioner = ColourCaptioner()
        with open_index(fresh_where, create=True) as index:
            found: list[Source] = [source, FolderSource(photo.parent)]
            with pytest.raises(KeyboardInterrupt):
                build(index, found, captioning(Stopped(1, KeyboardInterrupt())))
            report = build(index, found, captioning(captioner))
            assert (len(captioner.asked), report.with_folder, report.known) == (1, 1, 3)
            places = {record.image_id: record.image for record in index.records()}
            named = (places["x.png"], places["b/x.png"], places["zz.png"])
            assert named == (str(there), str(photo), str(last))

    def test_what_is_taken_over_survives_an_interruption(
        self, tmp_path: Path, fresh_where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loading, "LOOK_UP", 2)
        for number, name in enumerate("abcdef"):
            write_noise(tmp_path / "photos" / f"{name}.png", number)
        with open_index(fresh_where, create=True) as index:
            build(index, [FolderSource(tmp_path / "photos")], captioning(ColourCaptioner()))
            for name in "bdf":
                write_noise(tmp_path / "photos" / f"{name}.png", ord(name))
            found = FolderSource(tmp_path / "photos")
            with pytest.raises(KeyboardInterrupt):
                build(index, [found], captioning(Stopped(1, KeyboardInterrupt())))
            assert index.caption_count() == 6
            captioner = ColourCaptioner()
            report = build(index, [found], captioning(captioner))
            assert [Path(one).name for one in captioner.asked] == ["d.png", "f.png"]
            assert (report.captioned, report.known, report.replaced) == (2, 4, Replaced(6, 6, 0))
            assert set(index.records()) == fresh([found], captioning(ColourCaptioner()))

    @pytest.mark.parametrize("before", [True, False])
    def test_a_photo_of_which_only_some_captions_were_stored_gets_the_others(
        self, tmp_path: Path, fresh_where: str, monkeypatch: pytest.MonkeyPatch, before: bool
    ) -> None:
        for number in range(3):
            write_noise(tmp_path / "photos" / f"{number}.png", number)
        found, captioner = FolderSource(tmp_path / "photos"), ColourCaptioner()
        store = Loading._store_and_count

        def killed(self: Loading, batch: Sequence[CaptionRecord]) -> None:
            store(self, batch[:4])
            if batch:
                raise KeyboardInterrupt

        with open_index(fresh_where, create=True) as index:
            if before:
                build(index, [found], captioning(ColourCaptioner(), captions=3))
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(Loading, "_store_and_count", killed)
                build(index, [found], captioning(ColourCaptioner(), captions=3))
            report = build(index, [found], captioning(captioner, captions=3))
            assert captioner.asked == ([] if before else found.paths[1:])
            assert (report.taken_over, report.known) == ((2, 3) if before else (0, 1))
            assert set(index.records()) == fresh([found], captioning(ColourCaptioner(), captions=3))
            assert index.check() == []

    def test_a_build_that_was_interrupted_is_gone_on_with_though_photos_came_went_and_changed(
        self, tmp_path: Path, fresh_where: str
    ) -> None:
        photos = [write_noise(tmp_path / "photos" / f"{name}.png", ord(name)) for name in "abcdef"]
        with open_index(fresh_where, create=True) as index:
            with pytest.raises(KeyboardInterrupt):
                build(index, [FolderSource(photos[0].parent)], captioning(Stopped(4, KeyboardInterrupt())))
            photos[0].unlink()
            write_noise(photos[1], 1)
            write_noise(photos[0].with_name("new.png"), 2)
            found, captioner = FolderSource(photos[0].parent), ColourCaptioner()
            report = build(index, [found], captioning(captioner))
            assert [Path(one).name for one in captioner.asked] == ["b.png", "e.png", "f.png", "new.png"]
            assert (report.captioned, report.known, report.taken_over) == (4, 2, 2)
            assert set(index.records()) == fresh([found], captioning(ColourCaptioner()))
            assert index.check() == []
            another = ColourCaptioner("another")
            build(index, [found], captioning(another))
            assert len(another.asked) == 6, "captions of another captioner are not what it would write"

    def test_captions_of_an_index_count_whatever_an_interrupted_build_of_more_left(
        self, tmp_path: Path, fresh_where: str
    ) -> None:
        for number in range(4):
            write_noise(tmp_path / "photos" / f"{number}.png", number)
        found, captioner = FolderSource(tmp_path / "photos"), ColourCaptioner()
        with open_index(fresh_where, create=True) as index:
            build(index, [found], captioning(captioner))
            with pytest.raises(KeyboardInterrupt):
                build(index, [found], captioning(Stopped(3, KeyboardInterrupt()), captions=3))
            report = build(index, [found], captioning(captioner))
            assert (report.captioned, report.taken_over, len(captioner.asked)) == (0, 4, 4)

    def test_captions_of_several_interrupted_builds_do_not_add_up(
        self, tmp_path: Path, fresh_where: str
    ) -> None:
        photos = [write_noise(tmp_path / "photos" / f"{number}.png", number) for number in range(3)]

        def sources() -> list[Source]:
            return [FolderSource(photos[0].parent)]

        with open_index(fresh_where, create=True) as index:
            for captions in (2, 3):
                stopped = Stopped(2, KeyboardInterrupt())
                with pytest.raises(KeyboardInterrupt):
                    build(index, sources(), captioning(stopped, captions=captions))
            captioner = ColourCaptioner()
            write_noise(photos[0].with_name("new.png"), 9)
            report = build(index, sources(), captioning(captioner, captions=2))
            assert (report.captioned, report.taken_over, len(captioner.asked)) == (2, 2, 2)
            assert set(index.records()) == fresh(sources(), captioning(ColourCaptioner(), captions=2))

    def test_it_is_stored_before_the_captioner_takes_its_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_noise(tmp_path / "a.png", 1)
        index = DraftingIndex()
        build(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()))
        write_noise(tmp_path / "b.png", 2)
        index.stored.clear()

        class Looking(ColourCaptioner):
            def stream(self, *arguments: object, **options: object) -> object:  # type: ignore[override]
                for result in super().stream(*arguments, **options):  # type: ignore[arg-type]
                    assert index.stored == [1]
                    yield result

        build(index, [FolderSource(tmp_path)], captioning(Looking()))
        assert index.stored == [1, 1]

    @pytest.mark.parametrize("name", ["caption.blob", "image.blob", "phash.blob"])
    def test_of_a_damaged_index_nothing_is_taken_over(self, tmp_path: Path, name: str) -> None:
        write_photo(tmp_path / "photos" / "a.jpg")
        found, told = FolderSource(tmp_path / "photos"), list[Problem]()
        with open_index(tmp_path / "index", create=True) as index:
            build(index, [found], captioning(ColourCaptioner()))
        overwrite(tmp_path / "index", name, ord("x"))
        with open_index(tmp_path / "index", create=True) as index:
            report = build(index, [found], captioning(ColourCaptioner()), tell=told.append)
            assert (report.captioned, report.whole) == (1, True)
            assert set(index.records()) == fresh([found], captioning(ColourCaptioner()))
        assert len(told) == 1 and "its captions are not taken over (" in str(told[0])

    def test_nor_of_a_damaged_draft_of_another_build(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "photos" / "a.jpg")
        write_noise(tmp_path / "photos" / "b.png", 1)
        with open_index(tmp_path / "index", create=True) as index:
            with pytest.raises(KeyboardInterrupt):
                build(
                    index,
                    [FolderSource(tmp_path / "photos")],
                    captioning(Stopped(1, KeyboardInterrupt())),
                )
            [segment] = tmp_path.glob("index/draft-*/segment-*.arrays")
            segment.write_bytes(segment.read_bytes().replace(b"a photo of a", b"a photo of x"))
            (tmp_path / "photos" / "b.png").unlink()
            found = FolderSource(tmp_path / "photos")
            report = build(index, [found], captioning(ColourCaptioner()))
            assert (report.captioned, report.known, report.whole) == (1, 0, True)
            assert set(index.records()) == fresh([found], captioning(ColourCaptioner()))

    def test_an_index_that_cannot_be_read_is_replaced_as_ever(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "photos" / "a.jpg")
        found, told = FolderSource(tmp_path / "photos"), list[Problem]()
        with open_index(tmp_path / "index", create=True) as index:
            build(index, [found], captioning(ColourCaptioner()))
        (tmp_path / "index" / "manifest.json").write_text("{")
        with open_index(tmp_path / "index", create=True) as index:
            report = build(index, [found], captioning(ColourCaptioner()), tell=told.append)
        assert (report.captioned, report.replaced, len(told)) == (1, None, 1)

    def test_a_photo_that_cannot_be_read_any_more_is_told_of(self, tmp_path: Path) -> None:
        for name in "ab":
            write_photo(tmp_path / "photos" / f"{name}.jpg")
        found = FolderSource(tmp_path / "photos")
        with open_index(tmp_path / "index", create=True) as index:
            build(index, [found], captioning(ColourCaptioner()))
            (tmp_path / "photos" / "a.jpg").write_bytes(b"no photo")
            report = build(index, [found], captioning(ColourCaptioner()))
        assert (report.taken_over, len(report.problems)) == (1, 1)
        assert report.replaced == Replaced(2, 2, 1)


class TestReplaced:
    """What a build tells of the index whose place it took."""

    def line(self, report: BuildReport) -> str:
        return next((one for one in report_lines(report) if one.startswith("replaced")), "")

    def test_images_that_the_new_index_has_not_are_counted(self, tmp_path: Path, fresh_where: str) -> None:
        for number, name in enumerate(("a/1.png", "a/2.png", "b/3.png")):
            write_noise(tmp_path / name, number)
        with open_index(fresh_where, create=True) as index:
            first = build(index, [FolderSource(tmp_path / "a")], captioning(ColourCaptioner(), captions=2))
            assert (first.replaced, self.line(first)) == (None, "")
            assert report_as_json(first)["replaced"] is None
            second = build(index, [FolderSource(tmp_path / "b")], captioning(ColourCaptioner()))
            assert self.line(second) == (
                "replaced an index of 4 captions of 2 images; 2 images of it are not in the new one "
                "(`indexer add` adds to an index)"
            )
            assert report_as_json(second)["replaced"] == {"captions": 4, "images": 2, "left_out": 2}
            both = [FolderSource(tmp_path / name) for name in "ab"]
            third = build(index, both, captioning(ColourCaptioner()))
            assert self.line(third) == (
                "replaced an index of 1 caption of 1 image; all its images are in the new one"
            )

    def test_so_are_those_of_captions_without_a_place(self, tmp_path: Path, fresh_where: str) -> None:
        first = JsonlSource(captions_file(tmp_path, "A dog.", "A cat.", "Sea.", name="first.jsonl"))
        second = JsonlSource(captions_file(tmp_path, "A dog.", "Two cats.", name="second.jsonl"))
        with open_index(fresh_where, create=True) as index:
            build(index, [first])
            assert build(index, [second]).replaced == Replaced(3, 3, 1)
            assert build(index, [first]).replaced == Replaced(2, 2, 0)

    @pytest.mark.parametrize("stopped", [False, True])
    def test_files_that_have_other_ids_now_are_not_left_out(
        self, tmp_path: Path, fresh_where: str, stopped: bool
    ) -> None:
        for number, name in enumerate(("a/1.png", "a/2.png", "b/1.png", "b/3.png", "4.png")):
            write_noise(tmp_path / "p" / name, number)
        with open_index(fresh_where, create=True) as index:
            build(index, [FolderSource(tmp_path / "p")], captioning(ColourCaptioner()))
            write_noise(tmp_path / "p" / "b" / "5.png", 5)
            both = [FolderSource(tmp_path / "p" / name) for name in "ab"]
            if stopped:
                with pytest.raises(KeyboardInterrupt):
                    build(index, both, captioning(Stopped(0, KeyboardInterrupt())))
            report = build(index, both, captioning(ColourCaptioner()))
            assert (report.captioned, report.replaced) == (1, Replaced(5, 5, 1))

    def test_the_index_before_is_listed_at_the_end_alone_and_only_where_it_holds_something(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Listed(DraftingIndex):
            def images(self) -> Iterator[str]:
                self.stored.append(-1)
                return super().images()

        source, index = JsonlSource(captions_file(tmp_path, "A dog.", "A cat.")), Listed()
        assert build(index, [source]).replaced is None
        assert index.stored[1:] == [2]
        assert build(index, [source]).replaced == Replaced(2, 2, 0)
        assert index.stored[2:] == [2, -1, -1]

    def test_a_refused_caption_leaves_its_image_out(self, tmp_path: Path) -> None:
        index = DraftingIndex([CaptionRecord("0.jpg", "A dog."), CaptionRecord("1.jpg", "A cat.")])
        source = JsonlSource(captions_file(tmp_path, "A dog.", "A refused cat."))
        assert build(index, [source]).replaced == Replaced(2, 2, 1)

    def test_of_a_large_index_only_its_size_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        index = DraftingIndex([CaptionRecord("old", "A dog."), CaptionRecord("old", "A cat.")])
        monkeypatch.setattr(replacing, "_COMPARED", 1)
        report = build(index, [JsonlSource(captions_file(tmp_path, "Sea."))])
        assert self.line(report) == "replaced an index of 2 captions of 1 image"

    def test_nothing_is_told_of_what_cannot_be_read(self, tmp_path: Path) -> None:
        class Down(DraftingIndex):
            down = True

            def status(self) -> IndexStatus:
                if self.down:
                    self.down = False
                    raise IndexUnavailableError("the server is down")
                return super().status()

        index = Down([CaptionRecord("old", "A dog.")])
        assert build(index, [JsonlSource(captions_file(tmp_path, "Sea."))]).replaced is None
