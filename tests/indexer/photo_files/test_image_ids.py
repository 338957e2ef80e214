"""Which photo an image id belongs to; `tests.indexer.photo_files.test_places` asks it by whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.photo_files.image_ids import IdsOfRun, LookedUp, is_other, other_owner
from indexer.photo_files.stored_paths import RealPaths
from indexer.records import CaptionRecord, Document
from tests.indexer.files import write_photo

MODEL, OTHER = "colour@1", "other@1"


def photo(place: str | Path, source: str = "folder", image_id: str = "a.jpg") -> CaptionRecord:
    return CaptionRecord(image_id, "", str(place), source)


def generated(place: str | Path, model: str) -> Document:
    record = CaptionRecord("a.jpg", "Sea.", str(place), "folder", "generated", model)
    return Document(record, frozenset({"sea"}))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write_photo(tmp_path / "own" / "a.jpg")


@pytest.fixture
def places(tmp_path: Path, own: Path) -> dict[str, str]:
    link = tmp_path / "link.jpg"
    link.symlink_to(own)
    return {
        "own": str(own),
        "link": str(link),
        "other": str(write_photo(tmp_path / "other" / "a.jpg")),
        "gone": str(tmp_path / "gone" / "a.jpg"),
        "address": "s3://bucket/a.jpg",
        "relative": "a.jpg",
        "nowhere": "",
    }


@pytest.mark.parametrize(
    ("held", "owner"),
    [
        ([], None),
        ([("own", MODEL)], None),
        ([("link", MODEL)], None),
        # Captions by the same model hold the id, whether or not their file is there.
        ([("other", MODEL)], "other"),
        ([("gone", MODEL)], "gone"),
        ([("address", MODEL)], "address"),
        ([("relative", MODEL)], "relative"),
        ([("gone", MODEL), ("own", MODEL)], None),
        ([("nowhere", MODEL)], None),
        # Those of other models only while it is.
        ([("other", OTHER)], "other"),
        ([("own", OTHER)], None),
        ([("gone", OTHER), ("address", OTHER), ("relative", OTHER)], None),
        ([("gone", OTHER), ("other", OTHER)], "other"),
        ([("other", OTHER), ("own", MODEL)], None),
        ([("other", OTHER), ("gone", MODEL)], "gone"),
    ],
)
def test_the_captions_of_an_index_tell_whose_an_id_is(
    held: list[tuple[str, str]], owner: str | None, own: Path, places: dict[str, str]
) -> None:
    documents = [generated(places[name], model) for name, model in held]
    assert other_owner(photo(own), documents, MODEL) == (owner and places[owner])
    assert other_owner(photo(own, "scraped"), documents, MODEL) is None


def test_another_photo_is_one_that_is_there(own: Path, places: dict[str, str]) -> None:
    assert [name for name, place in places.items() if is_other(photo(own), place)] == ["other"]
    assert not any(is_other(photo(own, "scraped"), place) for place in places.values())


def test_a_photo_is_looked_for_on_the_disk_once(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, of = list[str](), RealPaths.of

    def noted(self: RealPaths, place: str) -> str:
        asked.append(place)
        return of(self, place)

    monkeypatch.setattr(RealPaths, "of", noted)
    ids = IdsOfRun()
    assert not ids.has(photo(own))
    ids.add(photo(own))
    assert asked == [str(own)]


def test_within_a_run_who_comes_first_has_the_id(own: Path, places: dict[str, str]) -> None:
    ids = IdsOfRun()
    assert not ids.has(photo(own)) and ids.owner(LookedUp(photo(own))) is None
    assert ids.owner(LookedUp(photo(own), "in the index")) == "in the index"
    ids.add(photo(own))
    assert ids.has(photo(own)) and ids.has(photo(places["link"]))
    assert ids.has(photo(places["link"], image_id="another id"))
    assert not ids.has(photo(places["link"], "coco", "another id"))  # its captions have that id, too
    assert not ids.has(photo(places["other"]))
    assert ids.owner(LookedUp(photo(places["other"]), "in the index")) == str(own)
    assert ids.has(photo(places["other"], "scraped"))  # the same id is the same content
