"""Photos whose files are gone: counted while others are added, and deleted when that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from captioner.problem import Problem
from indexer.build import add
from indexer.commands.report import report_as_json, report_lines
from indexer.errors import IndexUnavailableError
from indexer.index import open_index
from indexer.photo_files import gone as gone_photos
from indexer.photo_files.gone import Deleted, count_gone, delete_gone
from indexer.photo_files.places import is_gone
from indexer.records import CaptionRecord
from indexer.sources import FolderSource
from tests.indexer.fakes import ColourCaptioner, DraftingIndex, NotingPlaces, captioning
from tests.indexer.files import write_noise, write_photo


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
            assert delete_gone(index, [folder]) == Deleted(2 * 2 + 1, 2, ())
            held = index.captions(["2020/a.png", "2020/b.png", "2021/a.png", "c.png", "d.png"])
            assert {image_id: len(found) for image_id, found in held.items()} == {
                "2020/a.png": 1,  # the remark, which tells of no file
                "2021/a.png": 1,
                "c.png": 2,
                "d.png": 2,
            }
            assert delete_gone(index, [folder]) == Deleted(0, 0, ())
            assert add(index, [FolderSource(folder)], captioning(ColourCaptioner())).gone == {}
            assert delete_gone(index, [tmp_path / "photos"]).untold == (tmp_path / "photos",)

    def test_a_folder_is_the_same_however_it_was_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "other").mkdir()
        roundabout = tmp_path / "other" / ".." / "photos"
        index = DraftingIndex()
        for folder, name in ((tmp_path / "photos", "a.jpg"), (roundabout, "b.jpg")):
            write_photo(tmp_path / "photos" / name)
            add(index, [FolderSource(folder)], captioning(ColourCaptioner()))
        for name in ("a.jpg", "b.jpg"):
            (tmp_path / "photos" / name).unlink()
        monkeypatch.chdir(tmp_path)
        assert delete_gone(index, [roundabout.relative_to(tmp_path)]) == Deleted(2, 2, ())

    def test_so_is_one_that_was_named_by_a_link_to_it(self, tmp_path: Path) -> None:
        link, index = tmp_path / "link", DraftingIndex()
        link.symlink_to(tmp_path / "photos")
        for folder in (tmp_path / "photos", link):
            photo = write_photo(folder / f"{folder.name}.jpg")
            add(index, [FolderSource(folder)], captioning(ColourCaptioner()))
            photo.unlink()
        assert delete_gone(index, [tmp_path / "photos" / ".." / "link"]) == Deleted(2, 2, ())

    def test_a_folder_that_the_way_to_the_photos_led_through_may_go(self, tmp_path: Path) -> None:
        """Its photos are noted where they are, not by the way to them."""
        kept, gone = (write_photo(tmp_path / "photos" / name) for name in ("a.jpg", "b.jpg"))
        (tmp_path / "project").mkdir()
        index = DraftingIndex()
        add(
            index,
            [FolderSource(tmp_path / "project" / ".." / "photos")],
            captioning(ColourCaptioner()),
        )
        (tmp_path / "project").rmdir()
        gone.unlink()
        assert delete_gone(index, [tmp_path]) == Deleted(1, 1, ())
        assert [one.image for one in index.held] == [str(kept)]

    def test_nothing_that_an_earlier_version_noted_by_such_a_way_goes_for_it(self, tmp_path: Path) -> None:
        (tmp_path / "project").mkdir()
        (tmp_path / "far").mkdir()
        (tmp_path / "project" / "link").symlink_to(tmp_path / "far")
        place = f"{tmp_path}/project/../photos/a.jpg"
        index = DraftingIndex(
            [
                CaptionRecord("a.jpg", "A dog.", place),
                CaptionRecord("b.jpg", "A cat.", f"{tmp_path}/project/link/../photos/b.jpg"),
            ]
        )
        assert delete_gone(index, [tmp_path / "project"]) == Deleted(0, 0, (tmp_path / "project",))
        (tmp_path / "project" / "link").unlink()
        (tmp_path / "project").rmdir()
        assert count_gone(index, [tmp_path], ()) == {}
        assert delete_gone(index, [tmp_path]) == Deleted(0, 0, ())
        (tmp_path / "project").mkdir()
        assert delete_gone(index, [tmp_path]) == Deleted(1, 1, ())
        assert [one.image_id for one in index.held] == ["b.jpg"], "nobody knows where the link led"

    def test_adding_notes_the_true_place_of_what_was_noted_by_such_a_way(
        self, tmp_path: Path, fresh_where: str
    ) -> None:
        photo = write_noise(tmp_path / "photos" / "a.png", 1)
        with open_index(fresh_where, create=True) as index:
            add(index, [FolderSource(photo.parent)], captioning(ColourCaptioner()))
            index.add([CaptionRecord("a.png", "What people say.", str(photo))])
            for way in ("gone/../photos", "photos/../photos"):
                held = index.captions(["a.png"])["a.png"]
                index.add(replace(one.record, image=f"{tmp_path}/{way}/a.png") for one in held)
                report = add(index, [FolderSource(photo.parent)], captioning(ColourCaptioner()))
                assert (report.captioned, report.known, report.moved) == (0, 1, 1)
                assert {one.record.image for one in index.captions(["a.png"])["a.png"]} == {str(photo)}

    def test_all_images_of_a_file_and_all_files_of_an_image_count(self, tmp_path: Path) -> None:
        here = str(write_photo(tmp_path / "here.jpg"))
        places = {"a": "gone.jpg", "b": "gone.jpg", "c": "gone too.jpg"}
        index = DraftingIndex(
            CaptionRecord(one, "A dog.", str(tmp_path / place)) for one, place in places.items()
        )
        index.add(
            CaptionRecord("a", f"A dog at {n}.", place) for n, place in enumerate((here, str(tmp_path / "3")))
        )
        assert count_gone(index, [tmp_path], ()) == {str(tmp_path): 3}
        assert delete_gone(index, [tmp_path]) == Deleted(4, 3, ())
        assert [one.image for one in index.held] == [here]

    def test_only_what_may_be_gone_is_asked_of_the_disk_once_and_after_the_index(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed, gone = write_noise(tmp_path / "a.png", 1), write_noise(tmp_path / "b.png", 2)
        linked = tmp_path / "c.png"
        linked.symlink_to(write_noise(tmp_path / ".elsewhere" / "c.png", 3))
        index = NotingPlaces()
        add(index, [FolderSource(tmp_path)], captioning(ColourCaptioner(), captions=5))
        gone.unlink()
        linked.resolve().unlink()
        monkeypatch.setattr(gone_photos, "is_gone", index.disk(is_gone))
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
