"""The real way to the web: straight to each site, and without what a site would know us again by."""

from __future__ import annotations

import pytest

from tests.indexer.scrape.conftest import Scraping, resolve
from tests.indexer.scrape.pictures import jpeg
from tests.indexer.scrape.site import Site

pytestmark = pytest.mark.usefixtures("kept_examiners")


def test_a_proxy_of_the_environment_is_never_asked(
    site: Site, scraping: Scraping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would resolve the names itself, so that the guard against private addresses saw none of them."""
    with Site() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url(""))
        monkeypatch.setenv("no_proxy", "")
        scraping([site.photo("/x.jpg", jpeg(1))])
        assert proxy.asked == []
    assert scraping.outcome(site.url("/x.jpg")) == ("downloaded", "")


def test_a_cookie_is_not_sent_back(site: Site, scraping: Scraping, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, {"site.example": ["127.0.0.1"]})  # a client keeps no cookies of bare addresses
    for number in range(2):
        site.photo(f"/{number}.jpg", jpeg(number), Set_Cookie="who=you; Path=/")
    scraping([f"http://site.example:{site.port}/{number}.jpg" for number in range(2)], concurrency=1)
    assert sorted(site.paths()) == ["/0.jpg", "/1.jpg"]
    assert not any("cookie" in request.headers for request in site.asked)
