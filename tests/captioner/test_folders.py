"""Which files of folders are photos, and what is told of the others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from captioner.files import is_file
from captioner.folders import PhotosBelow, no_photos, passed_over
from captioner.formats import SUFFIXES, UNREAD
from indexer.sources import FolderSource


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def names(folder: Path) -> list[str]:
    return [os.path.relpath(path, folder) for path in PhotosBelow([folder])]


def test_a_folder_gives_its_photos_in_order_whatever_is_beside_them(tmp_path: Path) -> None:
    fill(tmp_path, "b.png", "a.JPG", "notes.txt", "c.svg", "az/c.webp", "e.jfif", "f.jpe")
    fill(tmp_path, "._a.JPG", ".hidden/b.jpg", "az/.hidden.png")
    assert names(tmp_path) == ["a.JPG", "az/c.webp", "b.png", "e.jfif", "f.jpe"]


def test_pipes_and_devices_in_a_folder_are_no_photos(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "null.jpg").symlink_to("/dev/null")
    (tmp_path / "nothing.jpg").symlink_to(tmp_path / "gone.jpg")
    assert names(tmp_path) == ["a.jpg", "nothing.jpg"]


def test_linked_folders_are_walked_and_each_folder_once(tmp_path: Path) -> None:
    fill(tmp_path, "all/a/x.jpg", "elsewhere/y.jpg")
    (tmp_path / "all" / "a" / "loop").symlink_to(tmp_path / "all")
    (tmp_path / "all" / "b").symlink_to(tmp_path / "all" / "a")
    (tmp_path / "all" / "c").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "all") == ["a/x.jpg", "c/y.jpg"]


def test_the_indexer_sees_the_same_photos(tmp_path: Path) -> None:
    fill(tmp_path, "z.png", "a/x.jpg", "._z.png", ".git/b.jpg", "c.psd")
    (tmp_path / "linked").symlink_to(fill(tmp_path.with_name("beside"), "y.jpg"))
    indexed = FolderSource(tmp_path)
    assert [item.image_id for item in indexed.photos()] == names(tmp_path)  # type: ignore[union-attr]
    assert indexed.unread == {".psd": 1}


def test_paths_keep_their_order_and_their_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fill(tmp_path, "a.jpg"))
    asked = ["none.txt", ".", "alone", ".", ".hidden.png", "a\0b"]
    assert list(PhotosBelow(asked)) == ["none.txt", "./a.jpg", "alone", "./a.jpg", ".hidden.png", "a\0b"]


def test_a_folder_that_cannot_be_read_is_given_itself(
    tmp_path: Path, deny_listing: Callable[[str], None]
) -> None:
    fill(tmp_path, "inner/a.png", "z.png")
    deny_listing("inner")
    found = PhotosBelow([tmp_path])
    inner = str(tmp_path / "inner")
    assert list(found) == [inner, str(tmp_path / "z.png")]
    assert found.unreadable == {inner: "Permission denied"}


def test_pictures_in_other_formats_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, "a.PSD", "b/c.psd", "d.svg", "e.txt", "f.jpg", ".g.psd")
    found = PhotosBelow([tmp_path, tmp_path])
    for _ in range(2):
        assert len(list(found)) == 2
        assert passed_over(found.unread) == (
            "passed over 6 pictures in formats that are not read (4 psd, 2 svg): convert them to JPEG"
        )
    assert not SUFFIXES & UNREAD


def test_a_folder_without_photos_says_what_it_has(tmp_path: Path) -> None:
    found = PhotosBelow([fill(tmp_path, "a.jxl")])
    assert list(found) == []
    told = no_photos(found.unread)
    assert told.startswith("has no photos (bmp, gif, ")
    assert told.endswith("in it or below; " + passed_over({".jxl": 1}))
    assert no_photos({}).endswith("in it or below")


def test_no_name_is_too_odd_to_be_asked_for(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "folder/b.jpg")
    odd = ("none.jpg", "folder", "a.jpg/b.jpg", "b" * 300 + ".jpg", "b/" * 5000, "a\0b.jpg", "\ud800.jpg")
    assert [name for name in ("a.jpg", *odd) if is_file(f"{tmp_path}/{name}")] == ["a.jpg"]
