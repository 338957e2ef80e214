"""Which places are one file, and one photo however it is reached."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from indexer import loading
from indexer.build import BuildReport, add, build
from indexer.commands.report import report_as_json, report_lines
from indexer.errors import IndexerError
from indexer.index import open_index
from indexer.photo_files.image_ids import IdsOfFiles, with_folder
from indexer.photo_files.places import is_same_file
from indexer.records import CaptionRecord
from indexer.sources import FolderSource, Source, SourceItem
from tests.indexer.fakes import ColourCaptioner, DraftingIndex, NotingPlaces, Stopped, captioning
from tests.indexer.files import write_noise, write_photo


def test_links_lead_to_the_same_file_and_addresses_to_themselves(tmp_path: Path) -> None:
    photo = write_noise(tmp_path / "a.png", 1)
    other, link = write_noise(photo.with_name("b.png"), 1), photo.with_name("link.png")
    link.symlink_to(photo)
    assert is_same_file(str(photo), str(photo)) and is_same_file(str(photo), str(link))
    assert is_same_file("s3://bucket/a.png", "s3://bucket/a.png")
    for place in (str(other), str(photo / "gone"), "s3://bucket/a.png", os.path.relpath(photo), "/a\0b", ""):
        assert not is_same_file(str(photo), place)


class TestLinkedPhotos:
    """A file that is reached by another path as well."""

    def test_it_is_one_photo_by_whatever_path(self, tmp_path: Path, fresh_where: str) -> None:
        disk, link = tmp_path / "disk", tmp_path / "lnk"
        write_noise(disk / "a.png", 1)
        link.symlink_to(disk)
        with open_index(fresh_where, create=True) as index:
            report = build(index, [FolderSource(disk), FolderSource(link)], captioning(ColourCaptioner()))
            assert (report.captioned, report.known, report.met_again, report.problems) == (1, 0, 1, ())
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

    @pytest.mark.parametrize("fill", [build, add])
    def test_a_link_within_the_folder_is_told_as_that(
        self, tmp_path: Path, fill: Callable[..., BuildReport]
    ) -> None:
        """Nothing was in the index before, under whatever image id."""
        write_noise(tmp_path / "a.png", 1)
        write_noise(tmp_path / "links" / "b.png", 2).with_name("same.png").symlink_to("../a.png")
        index = DraftingIndex()
        for run, counts in ((fill, (2, 0, 1)), (add, (0, 2, 1))):
            report = run(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()))
            assert (report.captioned, report.known, report.met_again) == counts
            assert report.elsewhere == 0 and report_as_json(report)["photos_met_again"] == 1
            told = "1 photo met again in this run (through a link, or in another source) and taken once"
            assert told in list(report_lines(report))


@pytest.mark.parametrize(
    ("image", "image_id", "longer"),
    [
        ("/x/b/a.jpg", "a.jpg", "b/a.jpg"),
        ("/x/b/a.jpg", "b/a.jpg", "x/b/a.jpg"),
        ("/x/b/a.jpg", "x/b/a.jpg", None),
        ("/x/b/a.jpg", "c.jpg", None),
        ("/x/ba.jpg", "a.jpg", None),
        ("s3://bucket/b/a.jpg", "a.jpg", "b/a.jpg"),
        ("s3://bucket/b/a.jpg", "b/a.jpg", "bucket/b/a.jpg"),
        ("s3://bucket/b/a.jpg", "bucket/b/a.jpg", None),
        ("https://host/a.jpg", "https://host/a.jpg", None),
        ("memory:///b/a.jpg", "b/a.jpg", None),
        ("a.jpg", "a.jpg", None),
    ],
)
def test_an_id_with_a_folder_more_is_a_longer_end_of_the_path(
    image: str, image_id: str, longer: str | None
) -> None:
    photo = CaptionRecord(image_id, "", image, "folder")
    named = with_folder(photo)
    assert (named and named.image_id) == longer
    assert with_folder(replace(photo, source="coco")) is None


class Listed(Source):
    """Photos below an address."""

    name = "listed"

    def __init__(self, *photos: CaptionRecord) -> None:
        self._photos = photos

    def fingerprint(self) -> str:
        return "listed"

    def photos(self) -> Iterator[SourceItem]:
        return iter(self._photos)

    def photo_count(self) -> int:
        return len(self._photos)


class TestEqualNames:
    """Photos of several folders that have the same name: who comes second has its folder's name in its id."""

    def test_all_are_indexed_and_keep_their_ids_in_whatever_order_they_come(
        self, tmp_path: Path, fresh_where: str
    ) -> None:
        for number, name in enumerate(("a/1.png", "a/2.png", "b/1.png", "b/3.png", "x/b/1.png", "x/b/4.png")):
            write_noise(tmp_path / name, number)
        folders = [FolderSource(tmp_path / name) for name in ("a", "b", "x/b")]
        expected = {
            "1.png": "a/1.png",
            "2.png": "a/2.png",
            "b/1.png": "b/1.png",
            "3.png": "b/3.png",
            "x/b/1.png": "x/b/1.png",
            "4.png": "x/b/4.png",
        }
        with open_index(fresh_where, create=True) as index:
            report = build(index, folders, captioning(ColourCaptioner()))
            assert (report.captioned, report.with_folder, report.problems) == (6, 2, ())
            told = "2 photos have ids with their folder's name, since others have their names"
            assert told in list(report_lines(report))
            assert report_as_json(report)["photos_with_folder"] == 2
            for again in (folders, folders[::-1], folders[1:], folders[2:]):
                report = add(index, again, captioning(ColourCaptioner()))
                photos = sum(folder.photo_count() for folder in again)
                assert (report.captioned, report.known, report.elsewhere) == (0, photos, 0)
                assert (report.with_folder, report.problems, report.gone) == (min(2, len(again)), (), {})
            assert dict(index.places("")) == {name: str(tmp_path / path) for name, path in expected.items()}
            write_noise(tmp_path / "b" / "1.png", 10)
            report = add(index, folders[::-1], captioning(ColourCaptioner()))
            assert (report.captioned, report.renewed, report.status.images) == (1, 1, 6)

    def test_one_folder_is_added_after_the_other(self, tmp_path: Path, fresh_where: str) -> None:
        first, second = (write_noise(tmp_path / name / "1.png", n) for n, name in enumerate("ab"))
        with open_index(fresh_where, create=True) as index:
            build(index, [FolderSource(first.parent)], captioning(ColourCaptioner()))
            for captioned in (1, 0):
                report = add(index, [FolderSource(second.parent)], captioning(ColourCaptioner()))
                assert (report.captioned, report.known) == (captioned, 1 - captioned)
                assert (report.with_folder, report.elsewhere, report.problems) == (1, 0, ())
            assert dict(index.places("")) == {"1.png": str(first), "b/1.png": str(second)}
            first.unlink()  # its id does not become the other's
            report = add(index, [FolderSource(second.parent)], captioning(ColourCaptioner()))
            assert (report.captioned, report.known, report.status.images) == (0, 1, 2)

    @pytest.mark.parametrize("photos", [2, loading.LOOK_UP + 3])
    def test_a_build_that_is_gone_on_with_gives_the_same_ids(self, tmp_path: Path, photos: int) -> None:
        for folder in "ab":
            for number in range(photos):
                write_photo(tmp_path / folder / f"{number}.jpg")
        (tmp_path / "a" / "0.jpg").write_bytes(b"no photo")  # its name is its name
        found = [FolderSource(tmp_path / folder) for folder in "ab"]
        whole, index = DraftingIndex(), DraftingIndex()
        build(whole, found, captioning(ColourCaptioner()))
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                build(index, found, captioning(Stopped(photos // 2, KeyboardInterrupt())))
        report = build(index, found, captioning(ColourCaptioner()))
        assert (report.with_folder, len(report.problems)) == (photos, 1)
        assert index.documents == whole.documents
        assert {one.image_id for one in index.held} >= {f"b/{number}.jpg" for number in range(photos)}

    def test_a_photo_that_cannot_be_read_gets_no_id_and_counts_for_none(
        self, tmp_path: Path, fresh_where: str
    ) -> None:
        for number, name in enumerate(("a/1.png", "b/1.png", "a/2.png", "b/2.png")):
            write_noise(tmp_path / name, number)
        (tmp_path / "b" / "2.png").write_bytes(b"no photo")
        found = [FolderSource(tmp_path / name) for name in "ab"]
        with open_index(fresh_where, create=True) as index:
            for fill in (build, add):
                report = fill(index, found, captioning(ColourCaptioner()))
                assert (report.with_folder, len(report.problems)) == (1, 1)
            assert set(index.images()) == {"1.png", "b/1.png", "2.png"}
            (tmp_path / "b" / "1.png").write_bytes(b"no photo")
            report = add(index, found, captioning(ColourCaptioner()))
            assert (report.with_folder, len(report.problems)) == (1, 2), (
                "one has its id by its earlier caption"
            )

    def test_an_id_that_a_photo_below_the_other_folder_has_is_taken_as_well(self, tmp_path: Path) -> None:
        for name in ("p/1.jpg", "p/b/1.jpg", "b/1.jpg"):
            write_photo(tmp_path / name)
        index, found = DraftingIndex(), [FolderSource(tmp_path / name) for name in "pb"]
        report = build(index, found, captioning(ColourCaptioner()))
        assert report.with_folder == 1
        longer = f"{tmp_path.name}/b/1.jpg"
        assert {one.image_id for one in index.held} == {"1.jpg", "b/1.jpg", longer}
        report = add(index, found[::-1], captioning(ColourCaptioner()))
        assert (report.captioned, report.known, report.with_folder) == (0, 3, 1)

    def test_where_every_end_of_the_path_is_taken_it_is_told_of(self, tmp_path: Path) -> None:
        photo, other = write_photo(tmp_path / "a" / "1.jpg"), str(write_photo(tmp_path / "other.jpg"))
        ends = ["/".join(photo.parts[-length:]) for length in range(1, len(photo.parts))]
        index = DraftingIndex(CaptionRecord(end, "Sea.", other, "folder", "generated") for end in ends)
        report = add(index, [FolderSource(photo.parent)], captioning(ColourCaptioner()))
        assert [str(problem) for problem in report.problems] == [
            f"{photo}: its image id {ends[-1]!r} belongs to {other} already; rename one of them"
        ]

    def test_folders_of_addresses(self) -> None:
        def photo(image_id: str, bucket: str, **written: str) -> CaptionRecord:
            place = f"s3://host/{bucket}/1.jpg"
            return replace(CaptionRecord(image_id, "", place, "folder", "generated"), **written)

        by = {"caption": "A dog.", "model": "colour@12345678"}
        index = DraftingIndex([photo("1.jpg", "a", **by), photo("b/1.jpg", "b", **by)])
        given = [photo("1.jpg", bucket) for bucket in "cba"]
        report = add(index, [Listed(*given)], captioning(ColourCaptioner()))
        assert (report.known, report.with_folder) == (2, 1)
        (problem,) = report.problems  # no captioner opens it here
        assert problem.where == "s3://host/c/1.jpg" and "belongs to" not in problem.reason


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
                assert (report.captioned, report.known, report.problems) == (0, 2, ())
                assert (report.elsewhere, report.with_folder) == (1, 1)
            assert index.status().images == 3

    @pytest.mark.parametrize(
        ("folders", "again"), [(("", "2023"), 2), (("2023", ""), 2), (("", "2023", ""), 5)]
    )
    @pytest.mark.parametrize("fill", [build, add])
    def test_both_in_one_run(
        self, tmp_path: Path, fill: Callable[..., BuildReport], folders: tuple[str, ...], again: int
    ) -> None:
        photos = tmp_path / "photos"
        files = [write_photo(photos / name) for name in ("a.jpg", "2023/b.jpg", "2023/c.jpg")]
        index, captioner = DraftingIndex(), ColourCaptioner()
        report = fill(index, [FolderSource(photos / name) for name in folders], captioning(captioner))
        assert sorted(captioner.asked) == sorted(str(file) for file in files)
        assert (report.captioned, report.met_again, report.problems) == (3, again, ())
        assert (report.known, report.elsewhere) == (0, 0)
        assert report.status.images == 3

    def test_a_build_that_is_gone_on_with_names_them_as_it_began(self, tmp_path: Path) -> None:
        for name in ("2023/a.jpg", "2023/b.jpg"):
            write_photo(tmp_path / name)
        index, found = DraftingIndex(), [FolderSource(tmp_path), FolderSource(tmp_path / "2023")]
        with pytest.raises(KeyboardInterrupt):
            build(index, found, captioning(Stopped(1, KeyboardInterrupt())))
        report = build(index, found, captioning(ColourCaptioner()))
        assert (report.captioned, report.known, report.met_again) == (1, 1, 2)
        assert {record.image_id for record in index.held} == {"2023/a.jpg", "2023/b.jpg"}

    def test_photos_that_cannot_be_read_do_not_count_as_known(self, tmp_path: Path) -> None:
        (tmp_path / "2023").mkdir()
        (tmp_path / "2023" / "a.jpg").write_bytes(b"no photo")
        index = DraftingIndex([CaptionRecord("old", "An old caption.")])
        for names in (("", ""), ("", "2023")):
            with pytest.raises(IndexerError, match="nothing to index"):
                build(index, [FolderSource(tmp_path / name) for name in names], captioning(ColourCaptioner()))
        assert [record.image_id for record in index.held] == ["old"]

    def test_an_index_that_holds_a_file_twice_keeps_its_ids(self, tmp_path: Path) -> None:
        photo = write_photo(tmp_path / "2023" / "a.jpg")
        index = DraftingIndex(
            CaptionRecord(name, "A dog.", str(photo), "folder", "generated", "colour@12345678")
            for name in ("a.jpg", "2023/a.jpg")
        )
        for folder in (tmp_path, photo.parent):
            report = add(index, [FolderSource(folder)], captioning(ColourCaptioner()))
            assert (report.captioned, report.known, report.elsewhere) == (0, 1, 0)
        assert {record.image_id for record in index.held} == {"a.jpg", "2023/a.jpg"}

    @pytest.mark.parametrize(
        ("ids", "expected"),
        [(["sea"], "a.jpg"), (["jpg"], "a.jpg"), (["b/a.jpg", "z/b/a.jpg", "c/b/a.jpg", "sea"], "b/a.jpg")],
    )
    def test_of_several_ids_the_first_that_a_folder_gives(
        self, tmp_path: Path, ids: list[str], expected: str
    ) -> None:
        photo = write_photo(tmp_path / "z" / "b" / "a.jpg")
        index = DraftingIndex([CaptionRecord(name, "Sea.", str(photo)) for name in ids])
        report = add(index, [FolderSource(photo.parent)], captioning(ColourCaptioner()))
        assert (report.captioned, report.elsewhere) == (1, expected != "a.jpg")
        assert [one.image_id for one in index.held if one.kind == "generated"] == [expected]

    def test_photos_of_a_data_set_keep_the_ids_that_it_gives(self, tmp_path: Path) -> None:
        """Its captions have them, too."""
        photo = write_photo(tmp_path / "val" / "a.jpg")
        index = DraftingIndex([CaptionRecord("val/a.jpg", "Sea.", str(photo), "folder")])
        ids = IdsOfFiles(index, lambda problem: pytest.fail(str(problem)))
        for source, expected in (("coco", "a.jpg"), ("folder", "val/a.jpg")):
            assert ids.named(CaptionRecord("a.jpg", "", str(photo), source)).image_id == expected

    def test_the_index_is_asked_once_for_a_folder_and_only_where_photos_are_new_to_it(
        self, tmp_path: Path
    ) -> None:
        index = NotingPlaces()
        for number in range(loading.LOOK_UP + 3):
            write_photo(tmp_path / f"{number}.jpg")
        for asked in (2, 1):  # the photos that are gone are asked for, too
            index.beginnings.clear()
            add(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()))
            assert index.beginnings == [f"{tmp_path}/"] * asked
