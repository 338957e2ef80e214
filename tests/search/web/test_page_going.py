"""From one search to the next: what is pressed counts, and a visitor begins where the answers do."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Route, expect

from search.web.app import create_app
from tests.indexer.memory import MemoryIndex
from tests.search.web.browser import Held, Visit
from tests.search.web.conftest import Visitor, listening
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.gallery import crowd

pytestmark = pytest.mark.browser

CAT = "an orange cat looks at the camera"


def test_quick_presses_all_count(visitor: Visit) -> None:
    """Each comes before the answer to the one before: only the last is answered."""
    visitor.open(f"/?q={CAT}")
    visitor.settled()

    def answer(route: Route) -> None:
        if "add=ball" in route.request.url:
            route.continue_()

    visitor.page.route("**/text?**", answer)
    chips = visitor.page.locator(".chip")
    for number in range(2):
        chips.nth(number).click()
        expect(chips.nth(number)).to_have_attribute("aria-pressed", "false")
    for word in ("snow", "ball"):
        visitor.page.fill(".adder input", word)
        visitor.page.press(".adder input", "Enter")
    assert "drop=orang&drop=cat&add=snow&add=ball" in visitor.page.url
    visitor.page.get_by_role("button", name="ball", exact=True).wait_for()
    expect(visitor.page.locator('.chip[aria-pressed="false"]')).to_have_count(2)


def scrolled(visitor: Visit) -> None:
    """The answers of a crowd, to the end of them."""
    visitor.open("/?q=a penguin walks over the ice")
    visitor.settled()
    visitor.scroll_to(60)
    assert visitor.page.evaluate("scrollY") > 0


def is_at_the_top(visitor: Visit) -> None:
    expect(visitor.page.locator("#results-title")).to_be_focused()
    assert visitor.page.evaluate("scrollY") == 0


def test_a_new_subject_begins_at_the_top(at: Visitor, photos: Path) -> None:
    captioner = FakeCaptioner("a penguin", gate=threading.Event())
    with listening(create_app(MemoryIndex(crowd(60)), lambda: captioner)) as url, at(url) as visitor:
        scrolled(visitor)
        visitor.page.locator(".card a").nth(40).click()
        visitor.page.get_by_role("link", name="Similar to this").click()
        visitor.has("#query-label", "Pictures like this one")
        visitor.settled()
        is_at_the_top(visitor)
        assert len(visitor.cards()) < 60
        scrolled(visitor)
        visitor.page.set_input_files("#choose", photos / "rocket.jpg")
        visitor.has("#working-text", "Writing a caption…")
        expect(visitor.page.locator("#working")).to_be_in_viewport()
        assert captioner.gate is not None
        captioner.gate.set()
        visitor.has("#query-caption", "a penguin")
        is_at_the_top(visitor)
        visitor.page.click("#clear")
        visitor.has("#results-title", "Or begin with one of these")
        is_at_the_top(visitor)


LATE = """
    const add = HTMLDialogElement.prototype.addEventListener
    HTMLDialogElement.prototype.addEventListener = function (type, act) {
        add.call(this, type, type === "close" ? (event) => setTimeout(act, 500, event) : act)
    }"""


def test_news_of_a_closed_picture_that_come_late_take_no_focus(visitor: Visit) -> None:
    """The picture asked about is opened by a link, too, which is there by then."""
    visitor.page.add_init_script(LATE)
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    visitor.page.locator(".card a").first.click()
    visitor.page.get_by_role("link", name="Similar to this").click()
    visitor.page.locator("#query-picture a").wait_for()
    visitor.page.wait_for_timeout(600)
    is_at_the_top(visitor)


def test_moving_the_slider_is_one_step(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    steps: Any = visitor.page.evaluate("history.length")
    for _ in range(4):
        visitor.page.press("#min", "ArrowRight")
    visitor.has("#count", "2 pictures")
    assert visitor.page.evaluate("history.length") == steps + 1
    visitor.page.locator(".chip").first.click()
    visitor.page.press("#min", "ArrowLeft")
    assert visitor.page.evaluate("history.length") == steps + 3
    for least in ("0.20", "0.20", "0.00"):
        visitor.page.go_back()
        visitor.has("#min-shown", least)
    visitor.has("#count", "4 pictures")


def test_two_photos_of_one_caption_are_two_steps(visitor: Visit, photos: Path, tmp_path: Path) -> None:
    for name in ("red", "blue"):
        Image.new("RGB", (40, 30), name).save(tmp_path / f"{name}.png")
    visitor.open()
    visitor.settled()
    picture = visitor.page.locator("#query-picture img")
    shown: list[Any] = []
    for name in ("red", "blue"):
        visitor.page.set_input_files("#choose", tmp_path / f"{name}.png")
        visitor.has(".certificate", "Exact: the true top")
        shown.append(picture.get_attribute("src"))
        visitor.page.locator(".chip").first.click()
        visitor.page.locator('.chip[aria-pressed="false"]').wait_for()
        expect(picture).to_have_attribute("src", shown[-1])
    for _ in range(2):
        visitor.page.go_back()
    expect(picture).to_have_attribute("src", shown[0])
    visitor.page.go_forward()
    expect(picture).to_have_attribute("src", shown[1])
    visitor.page.reload()
    visitor.settled()
    assert visitor.page.locator("#query-picture").is_hidden()


def test_words_being_written_stay_when_others_are_shown(visitor: Visit) -> None:
    visitor.open()
    visitor.settled()
    visitor.page.fill("#q", "two cats on")
    visitor.page.get_by_role("button", name="Others").click()
    visitor.settled()
    assert visitor.page.input_value("#q") == "two cats on"
    visitor.page.press("#q", "Enter")
    visitor.has(".certificate", "Exact: the true top")
    visitor.page.click("#clear")
    assert visitor.page.input_value("#q") == ""


@pytest.mark.parametrize("way", ["#home", "#clear", "back"])
def test_the_start_waits_for_no_answer_that_was_left_before_it_came(visitor: Visit, way: str) -> None:
    visitor.open()
    visitor.settled()
    held = Held(visitor, "**/text?**")
    visitor.page.fill("#q", "a cat")
    visitor.page.press("#q", "Enter")
    held.wait()
    expect(visitor.page.locator("#grid")).to_have_attribute("aria-busy", "true")
    if way == "back":
        visitor.page.go_back()
    else:
        visitor.page.click(way)
    visitor.has("#results-title", "Or begin with one of these")
    visitor.page.locator(".card:not(.ghost)").first.wait_for()
    expect(visitor.page.locator("#grid")).not_to_have_attribute("aria-busy", "true")
    assert visitor.barriers() == []


def captioning(visitor: Visit, photo: Path) -> None:
    visitor.page.set_input_files("#choose", photo)
    visitor.has("#working-text", "Writing a caption…")


def test_a_photo_under_way_is_given_up_by_back(at: Visitor, photos: Path) -> None:
    captioner = FakeCaptioner("a penguin", gate=threading.Event())
    with listening(create_app(MemoryIndex(crowd(30)), lambda: captioner)) as url, at(url) as visitor:
        visitor.open()
        visitor.settled()
        visitor.page.fill("#q", "ice")
        visitor.page.press("#q", "Enter")
        visitor.has(".certificate", "Exact: the true top")
        steps: Any = visitor.page.evaluate("history.length")
        captioning(visitor, photos / "rocket.jpg")
        visitor.page.go_back()
        visitor.has(".certificate", "Exact: the true top")
        expect(visitor.page.locator("#working")).to_be_hidden()
        assert visitor.page.url.endswith("/?q=ice")
        captioning(visitor, photos / "rocket.jpg")
        captioning(visitor, photos / "chelsea.png")
        assert captioner.gate is not None
        captioner.gate.set()
        visitor.has("#query-caption", "a penguin")
        assert visitor.page.evaluate("history.length") == steps + 1
        visitor.page.go_back()
        visitor.has("#query-label", "Your words")
        visitor.page.go_back()
        visitor.has("#results-title", "Or begin with one of these")


def test_what_is_asked_in_place_of_a_photo_takes_its_step(at: Visitor, photos: Path) -> None:
    captioner = FakeCaptioner("a penguin", gate=threading.Event())
    with listening(create_app(MemoryIndex(crowd(30)), lambda: captioner)) as url, at(url) as visitor:
        visitor.open("/?q=ice")
        visitor.settled()
        captioning(visitor, photos / "rocket.jpg")
        visitor.page.fill("#q", "a penguin walks")
        visitor.page.press("#q", "Enter")
        visitor.has(".chip", "walks")
        assert captioner.gate is not None
        captioner.gate.set()
        visitor.page.go_back()
        visitor.has(".chip", "ice")
        assert visitor.page.url.endswith("/?q=ice")


def test_a_photo_that_fails_is_no_step(visitor: Visit, tmp_path: Path) -> None:
    """Nor is the picture that was open when it was given."""
    visitor.open()
    visitor.settled()
    visitor.page.fill("#q", CAT)
    visitor.page.press("#q", "Enter")
    visitor.has(".certificate", "Exact: the true top")
    visitor.page.locator(".card a").first.click()
    visitor.page.locator("dialog[open]").wait_for()
    visitor.give_no_photo(tmp_path)
    assert visitor.page.locator("dialog[open]").count() == 0 and "show=" not in visitor.page.url
    visitor.page.go_back()
    visitor.has("#results-title", "Or begin with one of these")


def test_skipping_to_the_pictures_leads_nowhere_else(visitor: Visit, photos: Path) -> None:
    visitor.open()
    visitor.settled()
    visitor.page.set_input_files("#choose", photos / "chelsea.png")
    visitor.has(".certificate", "Exact: the true top")
    before = visitor.page.evaluate("[location.href, history.length]")
    visitor.page.locator(".skip").press("Enter")
    expect(visitor.page.locator("#results")).to_be_focused()
    assert visitor.page.evaluate("[location.href, history.length]") == before
    assert visitor.page.locator("#query-picture img").count() == 1
