"""What was refused for a run's options is asked for again by one whose options permit it."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from captioner.formats import FORMATS
from indexer.scrape.items import Item
from indexer.scrape.manifest import NAME, ManifestWriter
from indexer.scrape.providers import provider
from indexer.scrape.reopening import permitted_now
from indexer.scrape.report import why_no_photo
from indexer.scrape.transport import Limits
from tests.indexer.scrape.apis import Apis, Picture
from tests.indexer.scrape.conftest import SETTINGS, Scraping
from tests.indexer.scrape.pictures import jpeg
from tests.indexer.scrape.site import Answer, Site

pytestmark = pytest.mark.usefixtures("kept_examiners")

ALLOWED = SETTINGS.allowed_networks


def test_a_private_address_that_is_allowed_now(site: Site, scraping: Scraping) -> None:
    url = site.photo("/x.jpg", jpeg(1))
    scraping([url], allowed_networks=())
    assert scraping.outcome(url) == ("skipped", "private-address")
    before = (scraping.folder / NAME).read_bytes()
    scraping([url], allowed_networks=(ip_network("10.0.0.0/8"),))
    assert (scraping.folder / NAME).read_bytes() == before
    scraping([url])
    assert scraping.outcome(url) == ("downloaded", "")


def test_a_picture_that_is_small_enough_now(site: Site, scraping: Scraping) -> None:
    url, size = site.photo("/x.jpg", jpeg(1)), len(jpeg(1))
    for limit in (size - 2, size - 2, size - 1, size):
        scraping([url], limits=Limits(bytes=limit))
        assert scraping.outcome(url)[1] == ("" if limit == size else "too-large")
    assert site.paths() == ["/x.jpg"] * 3


def test_a_format_that_is_read_now(site: Site, scraping: Scraping) -> None:
    """As an earlier run noted it that knew fewer formats."""
    urls = [site.photo(f"/{name}.jpg", jpeg(number)) for number, name in enumerate(("unknown", "damaged"))]
    unknown = Item(urls[0], status="failed", reason="unknown-format", formats="PNG GIF")
    damaged = Item(urls[1], status="failed", reason="not-a-photo")
    with ManifestWriter(scraping.folder) as writer:
        writer.append(unknown, damaged)
    scraping([])
    assert [scraping.outcome(url)[0] for url in urls] == ["downloaded", "failed"]
    site.pages["/no.jpg"] = Answer(b"<html>", "image/jpeg")
    for _ in range(2):
        scraping([site.url("/no.jpg")])
    assert scraping.outcome(site.url("/no.jpg")) == ("failed", "unknown-format")
    assert site.paths() == ["/unknown.jpg", "/no.jpg"]


def test_what_more_formats_did_not_hold_fewer_do_not_either() -> None:
    refused = Item("http://a.example/", reason="unknown-format", formats=" ".join(("JPEG XL", *FORMATS)))
    assert not permitted_now(refused, Limits(), ALLOWED)


@pytest.mark.parametrize("reason", ["private-address", "too-large", "unknown-format", "not-a-photo"])
def test_a_refresh_asks_for_all_that_options_refused(reason: str, site: Site, scraping: Scraping) -> None:
    url = site.photo("/x.jpg", jpeg(1))
    refused = Item(url, status="skipped", reason=reason, bytes=10**9, formats=" ".join(FORMATS))
    assert not permitted_now(refused, SETTINGS.limits, ())
    with ManifestWriter(scraping.folder) as writer:
        writer.append(refused)
    scraping([], refresh=True)
    assert scraping.outcome(url) == ("downloaded", "")


def test_other_refusals_stay() -> None:
    for reason in ("not-found", "robots", "too-small", "content-type"):
        assert not permitted_now(Item("http://a.example/", reason=reason), Limits(), ALLOWED)


def test_what_was_answered_and_is_not_asked_again_is_nothing_new(site: Site, scraping: Scraping) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = [Picture(site.url("/missing.jpg"), "A cat")]
    reports = [scraping(["cats"], provider("openverse", apis.environment())) for _ in range(2)]
    assert [why_no_photo(report) for report in reports] == ["not-found", "nothing new was found"]
