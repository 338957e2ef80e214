"""Which files count as changed or moved since they were captioned, and what becomes of their captions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from captioner.photo import glance, open_photo, perceptual_hash
from indexer.build import BuildReport, add, build
from indexer.commands.report import report_lines
from indexer.index import open_index
from indexer.photo_files import renewal
from indexer.photo_files.renewal import ChangedPhotos, has_moved
from indexer.records import CaptionRecord, Document, as_time
from indexer.sources import FolderSource, ScrapedSource
from tests.indexer.fakes import ColourCaptioner, DraftingIndex, captioning
from tests.indexer.files import write_noise, write_scraped

DAY = 86_400.0


def document(indexed: float, phash: str = "") -> Document:
    return Document(CaptionRecord("a.png", "A dog.", phash=phash), frozenset(), as_time(indexed))


def has_changed(photo: str, document: Document) -> bool:
    return ChangedPhotos().has_changed(photo, document)


@pytest.fixture
def a_day_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on the disk was touched lately."""
    now = time.time() + DAY
    monkeypatch.setattr(time, "time", lambda: now)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "a.png", 1)


@pytest.mark.usefixtures("a_day_later")
def test_a_file_that_nobody_touched_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no photo: opening it would make it count as changed")
    assert not has_changed(str(tmp_path / "a.png"), document(time.time() - 1, "00ff" * 4))


def test_a_file_that_was_written_since_is_another(photo: Path) -> None:
    written = time.time() - DAY
    os.utime(photo, (written, written))
    assert has_changed(str(photo), document(written - DAY, glance(photo).phash))


def test_times_of_earlier_versions_were_whole_seconds(photo: Path) -> None:
    captioned = replace(document(0.0, glance(photo).phash), indexed_at="2024-05-06T07:08:09Z")
    second = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc).timestamp()
    os.utime(photo, (second + 1, second + 1))
    assert has_changed(str(photo), captioned)
    os.utime(photo, (second + 0.9, second + 0.9))
    assert not has_changed(str(photo), captioned)


@pytest.mark.parametrize("written", [-2 * DAY, DAY])
def test_a_file_with_older_or_future_times_is_looked_at(photo: Path, written: float) -> None:
    now = time.time()
    os.utime(photo, (now + written, now + written))
    captioned = now - DAY
    assert not has_changed(str(photo), document(captioned, glance(photo).phash))
    other = glance(write_noise(photo.with_name("b.png"), 2)).phash
    assert has_changed(str(photo), document(captioned, other))
    assert has_changed(str(photo), document(captioned, "not a hash"))
    assert has_changed(str(photo), document(captioned))


def test_a_time_to_come_is_looked_at_also_where_the_file_was_touched_long_before(photo: Path) -> None:
    other = glance(write_noise(photo.with_name("b.png"), 2)).phash
    captioned = time.time() + DAY
    os.utime(photo, (captioned + DAY, captioned + DAY))
    assert has_changed(str(photo), document(captioned, other))
    assert not has_changed(str(photo), document(captioned, glance(photo).phash))


@pytest.mark.parametrize(("bits", "changed"), [(3, False), (4, True)])
def test_three_bits_make_no_other_picture(photo: Path, bits: int, changed: bool) -> None:
    phash = f"{int(glance(photo).phash, 16) ^ ((1 << bits) - 1):016x}"
    assert has_changed(str(photo), document(photo.stat().st_ctime, phash)) is changed


@pytest.mark.usefixtures("a_day_later")
@pytest.mark.parametrize(("later", "changed"), [(10.0, True), (60.0, False)])
def test_a_file_that_was_touched_shortly_before_its_caption_was_stored_is_looked_at(
    photo: Path, later: float, changed: bool
) -> None:
    """It may have become another between its reading and that."""
    other = glance(write_noise(photo.with_name("b.png"), 2)).phash
    assert has_changed(str(photo), document(photo.stat().st_ctime + later, other)) is changed


def test_what_a_clock_that_was_ahead_has_dated_is_looked_at(photo: Path) -> None:
    other = glance(write_noise(photo.with_name("b.png"), 2)).phash
    to_come = time.time() + DAY
    assert has_changed(str(photo), document(to_come, other))
    assert not has_changed(str(photo), document(to_come, glance(photo).phash))
    assert not has_changed(str(photo), document(to_come)), "nothing is known of its picture"


def touched_since(path: Path, touch: Callable[[], object]) -> None:
    """Touch a file or folder later than all that was before: the disk's clock is a coarse one."""
    before = time.time()
    touch()
    while path.lstat().st_ctime <= before:
        touch()


def move(path: Path, to: Path) -> None:
    path.rename(to)
    touched_since(to, lambda: to.chmod(0o755))


