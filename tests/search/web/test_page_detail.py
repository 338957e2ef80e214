"""A picture opened on the page: what heads it, and how it is left again."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from indexer.records import CaptionRecord
from search.web.app import create_app
from tests.search.memory import MemoryIndex
from tests.search.web.browser import Visit
from tests.search.web.conftest import PLAIN, Visitor, listening
from tests.search.web.fakes import FakeCaptioner

pytestmark = pytest.mark.browser

CAT = "an orange cat looks at the camera"


def test_a_hit_is_headed_by_the_caption_that_its_reasons_are_of(at: Visitor) -> None:
    """A filter may have kept the image's best caption from answering."""
    records = [
        CaptionRecord("A.jpg", "a dog runs on the beach with a red ball", kind="reference"),
        CaptionRecord("A.jpg", "a man in a blue shirt", kind="generated"),
    ]
    index = MemoryIndex(records, PLAIN)
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.open("/?q=a man and a dog on the beach&kind=generated")
        visitor.settled()
        visitor.page.locator(".card a").click()
        visitor.has("dialog .word.its", "shirt")
        heading = visitor.page.locator("dialog #detail-caption")
        expect(heading).to_have_text("a man in a blue shirt")
        assert heading.locator("mark").all_text_contents() == ["man"]
        assert visitor.page.locator("dialog .all-captions .caption").all_text_contents() == [
            record.caption for record in records
        ]


def opened(visitor: Visit, number: int) -> None:
    visitor.page.locator(".card a").nth(number).click()
    visitor.page.locator("dialog[open]").wait_for()


def left(visitor: Visit) -> None:
    visitor.page.locator("dialog[open]").wait_for(state="detached")
    visitor.page.wait_for_function("!location.search.includes('show=')")


WAYS_OUT = {
    "key": lambda page: page.keyboard.press("Escape"),
    "button": lambda page: page.get_by_role("button", name="Close").click(),
    "backdrop": lambda page: page.locator("#detail").dispatch_event("click"),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_a_picture_that_was_closed_is_no_step_back(visitor: Visit, way: str) -> None:
    visitor.open()
    visitor.settled()
    visitor.page.fill("#q", CAT)
    visitor.page.press("#q", "Enter")
    visitor.has(".certificate", "Exact: the true top 4")
    steps: Any = visitor.page.evaluate("history.length")
    for number in range(2):
        opened(visitor, number)
        visitor.page.keyboard.press("ArrowRight")
        WAYS_OUT[way](visitor.page)
        left(visitor)
    assert visitor.page.evaluate("history.length") == steps + 1, "forward opens the last one again"
    visitor.page.go_back()
    visitor.has("#results-title", "Or begin with one of these")
    assert visitor.page.locator("dialog[open]").count() == 0


def test_a_picture_that_was_opened_by_its_address_is_left_on_the_spot(visitor: Visit) -> None:
    visitor.open()
    visitor.settled()
    visitor.open(f"/?q={CAT}&show=skimage/chelsea.jpg")
    visitor.page.locator("dialog[open]").wait_for()
    steps: Any = visitor.page.evaluate("history.length")
    visitor.page.keyboard.press("Escape")
    left(visitor)
    assert visitor.page.evaluate("history.length") == steps
    assert "q=an+orange+cat" in visitor.page.url
    visitor.page.go_back()
    visitor.has("#results-title", "Or begin with one of these")


def test_a_dragged_card_is_a_link_and_no_file_for_the_page(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    pictures = visitor.page.locator(".card img")
    assert pictures.evaluate_all("all => all.map(one => one.draggable)") == [False] * pictures.count()
