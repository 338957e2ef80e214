"""A picture that the page cannot show: it says why, and of a file which one."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from indexer.records import CaptionRecord
from search.web.app import create_app
from search.web.settings import Settings
from tests.indexer.memory import MemoryIndex
from tests.search.web.browser import Visit
from tests.search.web.conftest import PLAIN, Visitor, listening
from tests.search.web.fakes import FakeCaptioner

pytestmark = pytest.mark.browser

SIZES = ("desktop", "phone")

NAME = "a long name of a holiday photo 2018-08-14.jpg"


def in_tile_and_detail(visitor: Visit, image_id: str, words: str) -> None:
    visitor.open("/?q=a dog")
    visitor.settled()
    told = visitor.page.locator(f'.card[data-id="{image_id}"] .stand-in')
    expect(told).to_have_text(words)
    visitor.page.locator(f'.card[data-id="{image_id}"] a').click()
    expect(visitor.page.locator("dialog .detail-picture")).to_have_text(words)


def test_a_file_that_has_gone_since_is_called_gone(at: Visitor, tmp_path: Path) -> None:
    records = [CaptionRecord(name, f"a dog {name}", image=str(tmp_path / name)) for name in ("x.jpg", NAME)]
    for record in records:
        Image.new("RGB", (40, 30), "orange").save(record.image)
    app = create_app(MemoryIndex(records, PLAIN), FakeCaptioner, Settings(images=(tmp_path,)))
    with listening(app) as url, at(url) as visitor:
        visitor.open("/?q=a dog")
        expect(visitor.page.locator(".card img")).to_have_count(2)
        visitor.expected = {404}  # its picture may still be on the way
        Path(records[1].image).unlink()
        in_tile_and_detail(visitor, NAME, f"The file is gone{NAME}")
        assert visitor.barriers() == []
        visitor.picture(f"gone-detail-{visitor.size}")
        visitor.page.keyboard.press("Escape")
        visitor.page.locator("dialog[open]").wait_for(state="detached")
        assert visitor.barriers() == []
        visitor.picture(f"gone-{visitor.size}")
        visitor.open(f"/?like={NAME}")
        expect(visitor.page.locator("#query-picture")).to_have_text(f"The file is gone{NAME}")
        visitor.open()
        expect(visitor.page.locator(f'.card[data-id="{NAME}"] .stand-in')).to_contain_text("The file is gone")


def test_gone_is_said_of_no_other_file(at: Visitor, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    places = {
        "elsewhere": "C:\\photos\\elsewhere.jpg",
        "broken": str(tmp_path / "broken.jpg"),
        "none": "",
        "web": "https://pictures.example/dog.jpg",
    }
    told = {
        "elsewhere": "Not in this server’s folderselsewhere.jpg",
        "broken": "This picture cannot be shownbroken.jpg",
        "none": "“",
        "web": "“",
    }
    records = [CaptionRecord(name, "a dog", image=place) for name, place in places.items()]
    app = create_app(MemoryIndex(records, PLAIN), FakeCaptioner, Settings(images=(tmp_path,)))
    with listening(app) as url, at(url) as visitor:
        visitor.expected = {422}
        for name, words in told.items():
            in_tile_and_detail(visitor, name, words)
