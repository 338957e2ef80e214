"""What the page says of a sentence's words, and the presses that say it better."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Route, expect

from captioner.tokens import DEFAULT
from indexer.records import CaptionRecord
from search.web.app import create_app
from tests.indexer.memory import MemoryIndex
from tests.search.web.browser import Visit
from tests.search.web.conftest import Visitor, listening
from tests.search.web.fakes import FakeCaptioner

pytestmark = pytest.mark.browser

CAPTIONS = ["A dog on the beach", "a dog on a sofa", "a T-shirt on a line", "a see through curtain"]


@pytest.fixture
def page(at: Visitor) -> Iterator[Visit]:
    records = [CaptionRecord(f"{number}.jpg", caption) for number, caption in enumerate(CAPTIONS)]
    with listening(create_app(MemoryIndex(records, DEFAULT), FakeCaptioner)) as url, at(url) as visitor:
        yield visitor


def said(visitor: Visit) -> Locator:
    return visitor.page.locator("#unknown")


def press(visitor: Visit, name: str) -> None:
    said(visitor).get_by_role("button", name=name, exact=True).click()


def test_a_press_on_what_was_meant_searches_for_it(page: Visit) -> None:
    page.open("/?q=A Dgo on the baech&min=0.1")
    expect(said(page)).to_have_text("No caption has: baech (perhaps beach), dgo (perhaps dog)")
    assert page.barriers() == []
    page.picture(f"misspelt-{page.size}")
    press(page, "dog")
    page.settled()
    expect(said(page)).to_have_text("No caption has: baech (perhaps beach)")
    expect(page.page.locator("#q")).to_have_value("A dog on the baech")
    press(page, "beach")
    expect(said(page)).to_be_empty()
    assert page.cards()[0] == "0.jpg"
    assert "min=0.1" in page.page.url
    page.page.go_back()
    expect(said(page)).to_have_text("No caption has: baech (perhaps beach)")


@pytest.mark.parametrize(
    ("address", "told", "pressed", "then"),
    [
        ("q=see-through", "see-through (perhaps see through)", "see through", "q=see+through"),
        ("q=a t-shrit", "t-shrit (perhaps t-shirt or t shrit)", "t-shirt", "q=a+t-shirt"),
        ("q=a dog&add=soffa", "soffa (perhaps sofa)", "sofa", "q=a+dog&add=sofa"),
        ("q=a dog&not=Beech", "beech (perhaps beach)", "beach", "q=a+dog&not=beach"),
        ("q=a dog&without=beech", "beech (perhaps beach)", "beach", "q=a+dog&without=beach"),
        ("like=1.jpg&add=baech", "baech (perhaps beach)", "beach", "like=1.jpg&add=beach"),
    ],
)
def test_a_word_is_put_where_the_other_was_written(
    page: Visit, address: str, told: str, pressed: str, then: str
) -> None:
    page.open(f"/?{address}")
    expect(said(page)).to_have_text(f"No caption has: {told}")
    press(page, pressed)
    page.page.wait_for_url(f"**/?{then}")
    expect(said(page)).to_be_empty()


@pytest.mark.parametrize("compound", ["baech-dgo", "soffa-baech", "soffa/baech", "baech'n"])
def test_a_word_of_its_own_is_put_otherwise_and_not_a_part_of_another(page: Visit, compound: str) -> None:
    page.open(f"/?q={compound} baech")
    press(page, "beach")
    expect(page.page.locator("#q")).to_have_value(f"{compound} beach")


@pytest.mark.parametrize("word", ["constructor", "__proto__", "toString"])
@pytest.mark.parametrize("sentence", ["", "a dog ", "a dgo "])
def test_words_that_objects_inherit_are_words(page: Visit, word: str, sentence: str) -> None:
    page.open(f"/?q={sentence}{word}")
    expect(said(page)).to_contain_text(re.compile(rf"No caption has: .*{word}", re.IGNORECASE))
    expect(page.page.locator("#results-title")).to_have_text(re.compile("No picture found|Most alike first"))
    assert page.page.locator("#trouble").is_hidden()
    expect(page.page.get_by_role("button", name=word.lower(), exact=True)).to_be_visible()


def test_nor_are_they_named_otherwise_beside_a_caption_that_is_gone(at: Visitor) -> None:
    records = [CaptionRecord("1.jpg", "a constructor with a dog")]
    with listening(create_app(MemoryIndex(records, DEFAULT), FakeCaptioner)) as url, at(url) as visitor:

        def another_caption(route: Route) -> None:
            image = route.fetch().json()
            image["captions"][0]["caption"] = "another"
            route.fulfill(json=image)

        visitor.page.route("**/images/*?q=*", another_caption)
        visitor.open("/?q=a constructor")
        visitor.settled()
        visitor.page.locator(".card a").click()
        shared = visitor.page.locator("dialog .word.both")
        expect(shared).to_have_text(["constructor ×2"])
        assert shared.locator("small").count() == 1


def test_nor_are_they_counted_before_the_server_is_known(page: Visit) -> None:
    page.page.route("**/status?*", lambda route: None)
    page.open("/?q=a dog&source=constructor")
    page.page.locator("#filters summary").click()
    expect(page.page.get_by_label("constructor")).to_be_checked()
    assert page.page.locator("#sheet .of").count() == 0


def test_of_a_photo_s_caption_nothing_can_be_put_otherwise(page: Visit) -> None:
    page.open("/?q=a dgo, not on a beach&photo=1")
    expect(said(page)).to_have_text("No caption has: dgo (perhaps dog)")
    assert said(page).get_by_role("button").count() == 0


def test_a_negation_is_told_to_mean_nothing_and_how_to_say_it(page: Visit) -> None:
    page.open("/?q=a dog, not on the Beach")
    told = "“No”, “not” and “without” mean nothing in a search. A hyphen keeps a word away: -beach"
    expect(said(page)).to_have_text(told)
    page.settled()
    assert page.cards()[0] == "0.jpg"
    assert page.barriers() == []
    page.picture(f"negated-{page.size}")
    press(page, "-beach")
    expect(said(page)).to_be_empty()
    page.settled()
    assert page.cards() == ["1.jpg"]
    expect(page.page.locator("#without .chip")).to_have_text("without beach")
    expect(page.page.locator("#chips [aria-pressed=false]")).to_have_text("beach")


def test_a_denied_word_is_kept_away_once_however_often_that_is_pressed(page: Visit) -> None:
    page.open("/?q=a dog, not on the beach")
    said(page).get_by_role("button", name="-beach").dblclick()
    expect(page.page.locator("#without .chip")).to_have_text("without beach")
    assert page.page.url.endswith("&not=beach&drop=beach")
    expect(page.page.locator("#q")).to_have_value("a dog, not on the beach -beach")


def test_an_image_s_own_caption_may_deny_what_it_likes(at: Visitor) -> None:
    records = [CaptionRecord("1", "a man with no hat"), CaptionRecord("2", "a man")]
    with listening(create_app(MemoryIndex(records, DEFAULT), FakeCaptioner)) as url, at(url) as visitor:
        visitor.open("/?like=1")
        visitor.settled()
        assert not said(visitor).is_visible()
