"""Pictures, thumbnails, and where the pictures of images are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from captioner.errors import PhotoError
from captioner.tokens import DEFAULT
from indexer.records import CaptionRecord, Document
from search.web.pictures import SIZES, Picture, Pictures
from search.web.presentation import Presentation
from search.web.seen_images import SeenImages
from tests.indexer.memory import MemoryIndex


def test_thumbnails_are_small_kept_and_bounded(pictures: Path, records: object) -> None:
    shelf = Pictures([pictures])
    picture = Picture.at(pictures / "rocket.jpg")
    made = [shelf.thumbnail(picture, size) for size in SIZES[:3]]
    assert made == sorted(made, key=len)
    assert shelf.thumbnail(picture, SIZES[0]) is made[0]
    with pytest.raises(FileNotFoundError):
        Pictures([pictures / "gone"])


def test_thumbnails_that_are_kept_fill_no_memory(
    pictures: Path, records: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was shown last stays."""
    shelf, picture = Pictures([pictures]), Picture.at(pictures / "rocket.jpg")
    sizes = [len(shelf.thumbnail(picture, size)) for size in SIZES[:2]]
    monkeypatch.setattr("search.web.pictures._CACHE_BYTES", sum(sizes))
    shelf = Pictures([pictures])
    small, middle = (shelf.thumbnail(picture, size) for size in SIZES[:2])
    assert shelf.thumbnail(picture, SIZES[0]) is small
    other = next(path for path in sorted(pictures.iterdir()) if path.name != "rocket.jpg")
    shelf.thumbnail(Picture.at(other), SIZES[0])
    assert shelf.thumbnail(picture, SIZES[0]) is small
    assert shelf.thumbnail(picture, SIZES[1]) is not middle


def test_a_thumbnail_of_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("no")
    with pytest.raises(PhotoError):
        Pictures([tmp_path]).thumbnail(Picture.at(tmp_path / "x.jpg"), 160)


def test_an_image_tells_the_type_of_its_picture_here(tmp_path: Path) -> None:
    """By what is in the file, whatever its name says."""
    Image.new("RGB", (8, 8)).save(tmp_path / "phone.jpg", "HEIF")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    index = MemoryIndex(
        CaptionRecord(name, "a dog", image=f"{name}.jpg") for name in ("phone", "broken", "away")
    )
    shown = Presentation(Pictures([tmp_path]), SeenImages(index.captions))
    kinds = {
        name: shown.image(documents, frozenset(), DEFAULT)["media_type"]
        for name, documents in index.captions(["phone", "broken", "away"]).items()
    }
    assert kinds == {"phone": "image/heif", "broken": None, "away": None}


def test_seen_images_are_forgotten_in_turn() -> None:
    seen = SeenImages(MemoryIndex().captions, size=2)
    for name in "abc":
        seen.places([CaptionRecord(name, "a dog", image=name.upper())])
    assert [seen.place(name) for name in "abc"] == [None, "B", "C"]


def test_an_image_that_is_seen_again_is_remembered_longer() -> None:
    seen = SeenImages(MemoryIndex().captions, size=2)
    for name in "abac":
        seen.places([CaptionRecord(name, "a dog", image=name.upper())])
    assert [seen.place(name) for name in "abc"] == ["A", None, "C"]


def test_where_a_picture_is_is_asked_anew_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.web.seen_images.REMEMBER_SECONDS", -1)
    seen = SeenImages(MemoryIndex([CaptionRecord("x", "a dog", image="new.jpg")]).captions)
    seen.places([CaptionRecord("x", "a dog", image="old.jpg")])
    assert seen.places([CaptionRecord("x", "a cat")]) == {"x": "new.jpg"}


def test_a_picture_looked_up_is_remembered() -> None:
    asked: list[list[str]] = []
    index = MemoryIndex([CaptionRecord("x", "a dog", image="x.jpg"), CaptionRecord("none", "a cat")])

    def captions(image_ids: Iterable[str]) -> Mapping[str, Sequence[Document]]:
        asked.append([*image_ids])
        return index.captions(asked[-1])

    seen = SeenImages(captions)
    for _ in range(2):
        found = seen.places([CaptionRecord("x", "a dog"), CaptionRecord("none", "a cat")])
        assert found == {"x": "x.jpg", "none": ""}
    assert asked == [["x", "none"]]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("", "here.jpg"))), max_size=8))
def test_a_picture_is_found_by_any_caption_of_its_image(captions: list[tuple[str, str]]) -> None:
    records = [CaptionRecord(name, f"dog {at}", image=place) for at, (name, place) in enumerate(captions)]
    seen = SeenImages(MemoryIndex(records).captions)
    wanted = {name: "here.jpg" if (name, "here.jpg") in captions else "" for name, _ in captions}
    for record in records:
        assert seen.places([record]) == {record.image_id: wanted[record.image_id]}
    assert seen.look_up([*"abcd"]) == wanted
