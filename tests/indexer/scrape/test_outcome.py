"""Photos that their addresses give no more: kept, and told of in the manifest and in the report."""

from __future__ import annotations

import pytest

from indexer.scrape.data_set import replaced_photos, scraped_photos
from indexer.scrape.manifest import NAME
from tests.indexer.scrape.conftest import Scraping
from tests.indexer.scrape.pictures import jpeg
from tests.indexer.scrape.site import Answer, Site

pytestmark = pytest.mark.usefixtures("kept_examiners")


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (Answer(status=404), "not-found", "HTTP 404"),
        (Answer(status=410), "not-found", "HTTP 410"),
        (Answer(status=451), "http-error", "HTTP 451"),
        (Answer(jpeg(1), "image/jpeg", headers={"X-Robots-Tag": "noai"}), "robots-tag", "noai"),
    ],
    ids=["missing", "gone", "forbidden by law", "noai"],
)
def test_a_photo_that_was_taken_down_is_kept_and_named(
    answer: Answer, reason: str, detail: str, site: Site, scraping: Scraping
) -> None:
    url = site.photo("/x.jpg", jpeg(1), ETag='"v1"')
    scraping([url])
    there = scraping.items()[url]
    site.pages["/x.jpg"] = answer
    scraping.clock.time += 60
    for _ in range(2):
        report = scraping([], refresh=True)
        assert f"  {url}: {reason} (" in report.text()
        told = scraping.items()[url]
        assert (told.status, told.reason, told.file) == ("downloaded", reason, there.file)
        assert detail in told.detail and told.at > there.at
        assert len([*scraped_photos(scraping.folder)]) == 1 and not [*replaced_photos(scraping.folder)]
    assert (scraping.folder / NAME).read_text("utf-8").count(f'"reason":"{reason}"') == 1  # the first time
    site.photo("/x.jpg", jpeg(1))
    report = scraping([], refresh=True)
    assert scraping.outcome(url) == ("downloaded", "")
    assert "no longer given" not in report.text()


def test_a_failure_that_may_pass_is_no_withdrawal(site: Site, scraping: Scraping) -> None:
    url = site.photo("/x.jpg", jpeg(1))
    scraping([url])
    site.pages["/x.jpg"] = Answer(status=500)
    report = scraping([], refresh=True)
    assert scraping.outcome(url) == ("downloaded", "")
    assert "no longer given" not in report.text()


def test_many_photos_that_were_taken_down_are_counted(site: Site, scraping: Scraping) -> None:
    urls = [site.photo(f"/{number}.jpg", jpeg(number)) for number in range(23)]
    scraping(urls)
    site.pages.clear()
    report = scraping([], refresh=True)
    assert sum(url in report.text() for url in urls) == 20
    assert "  and 3 more" in report.text()
