"""An address that leads nowhere, opened in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.records import CaptionRecord
from search.web.app import create_app
from search.web.settings import Settings
from tests.indexer.memory import MemoryIndex
from tests.search.web.browser import Visit
from tests.search.web.conftest import Visitor, listening
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.test_api import V1

pytestmark = pytest.mark.browser

SIZES = ("desktop", "phone")


def test_a_wrong_address_has_a_way_home(visitor: Visit) -> None:
    visitor.expected = {404}
    visitor.open("/nothing")
    visitor.has("h1", "There is nothing at this address")
    visitor.has(".lead", "mistyped")
    assert "Not Found" not in visitor.page.locator("body").inner_text()
    assert visitor.page.title() == "There is nothing at this address · Caption Search"
    assert visitor.barriers() == []
    visitor.picture(f"wrong-address-{visitor.size}")
    visitor.page.get_by_role("link", name="To the search").click()
    visitor.settled()
    assert visitor.page.url == f"{visitor.url}/"


def test_it_has_the_theme_that_was_chosen(at: Visitor, site: str) -> None:
    shade = "getComputedStyle(document.body).backgroundColor"
    with at(site, color_scheme="dark") as visitor:
        visitor.expected = {404}
        visitor.open("/nothing")
        dark = visitor.page.evaluate(shade)
        assert visitor.barriers() == []
        visitor.picture(f"wrong-address-dark-{visitor.size}")
        visitor.open()
        visitor.page.get_by_role("button", name="Switch between light and dark").click()
        visitor.open("/nothing")
        assert visitor.page.evaluate(shade) != dark


def test_a_picture_that_has_gone_is_told_where_it_would_open(at: Visitor, tmp_path: Path) -> None:
    index = MemoryIndex([CaptionRecord("x", "a dog", image=str(tmp_path / "x.jpg"))])
    app = create_app(index, FakeCaptioner, Settings(images=(tmp_path,)))
    with listening(app) as url, at(url) as visitor:
        visitor.expected = {404}
        visitor.open(f"{V1}/images/x/file")
        visitor.has("h1", "Not found")
        visitor.has(".lead", "This server has no picture of that image")
