"""Sources: what they read from whole files, and what they say of broken ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.caption_files import MAX_LINE
from captioner.problem import Problem
from indexer.errors import SourceError
from indexer.records import CaptionRecord, Rejected, unfit
from indexer.rejects import write_rejects
from indexer.scrape.data_set import scraped_photos
from indexer.sources import (
    CocoSource,
    Flickr8kSource,
    FolderSource,
    JsonlSource,
    ScrapedSource,
    SourceItem,
)
from tests.indexer.files import write_coco, write_jsonl, write_photo

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def split(items: list[SourceItem]) -> tuple[list[CaptionRecord], list[str]]:
    records = [item for item in items if isinstance(item, CaptionRecord)]
    return records, [str(item) for item in items if isinstance(item, Problem)]


class TestCoco:
    def test_an_annotation_becomes_a_record(self, tmp_path: Path) -> None:
        source = CocoSource(write_coco(tmp_path / "captions.json"))
        records, problems = split(list(source.captions()))
        assert problems == []
        assert source.caption_count() == 3
        assert records[0] == CaptionRecord(
            image_id="000000000009.jpg",
            caption="A dog on a red sofa.",
            image="http://images.cocodataset.org/train2017/000000000009.jpg",
            source="coco",
            kind="reference",
            split="train",
            license="CC BY 2.0",
            attribution="http://farm4.staticflickr.com/9.jpg",
        )
        assert [record.image_id for record in records] == [
            "000000000009.jpg",
            "COCO_val2014_000000000012.jpg",
            "000000000009.jpg",
        ]
        assert (records[1].split, records[1].license) == ("val", "No known copyright restrictions")

    def test_the_split_can_come_from_the_annotations_name(self, tmp_path: Path) -> None:
        images = [{"id": 9, "file_name": "9.jpg"}]
        annotations = [{"id": 1, "image_id": 9, "caption": "A dog."}]
        file = write_coco(tmp_path / "captions_val2017.json", images=images, annotations=annotations)
        assert [record.split for record in split(list(CocoSource(file).captions()))[0]] == ["val"]

    def test_nothing_is_printed(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        list(CocoSource(write_coco(tmp_path / "captions.json")).captions())
        assert capfd.readouterr() == ("", "")

    def test_with_images_the_record_shows_the_file_and_the_photo_can_be_captioned(
        self, tmp_path: Path
    ) -> None:
        photo = write_photo(tmp_path / "images" / "000000000009.jpg")
        source = CocoSource(write_coco(tmp_path / "captions.json"), tmp_path / "images")
        captions, _ = split(list(source.captions()))
        assert [record.image for record in captions] == [str(photo), "", str(photo)]
        photos, problems = split(list(source.photos()))
        assert [(photo.image_id, photo.kind, photo.caption) for photo in photos] == [
            ("000000000009.jpg", "generated", "")
        ]
        assert source.photo_count() == 1
        assert len(problems) == 1
        assert "1 of the 2 images" in problems[0]
        assert "COCO_val2014_000000000012.jpg" in problems[0]

    def test_a_file_name_cannot_lead_out_of_the_folder(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "secret.jpg")
        (tmp_path / "images").mkdir()
        images = [
            {"id": 9, "file_name": "../secret.jpg"},
            {"id": 12, "file_name": str(tmp_path / "secret.jpg")},
        ]
        source = CocoSource(write_coco(tmp_path / "captions.json", images=images), tmp_path / "images")
        assert split(list(source.photos()))[0] == []
        assert {record.image for record in split(list(source.captions()))[0]} == {""}

    @pytest.mark.parametrize("name", ["b" * 300 + ".jpg", "b/" * 5000, "a\0b.jpg", "\ud800.jpg"])
    def test_a_name_that_no_file_can_have_spoils_no_other(self, name: str, tmp_path: Path) -> None:
        photo = write_photo(tmp_path / "images" / "9.jpg")
        images = [{"id": 9, "file_name": "9.jpg"}, {"id": 12, "file_name": name}]
        source = CocoSource(write_coco(tmp_path / "captions.json", images=images), tmp_path / "images")
        assert len(split(list(source.captions()))[0]) == 3
        photos, problems = split(list(source.photos()))
        assert [one.image for one in photos] == [str(photo)]
        assert [problem.count("1 of the 2 images of ") for problem in problems] == [1]
        assert source.fingerprint()

    def test_broken_annotations_are_named_and_the_rest_goes_on(self, tmp_path: Path) -> None:
        annotations = [
            {"id": 1, "image_id": 99, "caption": "Nowhere."},
            {"id": 2, "image_id": 9},
            {"id": 3, "caption": "No image named."},
            {"image_id": [9], "caption": "An odd image id."},
            {"id": 5, "image_id": 9, "caption": "A dog."},
        ]
        file = write_coco(tmp_path / "captions.json", annotations=annotations)
        records, problems = split(list(CocoSource(file).captions()))
        assert [record.caption for record in records] == ["A dog."]
        assert problems == [
            "captions.json: annotation 1: its image 99 is not among the images of the file",
            "captions.json: annotation 2: has no caption",
            "captions.json: annotation 3: its image None is not among the images of the file",
            "captions.json: annotation at position 3: its image [9] is not among the images of the file",
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "is not valid JSON"),
            ("{", "is not valid JSON"),
            ("[1]", "not in the form of COCO"),
            ("{}", "has no list of images"),
            ('{"images": [{"id": 1}], "annotations": 3}', "has no list of annotations"),
            ('{"images": [{"id": 1}], "annotations": [{"image_id": 1, "bbox": []}]}', "have no captions"),
            ("[" * 100_000, "is not valid JSON"),
        ],
    )
    def test_a_file_of_another_kind_is_refused(self, tmp_path: Path, text: str, message: str) -> None:
        file = tmp_path / "instances.json"
        file.write_text(text)
        with pytest.raises(SourceError, match=message) as error:
            CocoSource(file)
        assert str(file) in str(error.value)

    def test_the_fingerprint_changes_with_the_content(self, tmp_path: Path) -> None:
        file = write_coco(tmp_path / "captions.json")
        before = CocoSource(file).fingerprint()
        assert CocoSource(file).fingerprint() == before
        write_coco(file, annotations=[{"id": 1, "image_id": 9, "caption": "Another dog."}])
        assert CocoSource(file).fingerprint() != before

    def test_the_real_file(self, shared_data: Path) -> None:
        source = CocoSource(shared_data / "coco/annotations/captions_mini.json", shared_data / "coco/images")
        records, problems = split([*source.captions(), *source.photos()])
        assert problems == []
        assert len(records) == 420 + 84
        assert all(record.license and record.attribution and record.split for record in records)
        assert {record.image_id for record in records} == {
            path.name for path in (shared_data / "coco/images").iterdir()
        }


class TestFlickr8k:
    def folder(self, tmp_path: Path, text: str) -> Path:
        (tmp_path / "captions.txt").write_text(text, encoding="utf-8")
        return tmp_path

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_captions_with_split_photo_and_attribution(self, encoding: str, tmp_path: Path) -> None:
        write_photo(tmp_path / "images" / "100_a.jpg")
        (tmp_path / "dev.txt").write_text("100_a.jpg\n", encoding)
        text = 'image,caption\n100_a.jpg,"A dog , running ."\n200_b.jpg,Two cats .\n'
        records, problems = split(list(Flickr8kSource(self.folder(tmp_path, text)).captions()))
        assert problems == []
        assert records[0] == CaptionRecord(
            "100_a.jpg",
            "A dog , running .",
            image=str(tmp_path / "images" / "100_a.jpg"),
            source="flickr8k",
            split="dev",
            license="research and education only",
            attribution="https://www.flickr.com/photo.gne?id=100",
        )
        assert (records[1].image_id, records[1].split) == ("200_b.jpg", "")

    def test_a_split_has_a_name_a_line(self, tmp_path: Path) -> None:
        """File names may hold blanks."""
        (tmp_path / "train.txt").write_bytes(b"my cat.jpg  \r\n\n \nman.jpg\nno-\xff.jpg")
        text = "image,caption\nmy cat.jpg,A cat .\nman.jpg,A man .\ncat.jpg,Another cat .\n"
        records, _ = split(list(Flickr8kSource(self.folder(tmp_path, text)).captions()))
        assert [record.split for record in records] == ["train", "train", ""]

    def test_the_file_alone_will_do(self, tmp_path: Path) -> None:
        source = Flickr8kSource(self.folder(tmp_path, "image,caption\na.jpg,A dog .\n") / "captions.txt")
        assert source.caption_count() == 1
        assert [record.image for record in split(list(source.captions()))[0]] == [""]

    def test_a_broken_line_spoils_no_other(self, tmp_path: Path) -> None:
        text = 'image,caption\na.jpg,"A dog\nb.jpg\n\nc.jpg,A cat .\nd.jpg,one,two\n'
        records, problems = split(list(Flickr8kSource(self.folder(tmp_path, text)).captions()))
        assert [record.caption for record in records] == ["A cat ."]
        assert [problem.split(":")[1].strip() for problem in problems] == ["line 2", "line 3", "line 6"]

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="image,caption"):
            Flickr8kSource(self.folder(tmp_path, "a.jpg#0\tA dog .\n"))
        with pytest.raises(SourceError, match="no such file"):
            Flickr8kSource(tmp_path / "images")


class TestJsonl:
    def test_lines_become_records(self, tmp_path: Path) -> None:
        file = write_jsonl(
            tmp_path / "captions.jsonl",
            {"image_id": "a", "caption": "A dog."},
            {"image_id": 7, "caption": "Ein Hund – ☂", "image": "http://x/7.jpg", "source": "mine"},
            {"image_id": "c", "caption": "", "license": None, "other": 3},
        )
        source = JsonlSource(file)
        assert source.caption_count() >= 3
        assert list(source.captions()) == [
            CaptionRecord("a", "A dog.", source="jsonl"),
            CaptionRecord("7", "Ein Hund – ☂", image="http://x/7.jpg", source="mine"),
            CaptionRecord("c", ""),
        ]

    def test_broken_lines_are_named_with_their_number(self, tmp_path: Path) -> None:
        file = tmp_path / "captions.jsonl"
        good = b'{"image_id": "a", "caption": "A dog."}'
        lines = (
            b"\xef\xbb\xbf" + good,
            b'{"image_id": "b"',
            b"",
            b"[1]",
            b'{"caption": "x"}',
            b'{"image_id": "b"}',
            b'{"image_id": "b", "caption": 3}',
            b'{"image_id": true, "caption": ""}',
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"image_id": "", "caption": "x"}',
            b'{"image_id": "a", "caption": "A\\u001fdog."}',
            good,
        )
        file.write_bytes(b"\n".join(lines))
        records, problems = split(list(JsonlSource(file).captions()))
        assert [record.image_id for record in records] == ["a", "a"]
        assert problems == [
            "captions.jsonl: line 2: is not valid JSON (Expecting ',' delimiter at column 17)",
            "captions.jsonl: line 4: is not a JSON object",
            "captions.jsonl: line 5: has no image_id",
            "captions.jsonl: line 6: has no caption",
            "captions.jsonl: line 7: caption must be a string, not int",
            "captions.jsonl: line 8: image_id must be a string, not bool",
            "captions.jsonl: line 9: is not UTF-8 (byte 1)",
            "captions.jsonl: line 10: is nested too deeply",
            "captions.jsonl: line 11: image_id is empty",
            "captions.jsonl: line 12: caption has the character U+001F, which separates the parts of a "
            "document's id",
        ]

    def test_an_endless_line_is_not_held_in_memory(self, tmp_path: Path) -> None:
        file = tmp_path / "captions.jsonl"
        file.write_bytes(b"x" * (2 * MAX_LINE + 5) + b'\n{"image_id": "a", "caption": "A dog."}\n')
        records, problems = split(list(JsonlSource(file).captions()))
        assert [record.image_id for record in records] == ["a"]
        assert problems == [f"captions.jsonl: line 1: is longer than {MAX_LINE:,} bytes"]

    @pytest.mark.parametrize("missing", ["none.jsonl", "."])
    def test_no_such_file(self, tmp_path: Path, missing: str) -> None:
        with pytest.raises(SourceError, match=r"no such file|is a folder"):
            JsonlSource(tmp_path / missing)

    @settings(deadline=None)
    @given(
        st.lists(
            st.builds(
                CaptionRecord,
                image_id=TEXT.filter(bool),
                caption=TEXT,
                source=TEXT,
                kind=TEXT,
                license=TEXT,
                title=TEXT,
            ).filter(lambda record: not unfit(record))
        )
    )
    def test_a_report_of_rejected_captions_is_read_again_as_it_was(
        self, tmp_path_factory: pytest.TempPathFactory, records: list[CaptionRecord]
    ) -> None:
        file = tmp_path_factory.mktemp("report") / "rejected.jsonl"
        write_rejects(file, [Rejected(record, "refused") for record in records])
        assert list(JsonlSource(file).captions()) == records
        assert [json.loads(line)["reason"] for line in file.read_text().splitlines()] == ["refused"] * len(
            records
        )


class TestFolder:
    def test_a_name_that_is_no_text_is_to_be_changed(self, tmp_path: Path) -> None:
        for name in ("München.jpg".encode("latin-1"), b"a.jpg"):
            write_photo(tmp_path / os.fsdecode(name))
        odd, photo = FolderSource(tmp_path).photos()
        assert isinstance(photo, CaptionRecord) and photo.image_id == "a.jpg"
        assert odd == Problem(f"{tmp_path}/M\\udcfcnchen.jpg", "its name is not valid Unicode; rename it")

    def test_photos_of_all_folders_in_order(self, tmp_path: Path) -> None:
        for name in ("b.jpg", "a/Z.PNG", "a/deep/c.webp", ".hidden.jpg", ".git/x.jpg"):
            write_photo(tmp_path / name)
        (tmp_path / "notes.txt").write_text("no photo")
        source = FolderSource(tmp_path)
        assert list(source.photos()) == [
            CaptionRecord(name, "", image=str(tmp_path / name), source="folder", kind="generated")
            for name in ("a/Z.PNG", "a/deep/c.webp", "b.jpg")
        ]
        assert source.photo_count() == 3
        assert list(source.captions()) == []

    def test_loops_of_links_end_and_each_folder_is_walked_once(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "a" / "x.jpg")
        (tmp_path / "a" / "loop").symlink_to(tmp_path)
        (tmp_path / "b").symlink_to(tmp_path / "a")
        assert [item.image_id for item in split(list(FolderSource(tmp_path).photos()))[0]] == ["a/x.jpg"]

    def test_broken_links_are_named_and_pipes_are_no_photos(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "x.jpg")
        (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
        os.mkfifo(tmp_path / "pipe.jpg")
        records, problems = split(list(FolderSource(tmp_path).photos()))
        assert [record.image_id for record in records] == ["x.jpg"]
        assert [problem.split(":")[0] for problem in problems] == [str(tmp_path / "gone.jpg")]

    def test_a_link_to_itself_ends_nothing(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "x.jpg")
        (tmp_path / "self.jpg").symlink_to("self.jpg")
        (tmp_path / "self").symlink_to("self")
        records, problems = split(list(FolderSource(tmp_path).photos()))
        assert [record.image_id for record in records] == ["x.jpg"]
        assert [problem.split(":")[0] for problem in problems] == [str(tmp_path / "self.jpg")]

    def test_a_folder_without_photos_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="has no photos"):
            FolderSource(tmp_path)
        with pytest.raises(SourceError, match="no such folder"):
            FolderSource(tmp_path / "none")
        with pytest.raises(SourceError, match=r"is a file, not a folder \(photos\)"):
            FolderSource(write_photo(tmp_path / "x.jpg"))

    def test_a_folder_that_cannot_be_read_is_named(
        self, tmp_path: Path, deny_listing: Callable[[str], None]
    ) -> None:
        write_photo(tmp_path / "a" / "x.jpg")
        write_photo(tmp_path / "locked" / "y.jpg")
        deny_listing("locked")
        records, problems = split(list(FolderSource(tmp_path).photos()))
        assert [record.image_id for record in records] == ["a/x.jpg"]
        assert problems == [f"{tmp_path / 'locked'}: cannot be read (Permission denied)"]

    def test_the_fingerprint_changes_with_the_photos(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "x.jpg")
        before = FolderSource(tmp_path).fingerprint()
        write_photo(tmp_path / "y.jpg")
        assert FolderSource(tmp_path).fingerprint() != before


class TestScraped:
    SHA256 = "ab12" * 16
    PHOTO = f"images/ab/{SHA256}.jpg"

    def manifest(self, tmp_path: Path) -> Path:
        write_photo(tmp_path / self.PHOTO)
        item = {
            "line": "item",
            "status": "downloaded",
            "url": "https://example.org/1.jpg",
            "provider": "openverse",
            "query": "a dog",
            "title": "My dog Rex",
            "page": "https://example.org/1",
            "creator": "Ann",
            "license": "CC BY 2.0",
            "attribution": "My dog Rex by Ann",
            "file": self.PHOTO,
            "sha256": self.SHA256,
            "phash": "00ff00ff00ff00ff",
        }
        write_jsonl(tmp_path / "manifest.jsonl", item)
        return tmp_path

    def test_titles_are_captions_and_photos_are_to_be_captioned(self, tmp_path: Path) -> None:
        source = ScrapedSource(self.manifest(tmp_path))
        titles, photos = list(source.captions()), list(source.photos())
        assert [(one.kind, one.caption) for one in split(titles)[0]] == [("title", "My dog Rex")]
        assert [(one.kind, one.caption) for one in split(photos)[0]] == [("generated", "")]
        assert (source.caption_count(), source.photo_count()) == (1, 1)
        photo = split(photos)[0][0]
        assert (photo.source, photo.query, photo.license) == ("scraped", "a dog", "CC BY 2.0")
        assert Path(photo.image) == tmp_path / self.PHOTO

    def test_a_photo_that_has_gone_is_named(self, tmp_path: Path) -> None:
        source = ScrapedSource(self.manifest(tmp_path))
        (tmp_path / self.PHOTO).unlink()
        records, problems = split(list(source.photos()))
        assert records == []
        assert problems == [f"{tmp_path / self.PHOTO}: no such file"]

    def append(self, tmp_path: Path, **fields: object) -> None:
        with (tmp_path / "manifest.jsonl").open("a") as file:
            file.write(json.dumps({"line": "item", "url": "https://example.org/2.jpg", **fields}) + "\n")

    def append_photo(self, tmp_path: Path, start: str, **fields: object) -> None:
        sha256 = start * 32
        photo = {"file": f"images/{start}/{sha256}.jpg", "sha256": sha256, "phash": "0" * 16}
        self.append(tmp_path, **{"status": "downloaded", **photo, **fields})

    def test_a_file_cannot_lead_out_of_the_folder_and_the_rest_goes_on(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "private" / "secret.jpg")
        folder = self.manifest(tmp_path / "scraped")
        secrets = ("../private/secret.jpg", str(tmp_path / "private" / "secret.jpg"))
        for start, name in zip(("cd", "ef"), secrets, strict=True):
            self.append_photo(folder, start, file=name, title="Secret")
        source = ScrapedSource(folder)
        titles, problems = split(list(source.captions()))
        assert [one.caption for one in titles] == ["My dog Rex"]
        reason = "damaged manifest line (its file is not as a scrape writes it)"
        assert problems == [f"{folder / 'manifest.jsonl'}:{number}: {reason}" for number in (2, 3)]
        photos, problems = split(list(source.photos()))
        assert ([Path(one.image) for one in photos], problems) == ([folder / self.PHOTO], [])

    def test_a_scrape_may_go_on_while_its_photos_are_indexed(self, tmp_path: Path) -> None:
        source = ScrapedSource(self.manifest(tmp_path))
        photos = source.photos()
        self.append_photo(tmp_path, "cd", title="Late")
        assert [one.title for one in split(list(photos))[0]] == ["My dog Rex"]
        photos, titles = scraped_photos(tmp_path), source.captions()
        assert [next(photos).title, next(titles).caption] == ["My dog Rex", "My dog Rex"]  # type: ignore[union-attr]
        self.append_photo(tmp_path, "ef", title="Later")
        assert ([one.title for one in photos], list(titles)) == (["Late"], [])
        assert (source.caption_count(), source.photo_count()) == (1, 1)

    def test_the_fingerprint_is_that_of_the_photos_and_their_words(self, tmp_path: Path) -> None:
        before = ScrapedSource(self.manifest(tmp_path)).fingerprint()
        self.append(tmp_path, status="found")
        self.append(tmp_path, status="failed", reason="timeout")
        self.append(tmp_path, line="search", provider="openverse", query="a dog")
        assert ScrapedSource(tmp_path).fingerprint() == before
        self.append_photo(tmp_path, "cd", title="A cat")
        with_cat = ScrapedSource(tmp_path).fingerprint()
        self.append_photo(tmp_path, "cd", title="A grey cat")
        assert len({before, with_cat, ScrapedSource(tmp_path).fingerprint()}) == 3

    def test_a_folder_without_manifest_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"manifest\.jsonl: no such file"):
            ScrapedSource(tmp_path)


def test_a_file_of_captions_is_an_ordinary_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    for place in (tmp_path / "pipe.jsonl", Path(os.devnull), "-"):
        with pytest.raises(SourceError, match="is a pipe or a device; write captions as JSON lines into a"):
            JsonlSource(place)
