"""Pictures, thumbnails, and where the pictures of images are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from captioner.errors import PhotoError
from captioner.tokens import DEFAULT
from indexer.records import CaptionRecord
from search.web.pictures import SIZES, Picture, Pictures
from search.web.presentation import Presentation
from search.web.seen_images import SeenImages
from tests.search.memory import MemoryIndex


def test_thumbnails_are_small_kept_and_bounded(pictures: Path, records: object) -> None:
    shelf = Pictures([pictures])
    picture = Picture.at(pictures / "rocket.jpg")
    made = [shelf.thumbnail(picture, size) for size in SIZES[:3]]
    assert made == sorted(made, key=len)
    assert shelf.thumbnail(picture, SIZES[0]) is made[0]
    with pytest.raises(FileNotFoundError):
        Pictures([pictures / "gone"])


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


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("", "here.jpg"))), max_size=8))
def test_a_picture_is_found_by_any_caption_of_its_image(captions: list[tuple[str, str]]) -> None:
    records = [CaptionRecord(name, f"dog {at}", image=place) for at, (name, place) in enumerate(captions)]
    seen = SeenImages(MemoryIndex(records).captions)
    wanted = {name: "here.jpg" if (name, "here.jpg") in captions else "" for name, _ in captions}
    for record in records:
        assert seen.places([record]) == {record.image_id: wanted[record.image_id]}
    assert seen.look_up([*"abcd"]) == wanted
