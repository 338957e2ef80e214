"""A scraped folder into an index in one go: what comes, and what leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from indexer.build import Captioning
from indexer.index import open_index
from indexer.records import CaptionRecord
from indexer.scrape.data_set import scraped_photos
from indexer.scrape.indexing import index_scraped
from indexer.scrape.items import Item
from tests.indexer.fakes import ColourCaptioner
from tests.indexer.scrape.conftest import Scraping
from tests.indexer.scrape.pictures import jpeg
from tests.indexer.scrape.saying import Saying
from tests.indexer.scrape.site import Site

pytestmark = pytest.mark.usefixtures("kept_examiners")


def _index(folder: Path, where: Path | str) -> int:
    """How many photos were captioned."""
    report = index_scraped(folder, str(where), Captioning(ColourCaptioner))
    assert report.whole
    with open_index(str(where)) as index:
        assert report.status.captions == index.status().captions
    return report.captioned


def _held(where: Path, *image_ids: str) -> set[str]:
    with open_index(str(where)) as index:
        return set(index.captions(image_ids))


def test_what_is_new_comes_and_nothing_is_captioned_twice(
    site: Site, scraping: Scraping, tmp_path: Path
) -> None:
    scraping([site.photo("/1.jpg", jpeg(1))])
    assert _index(scraping.folder, tmp_path / "index") == 1
    scraping([site.photo("/2.jpg", jpeg(2)), site.url("/missing.jpg")])
    assert _index(scraping.folder, tmp_path / "index") == 1
    assert _index(scraping.folder, tmp_path / "index") == 0


def test_photos_that_a_refresh_replaced_leave(site: Site, scraping: Scraping, tmp_path: Path) -> None:
    where = tmp_path / "index"
    url = site.photo("/x.jpg", jpeg(1))
    scraping([url, site.photo("/other.jpg", jpeg(3))])
    _index(scraping.folder, where)
    before = {photo.image_id for photo in scraped_photos(scraping.folder)}
    site.photo("/x.jpg", jpeg(2))
    scraping([], refresh=True)
    after = {photo.image_id for photo in scraped_photos(scraping.folder)}
    assert _index(scraping.folder, where) == 1
    assert _held(where, *before, *after) == after
    site.photo("/x.jpg", jpeg(1))
    scraping([], refresh=True)
    _index(scraping.folder, where)
    assert _held(where, *before, *after) == before


def test_a_replaced_photo_of_another_folder_stays(site: Site, scraping: Scraping, tmp_path: Path) -> None:
    where = tmp_path / "index"
    scraping([site.photo("/x.jpg", jpeg(1))])
    (photo,) = scraped_photos(scraping.folder)
    with open_index(str(where), create=True) as index:
        index.add([CaptionRecord(photo.image_id, "a dog", image="/elsewhere/x.jpg", source="scraped")])
    site.photo("/x.jpg", jpeg(2))
    scraping([], refresh=True)
    _index(scraping.folder, where)
    assert _held(where, photo.image_id) == {photo.image_id}


def test_what_people_wrote_of_a_replaced_photo_stays(site: Site, scraping: Scraping, tmp_path: Path) -> None:
    where = tmp_path / "index"
    scraping([site.photo("/x.jpg", jpeg(1))])
    _index(scraping.folder, where)
    (photo,) = scraped_photos(scraping.folder)
    written = [
        replace(photo, kind="reference", caption="people wrote this"),
        replace(photo, source="list", caption="another list says this"),
    ]
    with open_index(str(where)) as index:
        index.add(written)
    site.photo("/x.jpg", jpeg(2))
    scraping([], refresh=True)
    _index(scraping.folder, where)
    with open_index(str(where)) as index:
        left = index.captions([photo.image_id])[photo.image_id]
    assert {one.record.caption for one in left} == {one.caption for one in written}


def _say(url: str, title: str, licence: str) -> Saying:
    return Saying("openverse", (Item(url, title=title, creator="Ann", license=licence),))


def test_what_is_said_of_a_picture_now_takes_the_place_of_what_was(
    site: Site, scraping: Scraping, fresh_where: str
) -> None:
    """Of the titles, and of captions that are not written anew."""
    url = site.photo("/x.jpg", jpeg(1))
    scraping(["cats"], _say(url, "A cat", "CC BY"))
    _index(scraping.folder, fresh_where)
    (photo,) = scraped_photos(scraping.folder)
    with open_index(fresh_where) as index:
        index.add([replace(photo, kind="reference", caption="people wrote this")])
    scraping(["cats"], _say(url, "A dog", "CC0"), refresh=True)
    for _ in range(2):
        assert _index(scraping.folder, fresh_where) == 0
        with open_index(fresh_where) as index:
            held = [one.record for one in index.captions([photo.image_id])[photo.image_id]]
        assert {(one.kind, one.license) for one in held} == {
            ("generated", "CC0"),
            ("title", "CC0"),
            ("reference", "CC BY"),
        }
        assert {one.caption for one in held if one.kind == "title"} == {"A dog"}


@pytest.mark.parametrize("how", ["spelled", "moved", "moved, and its replaced file deleted"])
def test_a_replaced_photo_leaves_whatever_the_folder_was_called(
    how: str, site: Site, scraping: Scraping, tmp_path: Path
) -> None:
    where, folder = tmp_path / "index", scraping.folder
    url = site.photo("/x.jpg", jpeg(1))
    scraping([url])
    (before,) = scraped_photos(folder)
    (tmp_path / "below").mkdir()
    _index(tmp_path / "below" / ".." / folder.name if how == "spelled" else folder, where)
    site.photo("/x.jpg", jpeg(2))
    scraping([], refresh=True)
    if how != "spelled":
        folder = folder.rename(tmp_path / "elsewhere")
    if "deleted" in how:
        (folder / Path(before.image).relative_to(scraping.folder)).unlink()
    _index(folder, where)
    (after,) = scraped_photos(folder)
    assert _held(where, before.image_id, after.image_id) == {after.image_id}


def test_a_path_with_detours_is_stored_without_them(site: Site, scraping: Scraping, tmp_path: Path) -> None:
    where = tmp_path / "index"
    scraping([site.photo("/x.jpg", jpeg(1))])
    (tmp_path / "below").mkdir()
    _index(tmp_path / "below" / ".." / scraping.folder.name, where)
    (photo,) = scraped_photos(scraping.folder)
    with open_index(str(where)) as index:
        (held,) = index.captions([photo.image_id])[photo.image_id]
    assert held.record.image == str(Path(photo.image).resolve())
