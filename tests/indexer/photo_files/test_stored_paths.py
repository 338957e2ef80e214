"""The one form of a path that is stored, and the others by which it is looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.photo_files.image_ids import id_of_file
from indexer.photo_files.stored_paths import RealPaths, stored_forms, without_detours
from indexer.records import CaptionRecord
from indexer.sources import CocoSource, Flickr8kSource, FolderSource, JsonlSource, ScrapedSource, Source
from tests.indexer.fakes import DraftingIndex
from tests.indexer.files import write_coco, write_jsonl, write_noise, write_photo, write_scraped


def test_the_real_path_of_a_file_is_one_by_whatever_links(tmp_path: Path) -> None:
    photo = write_noise(tmp_path / "disk" / "a.png", 1)
    (tmp_path / "link").symlink_to(photo.parent)
    (tmp_path / "link.png").symlink_to(photo)
    real = RealPaths()
    for name in ("disk/a.png", "link/a.png", "link.png", "disk/../link/a.png"):
        assert real.of(str(tmp_path / name)) == os.path.realpath(photo)
    for place in ("s3://bucket/a.png", "gone/a.png", "", "/a\0b", "/a\0b/c.png"):
        assert real.of(place) == place


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders a/b and c/d, with links from each into the other, and one to nothing."""
    top = tmp_path_factory.mktemp("linked").resolve()
    for folder, other in (("a", "c"), ("c", "a")):
        below = top / folder / {"a": "b", "c": "d"}[folder]
        below.mkdir(parents=True)
        (below / "link").symlink_to(top / other)
        (top / folder / "lost").symlink_to(top / "nothing")
    (top / "link").symlink_to(top / "a" / "b")
    return top


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "d", "link", "lost", "..", ".", ""]), max_size=8))
def test_a_path_without_detours_leads_to_the_same_folder(linked: Path, parts: list[str]) -> None:
    given = f"{linked}/" + "/".join(parts)
    settled = without_detours(given)
    assert settled.is_absolute() and not {"..", "."} & set(settled.parts)
    assert without_detours(settled) == settled
    assert not os.path.exists(given) or os.path.samefile(given, settled)  # noqa: PTH110, PTH121


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("c/../a", "a"),
        ("./a//b/.", "a/b"),
        ("link", "link"),
        ("c/../link/x", "link/x"),
        ("link/..", "a"),
        ("link/../b/link/d", "a/b/link/d"),
        ("gone/../a", "a"),
        ("a/lost/../a", "a"),
        ("a\0b/../a", "a"),
        ("../" * 99, "/"),
    ],
)
def test_links_stay_but_for_those_that_a_detour_leads_out_of(
    linked: Path, path: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(linked)
    assert without_detours(path) == without_detours(f"/{linked}/{path}") == linked / expected


@pytest.mark.parametrize("kind", ["coco", "flickr8k", "folder", "scraped"])
def test_sources_note_places_without_detours(kind: str, tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "set" / "images" / "000000000009.jpg")
    (tmp_path / "other").mkdir()
    way = tmp_path / "other" / ".." / "set"
    source: Source
    if kind == "coco":
        source = CocoSource(write_coco(way / "captions.json"), way / "images")
    elif kind == "flickr8k":
        (tmp_path / "set" / "captions.txt").write_text(f"image,caption\n{photo.name},A dog.\n")
        source = Flickr8kSource(way)
    elif kind == "scraped":
        write_scraped(tmp_path / "set")
        source = ScrapedSource(way)
    else:
        source = FolderSource(way)
    found = [*source.captions(), *source.photos()]
    places = {one.image for one in found if isinstance(one, CaptionRecord)} - {""}
    assert places and all(place.startswith(f"{tmp_path}/set/images/") for place in places)


@pytest.mark.parametrize(
    ("named", "stored"),
    [
        ("{top}/c/../a/1.jpg", "{top}/a/1.jpg"),
        ("{top}/./a//1.jpg", "{top}/a/1.jpg"),
        ("{top}/link/../1.jpg", "{top}/a/1.jpg"),
        ("{top}/link/1.jpg", "{top}/link/1.jpg"),
        ("a/../1.jpg", "a/../1.jpg"),  # of a folder that nobody knows
        ("s3://bucket/a/../1.jpg", "s3://bucket/a/../1.jpg"),
        ("https://a.example//../1.jpg", "https://a.example//../1.jpg"),
        ("", ""),
        ("/a\0b/../1.jpg", "/1.jpg"),
    ],
)
def test_json_lines_tell_of_absolute_paths_without_detours(
    named: str, stored: str, linked: Path, tmp_path: Path
) -> None:
    line = {"image_id": "1", "caption": "A dog.", "image": named.format(top=linked)}
    source = JsonlSource(write_jsonl(tmp_path / "captions.jsonl", line))
    assert list(source.captions()) == [CaptionRecord("1", "A dog.", stored.format(top=linked))]


def test_a_file_is_known_by_the_spellings_of_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is stored now, resolved, and as earlier versions stored it: as it was typed."""
    photo = write_noise(tmp_path / "disk" / "a.png", 1)
    (tmp_path / "link").symlink_to(photo.parent)
    typed = f"{tmp_path}/disk/../link/a.png"
    assert stored_forms(typed) == (f"{tmp_path}/link/a.png", typed, os.path.realpath(photo))
    assert stored_forms(photo) == (str(photo),)
    monkeypatch.chdir(photo.parent)
    for place in stored_forms(typed):
        index = DraftingIndex([CaptionRecord("a.png", "A dog.", place)])
        for path in (typed, "../link/a.png"):
            assert id_of_file(index, path) == "a.png"
