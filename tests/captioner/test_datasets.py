"""Captioned photos of Flickr8k's and COCO's files: what is read, and what of faulty files is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from captioner.datasets import CaptionedPhoto, check_photos_there, coco, coco_file, flickr8k
from captioner.errors import DataError


def flickr8k_folder(folder: Path, lines: str, images: str = "images") -> Path:
    (folder / images).mkdir()
    (folder / "captions.txt").write_text(lines, encoding="utf-8")
    (folder / "dev.txt").write_text("a.jpg\n")
    return folder


@pytest.mark.parametrize("images", ["images", "Images"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_flickr8k_as_others_pack_it(mark: str, images: str, tmp_path: Path) -> None:
    """With a byte order mark, commas within quotation marks, and either name of the photos' folder."""
    text = f'{mark}image,caption\na.jpg,"A dog, ""Rex"" ."\n\na.jpg,A cat .\n'
    folder = flickr8k_folder(tmp_path, text, images)
    assert flickr8k(folder, "dev") == [
        CaptionedPhoto(folder / images / "a.jpg", ('A dog, "Rex" .', "A cat ."))
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a.jpg,A dog, a cat\n", r"captions\.txt: line 2: has not the two fields .* \(1 such place"),
        ('a.jpg,"A dog\nb.jpg,A cat\nc.jpg\n', r"captions\.txt: line 2: .* \(2 such places"),
    ],
)
def test_lines_that_would_be_misread_are_named(lines: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        flickr8k(flickr8k_folder(tmp_path, "image,caption\n" + lines), "dev")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_split_has_a_name_a_line(mark: str, tmp_path: Path) -> None:
    """File names may hold blanks."""
    folder = flickr8k_folder(tmp_path, "image,caption\nmy dog.jpg,A dog .\nb.jpg,A cat .\n")
    (folder / "dev.txt").write_text(f"{mark}my dog.jpg  \r\n\n \nb.jpg", encoding="utf-8")
    assert [photo.name for photo in flickr8k(folder, "dev")] == ["my dog.jpg", "b.jpg"]


def test_a_name_that_comes_twice_in_a_split_is_refused(tmp_path: Path) -> None:
    """Its photo would count twice."""
    folder = flickr8k_folder(tmp_path, "image,caption\na.jpg,A dog .\nb.jpg,A cat .\n")
    (folder / "dev.txt").write_text("b.jpg\na.jpg\na.jpg\n")
    with pytest.raises(DataError, match=r"dev\.txt: names a\.jpg 2 times; leave one of them"):
        flickr8k(folder, "dev")


def test_a_split_leads_out_of_no_folder(tmp_path: Path) -> None:
    folder = flickr8k_folder(tmp_path, "image,caption\n../a.jpg,A dog .\n")
    (folder / "dev.txt").write_text("../a.jpg\n")
    with pytest.raises(DataError, match=r"^\.\./a\.jpg: leads out of .*images"):
        flickr8k(folder, "dev")


def coco_annotations(folder: Path, **changes: Any) -> Path:
    tables: Mapping[str, Any] = {
        "images": [{"id": 12, "file_name": "b.jpg"}, {"id": 9, "file_name": "a.jpg"}],
        "annotations": [
            {"id": 1, "image_id": 12, "caption": "Two cats."},
            {"id": 2, "image_id": 9, "caption": "A dog."},
            {"id": 3, "image_id": 12, "caption": "Cats."},
        ],
    }
    path = folder / "captions.json"
    path.write_text(json.dumps({**tables, **changes}))
    return path


def test_a_split_that_is_not_there_is_told_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("image,caption\n")
    with pytest.raises(DataError) as caught:
        flickr8k(tmp_path, "test")
    assert str(caught.value) == (
        f"{tmp_path}: not a Flickr8k folder with split 'test' "
        f"({tmp_path / 'test.txt'}: No such file or directory)"
    )


def test_coco_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    found = coco(coco_annotations(tmp_path), tmp_path)
    assert found == [
        CaptionedPhoto(tmp_path / "a.jpg", ("A dog.",)),
        CaptionedPhoto(tmp_path / "b.jpg", ("Two cats.", "Cats.")),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"annotations": [{"id": 1, "image_id": 9, "caption": None}, {"id": 2, "image_id": 9}]},
            r"captions\.json: annotation 1: has no caption \(2 such places",
        ),
        (
            {"annotations": [{"id": 1, "image_id": 5, "caption": "A dog."}]},
            "annotation 1: its image 5 is not among the images",
        ),
        (
            {"images": [{"id": n, "file_name": "a.jpg"} for n in (9, 12)]},
            "2 images have the file_name 'a.jpg'",
        ),
        ({"images": [{"id": 9, "file_name": n} for n in "ab"]}, "2 images have the id 9"),
        ({"images": []}, "has no list of images"),
    ],
)
def test_annotations_that_would_be_lost_are_named(
    changes: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        coco_file(coco_annotations(tmp_path, **changes))


@pytest.mark.parametrize("name", ["/etc/hostname", "../b.jpg"])
def test_a_file_name_leads_out_of_no_folder(name: str, tmp_path: Path) -> None:
    images = [{"id": 12, "file_name": name}, {"id": 9, "file_name": "a.jpg"}]
    with pytest.raises(DataError, match=f"^{name}: leads out of"):
        coco(coco_annotations(tmp_path, images=images), tmp_path)


@pytest.mark.parametrize(
    ("missing", "there", "such"),
    [
        (1, 0, "1 of 1 photo is missing"),
        (1, 1, "1 of 2 photos is missing"),
        (1500, 1, "1,500 of 1,501 photos are missing"),
    ],
)
def test_the_first_photo_that_is_missing_is_named(
    missing: int, there: int, such: str, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").touch()
    photos = [CaptionedPhoto(tmp_path / "a.jpg", ())] * there
    photos += [CaptionedPhoto(tmp_path / f"{number}.jpg", ()) for number in range(missing)]
    with pytest.raises(DataError) as refused:
        check_photos_there(photos)
    assert str(refused.value) == f"{tmp_path}/0.jpg: no such photo ({such})"


def test_a_file_of_brackets_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "captions.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"captions\.json: is not valid JSON"):
        coco_file(tmp_path / "captions.json")
    with pytest.raises(DataError, match=r"none\.json: No such file"):
        coco_file(tmp_path / "none.json")