@pytest.fixture
def stored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was touched before a caption was stored was so before its photo was read."""
    monkeypatch.setattr(renewal, "_READ_TO_STORED", 0.0)


@pytest.mark.usefixtures("stored_at_once")
def test_a_link_that_was_made_since_is_looked_at(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "_SPEAK_FOR_ALL", 0)  # its folder tells nothing
    other, link = write_noise(photo.with_name("b.png"), 2), photo.with_name("latest.png")

    def make() -> None:
        link.unlink(missing_ok=True)
        link.symlink_to(photo)

    make()
    captioned = time.time()
    assert not has_changed(str(link), document(captioned, glance(other).phash))
    touched_since(link, make)
    assert has_changed(str(link), document(captioned, glance(other).phash))
    assert not has_changed(str(link), document(captioned, glance(photo).phash))


@pytest.mark.usefixtures("stored_at_once")
def test_in_a_folder_that_was_touched_nothing_is_lost_of_which_nobody_knows_how_it_looked(
    photo: Path,
) -> None:
    captioned = time.time()
    move(photo.parent, photo.parent.with_name("other"))
    move(photo.parent.with_name("other"), photo.parent)
    other = glance(write_noise(photo.parent.with_name("b.png"), 2)).phash
    assert has_changed(str(photo), document(captioned, other))
    assert not has_changed(str(photo), document(captioned))
    scraped = document(captioned, other)
    scraped = replace(scraped, record=replace(scraped.record, source="scraped"))
    assert not has_changed(str(photo), scraped), "its name is made of its content"


def test_what_has_no_times_is_unchanged(photo: Path) -> None:
    now = document(0.0)
    assert not has_changed("s3://bucket/a.png", now)
    assert not has_changed("a\0b", now)
    assert not has_changed(str(photo), Document(now.record, frozenset(), "some day"))
    assert not has_changed(str(photo), Document(now.record, frozenset()))


def test_a_picture_moved_where_its_old_file_is_gone_and_it_looks_the_same(photo: Path) -> None:
    def was(image: str, phash: str) -> Document:
        return Document(CaptionRecord("a.png", "A dog.", image=image, phash=phash), frozenset())

    same, gone = glance(photo).phash, str(photo.with_name("gone") / "a.png")
    assert has_moved(str(photo), was(gone, same))
    assert has_moved(str(photo), was(str(photo / "in no folder"), same))
    other = write_noise(photo.with_name("b.png"), 2)
    assert not has_moved(str(photo), was(gone, glance(other).phash))
    assert not has_moved(str(photo), was(gone, ""))
    for image in (str(photo), str(other), "s3://bucket/a.png", "http://example.org/a.png", "gone/a.png", ""):
        assert not has_moved(str(photo), was(image, same))
    assert not has_moved("s3://bucket/a.png", was(gone, same))
    assert not has_moved(str(photo), was("/a\0b", same))


class TestChangedPhotos:
    """A file that became another photo under the same name."""

    def test_it_is_captioned_anew_and_its_old_captions_go(self, tmp_path: Path, fresh_where: str) -> None:
        folder, elsewhere = tmp_path / "photos", tmp_path / "other.png"
        for number, name in enumerate(("moved.png", "written.png", "same.png")):
            write_noise(folder / name, number)
        title = CaptionRecord("moved.png", "A title.", source="scraped", kind="title")
        with open_index(fresh_where, create=True) as index:
            index.add([title])
            add(index, [FolderSource(folder)], captioning(ColourCaptioner(), captions=2))
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

    def test_captions_of_another_file_under_its_id_stay(self, tmp_path: Path) -> None:
        photo, another = (write_noise(tmp_path / name / "a.png", n) for n, name in enumerate(("p", "q")))
        elsewhere = CaptionRecord("a.png", "A cat.", str(another), "folder", "generated", "other@12345678")
        with open_index(str(tmp_path / "index"), create=True) as index:
            add(index, [FolderSource(photo.parent)], captioning(ColourCaptioner()))
            index.add([elsewhere])
            write_noise(photo, 5)
            report = add(index, [FolderSource(photo.parent)], captioning(ColourCaptioner("new")))
            assert report.renewed == 1
            held = {one.record for one in index.captions(["a.png"])["a.png"]}
        assert {one.model for one in held} == {"other@12345678", "new@12345678"}
        assert elsewhere in held

    def test_a_photo_that_is_damaged_now_keeps_its_caption(self, tmp_path: Path) -> None:
        write_noise(tmp_path / "photos" / "a.png", 1)
        with open_index(str(tmp_path / "index"), create=True) as index:
            add(index, [FolderSource(tmp_path / "photos")], captioning(ColourCaptioner()))
            (tmp_path / "photos" / "a.png").write_bytes(b"no photo")
            report = add(index, [FolderSource(tmp_path / "photos")], captioning(ColourCaptioner()))
            assert (report.renewed, len(report.problems), report.status.captions) == (0, 1, 1)


@pytest.mark.usefixtures("stored_at_once")
class TestExchangedFolders:
    """A folder that another of its name took the place of, as a camera's next card: no file in it changed."""

    @pytest.mark.parametrize("run", [add, build])
    @pytest.mark.parametrize("exchanged", ["photos", "photos/card", "photos/card/100CANON"])
    def test_all_photos_are_captioned_that_are_others_now(
        self, tmp_path: Path, run: Callable[..., BuildReport], exchanged: str
    ) -> None:
        card, other = "photos/card/100CANON", f"other/{'photos/card/100CANON'.removeprefix(exchanged)}"
        for number in range(6):
            write_noise(tmp_path / card / f"{number}.png", number)
            write_noise(tmp_path / other / f"{number}.png", 10 + number if number in (1, 4, 5) else number)
        found, captioner = FolderSource(tmp_path / "photos"), ColourCaptioner()
        with open_index(tmp_path / "index", create=True) as index:
            build(index, [found], captioning(ColourCaptioner()))
            move(tmp_path / exchanged, tmp_path / "old")
            move(tmp_path / "other", tmp_path / exchanged)
            report = run(index, [found], captioning(captioner))
        assert [Path(name).name for name in captioner.asked] == ["1.png", "4.png", "5.png"]
        assert (report.captioned, report.known, report.status.captions) == (3, 3, 6)

    def test_a_few_are_looked_at_where_a_photo_was_added(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(6):
            write_noise(tmp_path / "photos" / f"{number}.png", number)
        looked_at, looks_different = set[str](), renewal._looks_different

        def add_one() -> None:
            (tmp_path / "photos" / "new.png").unlink(missing_ok=True)
            write_noise(tmp_path / "photos" / "new.png", 9)

        def noted(photo: str, phash: str) -> bool:
            looked_at.add(Path(photo).name)
            return looks_different(photo, phash)

        monkeypatch.setattr(renewal, "_looks_different", noted)
        with open_index(tmp_path / "index", create=True) as index:
            for expected in ((6, 0, 0), (1, 6, 0)):
                found, by = FolderSource(tmp_path / "photos"), captioning(ColourCaptioner(), captions=2)
                report = add(index, [found], by)
                assert (report.captioned, report.known, report.renewed) == expected
                touched_since(tmp_path / "photos", add_one)
        assert looked_at == {"0.png", "1.png", "2.png"}


class TestMoreCaptions:
    """More captions of each photo than an earlier run wrote."""

    def test_photos_with_fewer_captions_of_this_captioner_get_them(
        self, tmp_path: Path, fresh_where: str
    ) -> None:
        for number, name in enumerate(("a.png", "b.png")):
            write_noise(tmp_path / "photos" / name, number)
        source = FolderSource(tmp_path / "photos")
        with open_index(fresh_where, create=True) as index:
            add(index, [source], captioning(ColourCaptioner("other"), captions=3))
            add(index, [source], captioning(ColourCaptioner()))
            more = add(index, [source], captioning(ColourCaptioner(), captions=3))
            assert (more.added, more.unchanged, more.captioned, more.known, more.renewed) == (4, 2, 2, 0, 0)
            assert more.status.models == {"other@12345678": 6, "colour@12345678": 6}
            for captions in (3, 2, 1):
                again = add(index, [source], captioning(ColourCaptioner(), captions=captions))
                assert (again.captioned, again.known, again.status.captions) == (0, 2, 12)

    def test_fewer_captions_of_another_photo_of_that_id_are_not_its_own(self, tmp_path: Path) -> None:
        first, second = (write_noise(tmp_path / name / "a.png", n) for n, name in enumerate(("p", "q")))
        index = DraftingIndex()
        add(index, [FolderSource(first.parent)], captioning(ColourCaptioner()))
        report = add(index, [FolderSource(second.parent)], captioning(ColourCaptioner(), captions=3))
        assert (report.captioned, report.problems) == (1, ())
        assert [(one.image_id, one.image) for one in index.held] == [
            ("a.png", str(first)),
            *[("q/a.png", str(second))] * 3,
        ]


class TestScrapedPhotos:
    """What the web says of them now takes the place of what it said of them."""

    def test_titles_of_another_scraped_folder_and_of_no_scraping_stay(self, tmp_path: Path) -> None:
        index, folders = DraftingIndex(), [tmp_path / "oa", tmp_path / "ob"]
        for folder in folders:
            write_scraped(folder)
            add(index, [ScrapedSource(folder)], captioning(ColourCaptioner()))
        (photo, *_) = (one for one in index.held if one.kind == "generated")
        ours = replace(photo, source="list", kind="title", caption="My own title")
        index.add([ours, replace(ours, kind="generated", caption="My own caption", title="My own")])
        before = index.held
        for folder in folders:
            add(index, [ScrapedSource(folder)], captioning(ColourCaptioner()))
        assert {one.caption for one in index.held if one.kind == "title"} == {
            "Seen by oa",
            "Seen by ob",
            "My own title",
        }
        assert {one for one in index.held if one.source == "list"} == {
            one for one in before if one.source == "list"
        }

    @pytest.mark.parametrize("title", ["Seen  by oa", "Seen by oa.JPG", "Seen_by_oa.jpg"])
    def test_a_title_that_says_the_same_in_other_letters_stays(self, tmp_path: Path, title: str) -> None:
        write_scraped(tmp_path / "oa")
        manifest = tmp_path / "oa" / "manifest.jsonl"
        manifest.write_text(manifest.read_text().replace("Seen by oa", title))
        index = DraftingIndex()
        for unchanged in (0, 1):
            report = add(index, [ScrapedSource(tmp_path / "oa")], captioning(ColourCaptioner()))
            assert report.unchanged == unchanged
            assert [one.caption for one in index.held if one.kind == "title"] == ["Seen by oa"]

    @pytest.mark.parametrize("run", [add, build])
    def test_they_are_not_captioned_again_where_only_the_times_of_their_files_changed(
        self, tmp_path: Path, run: Callable[..., BuildReport], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in a copy of their folder: a file whose name is made of its content cannot become another."""
        write_scraped(tmp_path / "oa")
        with open_index(tmp_path / "index", create=True) as index:
            build(index, [ScrapedSource(tmp_path / "oa")], captioning(ColourCaptioner()))
            now = time.time()
            monkeypatch.setattr(time, "time", lambda: now + DAY)
            for file in (tmp_path / "oa").glob("images/*/*.jpg"):
                os.utime(file, (now + DAY / 2, now + DAY / 2))
            report = run(index, [ScrapedSource(tmp_path / "oa")], captioning(ColourCaptioner()))
            assert (report.captioned, report.known, report.renewed) == (0, 1, 0)


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
            held = dict(index.captions(f"{number:02d}.png" for number in range(70)))
            assert {(one.record.image_id, one.record.image) for one in held.pop("00.png")} == {
                ("00.png", str(new / "00.png")),
                ("00.png", remark.image),
            }
            assert all(one.record.image == str(new / name) for name, group in held.items() for one in group)
            assert index.status().captions == before
            report = add(index, [FolderSource(new)], captioning(ColourCaptioner()))
            assert (report.known, report.moved) == (70, 0)

    def test_another_picture_of_that_name_is_another_image(self, tmp_path: Path) -> None:
        gone = write_noise(tmp_path / "few" / "a.png", 1)
        with open_index(str(tmp_path / "index"), create=True) as index:
            add(index, [FolderSource(gone.parent)], captioning(ColourCaptioner()))
            gone.unlink()
            write_noise(tmp_path / "few2" / "a.png", 2)
            report = add(index, [FolderSource(tmp_path / "few2")], captioning(ColourCaptioner()))
            assert (report.moved, report.known, report.with_folder, report.problems) == (0, 0, 1, ())
            assert index.captions(["a.png"])["a.png"][0].record.image == str(gone)
            assert index.captions(["few2/a.png"])

    def test_two_copies_of_what_is_gone_are_one_that_moved_and_a_new_one(self, tmp_path: Path) -> None:
        gone = write_noise(tmp_path / "few" / "a.png", 1)
        with open_index(str(tmp_path / "index"), create=True) as index:
            add(index, [FolderSource(gone.parent)], captioning(ColourCaptioner()))
            gone.unlink()
            copies = [write_noise(tmp_path / name / "a.png", 1) for name in ("few2", "few3")]
            report = add(index, [FolderSource(one.parent) for one in copies], captioning(ColourCaptioner()))
            assert (report.moved, report.known, report.with_folder, report.problems) == (1, 1, 1, ())
            assert dict(index.places("")) == {"a.png": str(copies[0]), "few3/a.png": str(copies[1])}

    def test_another_picture_beside_it_does_not_take_its_id(self, tmp_path: Path) -> None:
        gone = write_noise(tmp_path / "few" / "a.png", 1)
        other = write_noise(tmp_path / "other" / "a.png", 2)
        with open_index(str(tmp_path / "index"), create=True) as index:
            add(index, [FolderSource(gone.parent)], captioning(ColourCaptioner()))
            gone.parent.rename(tmp_path / "few2")
            found = [FolderSource(other.parent), FolderSource(tmp_path / "few2")]
            report = add(index, found, captioning(ColourCaptioner()))
            assert (report.captioned, report.moved, report.with_folder) == (1, 1, 1)
            assert dict(index.places("")) == {
                "a.png": str(tmp_path / "few2" / "a.png"),
                "other/a.png": str(other),
            }
