"""Pictures that their owner keeps out of a scraped folder, and of the index."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from indexer.build import Captioning
from indexer.errors import SourceError
from indexer.index import open_index
from indexer.scrape.data_set import scraped_photos
from indexer.scrape.excluded import NAME, read_excluded
from indexer.scrape.indexing import index_scraped
from indexer.scrape.items import Item
from tests.indexer.fakes import ColourCaptioner
from tests.indexer.scrape.conftest import Scraping
from tests.indexer.scrape.pictures import jpeg
from tests.indexer.scrape.site import Site

pytestmark = pytest.mark.usefixtures("kept_examiners")

KINDS = ("url", "sha256", "image id")


def _named(kind: str, url: str, body: bytes) -> str:
    sha256 = hashlib.sha256(body).hexdigest()
    return {"url": f"{url}#fragment", "sha256": sha256.upper(), "image id": f"scraped/{sha256[:32]}"}[kind]


def _exclude(folder: Path, *lines: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_text("\n".join(["# asked for by its creator", "", *lines, ""]), "utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_is_excluded_leaves_and_does_not_come_back(
    kind: str, site: Site, scraping: Scraping, tmp_path: Path
) -> None:
    where, url = tmp_path / "index", site.photo("/x.jpg", jpeg(1))
    urls = [url, site.photo("/other.jpg", jpeg(2))]
    scraping(urls)
    copy = site.photo("/copy.jpg", jpeg(1))
    scraping([copy])
    index_scraped(scraping.folder, str(where), Captioning(ColourCaptioner))
    photos = {Path(one.image).read_bytes(): one for one in scraped_photos(scraping.folder)}
    _exclude(scraping.folder, _named(kind, url, jpeg(1)))
    Path(photos[jpeg(1)].image).unlink()
    site.asked.clear()
    for refresh in (False, True):
        scraping([*urls, copy], refresh=refresh)
        assert index_scraped(scraping.folder, str(where), Captioning(ColourCaptioner)).whole
        with open_index(str(where)) as index:
            assert index.captions(one.image_id for one in photos.values()).keys() == {
                photos[jpeg(2)].image_id
            }
    assert "/x.jpg" not in site.paths()
    (scraping.folder / NAME).unlink()
    scraping(urls)
    assert {Path(one.image).read_bytes() for one in scraped_photos(scraping.folder)} == {jpeg(1), jpeg(2)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_can_be_excluded_before_it_is_found(kind: str, site: Site, scraping: Scraping) -> None:
    url, other = site.photo("/x.jpg", jpeg(1)), site.photo("/other.jpg", jpeg(2))
    _exclude(scraping.folder, _named(kind, url, jpeg(1)))
    for _ in range(2):
        scraping([url, other])
        assert [path.read_bytes() for path in scraping.files()] == [jpeg(2)]
    scraping([url, other], refresh=True)
    assert site.paths().count("/x.jpg") == (kind != "url")
    _exclude(scraping.folder)
    scraping([url])
    assert scraping.outcome(url) == ("downloaded", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_whose_photos_are_all_excluded_holds_none(kind: str, site: Site, scraping: Scraping) -> None:
    url = site.photo("/x.jpg", jpeg(1))
    assert scraping([url]).holds_photos
    _exclude(scraping.folder, _named(kind, url, jpeg(1)))
    assert not scraping([url]).holds_photos


def test_an_address_that_is_excluded_is_in_no_count(site: Site, scraping: Scraping) -> None:
    _exclude(scraping.folder, site.photo("/x.jpg", jpeg(1)))
    report = scraping([site.url("/x.jpg"), site.photo("/other.jpg", jpeg(2))])
    assert (report.found.total(), report.known) == (1, 0)


def test_a_line_that_names_nothing_is_told_with_its_number(tmp_path: Path) -> None:
    assert not read_excluded(tmp_path).names(Item("http://a.example/"))
    _exclude(tmp_path, "cats")
    with pytest.raises(SourceError, match=r"excluded\.txt:3: 'cats' is not a URL, a SHA-256 or an image id"):
        read_excluded(tmp_path)
