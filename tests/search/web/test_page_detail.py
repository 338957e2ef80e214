"""A picture opened on the page: what heads it, and how it is left again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from captioner.tokens import DEFAULT
from indexer.records import CaptionRecord
from search.web.app import create_app
from search.web.settings import Settings
from tests.indexer.memory import MemoryIndex
from tests.search.web.browser import Held, Visit, visit
from tests.search.web.conftest import PLAIN, Visitor, listening
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.gallery import crowd

pytestmark = pytest.mark.browser

SIZES = ("desktop", "phone")

CAT = "an orange cat looks at the camera"
LONG = "a dog runs over the wide green grass of the park behind a ball that a man throws"


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


@pytest.mark.parametrize(("width", "height"), [(1366, 650), (800, 360), (640, 430)])
def test_an_opened_picture_is_seen_whatever_stands_beside_it(
    browser: Browser, pictures: Path, records: list[CaptionRecord], width: int, height: int
) -> None:
    """Its captions may be longer than the window; and where there is no picture the way out is seen, too."""
    places = {"rocket": str(pictures / "rocket.jpg"), "none": ""}
    index = MemoryIndex(
        (
            CaptionRecord(name, f"{LONG} {number}", image=place)
            for name, place in places.items()
            for number in range(6)
        ),
        PLAIN,
    )
    app = create_app(index, FakeCaptioner, Settings(images=(pictures,)))
    viewport = {"width": width, "height": height}
    with listening(app) as url, visit(browser, url, "desktop", viewport=viewport) as visitor:
        for name, seen in ("rocket", "img"), ("none", ".stand-in span"):
            visitor.open(f"/?q=a dog&show={name}")
            picture = visitor.page.locator(f".detail-picture {seen}")
            expect(picture).to_be_in_viewport(ratio=0.99)
            expect(visitor.page.get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
            if width > 640:  # beside the captions it stays while they are read
                visitor.page.locator("#detail").evaluate("it => it.scrollTo(0, it.scrollHeight)")
                expect(picture).to_be_in_viewport(ratio=0.99)


def test_an_image_id_has_all_its_blanks(at: Visitor) -> None:
    """It is copied from here to ask by it."""
    index = MemoryIndex([CaptionRecord("two  blanks.jpg", "a dog")], PLAIN)
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.open("/?q=a dog&show=two  blanks.jpg")
        visitor.has("dialog .origin dd", "blanks.jpg")
        assert "two  blanks.jpg" in visitor.page.locator("dialog .origin dd").all_inner_texts()


def test_a_picture_beyond_the_first_page_keeps_its_reasons(at: Visitor) -> None:
    """Its address is opened without the answer's page that it is on."""
    records = [CaptionRecord(f"{number}.jpg", "a dog runs on the beach") for number in range(30)]
    records += [
        CaptionRecord("far.jpg", "a dog and a cat and a beach", kind="generated"),
        CaptionRecord("far.jpg", "a dog asleep on a chair", kind="reference"),
        *(CaptionRecord(f"seal-{number}.jpg", "a brown seal swims") for number in range(30)),
    ]
    index = MemoryIndex(records, PLAIN)
    reasons = {
        "q=a dog runs on the beach": ["0.50 2 shared words", "2 of 4", "beach dog", "runs", "cat"],
        "q=a dog runs on the beach&kind=reference": [
            "0.20 1 shared word",
            "1 of 5",
            "dog",
            "runs beach",
            "asleep chair",
        ],
        "q=a brown seal swims&also=a cat on a beach": [
            "0.67 2 shared words",
            "2 of 3",
            "beach cat",
            "",
            "dog",
        ],
    }
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        for search, (sum_of_it, reckoned, *words) in reasons.items():
            visitor.open(f"/?{search}&show=far.jpg")
            reason = visitor.page.locator("dialog .reason")
            expect(reason.locator("p").first).to_have_text(sum_of_it)
            expect(reason.locator(".share")).to_have_attribute("title", reckoned)
            for kind, expected in zip((".both", ".yours", ".its"), words, strict=True):
                found = reason.locator(kind).all_text_contents()
                assert sorted(found) == sorted(expected.split()), search
            assert ("found by" in reason.inner_text()) == ("also" in search)
            heading = visitor.page.locator("#detail-caption mark").all_text_contents()
            assert sorted(heading) == sorted(words[0].split())
        visitor.open("/?like=far.jpg&show=far.jpg")
        visitor.page.locator("dialog .all-captions").wait_for()
        assert visitor.page.locator("dialog .reason").count() == 0


def test_reasons_are_words_of_the_captions_where_there_are_any(at: Visitor) -> None:
    """A stem that one caption only implies is called as the other one says it."""
    records = [
        CaptionRecord("rider", "a man rides a motorcycle"),
        CaptionRecord("herd", "a zebra standing on the grass"),
        CaptionRecord("herd", "a zebra stands on the grass of a wide plain"),
    ]
    named = {
        "motorbike": ("rider", ["motorcycle"]),
        "zebra grass": ("herd", ["field", "grass", "standing", "zebra"]),
        "zebras": ("herd", ["standing", "zebras"]),
    }
    with listening(create_app(MemoryIndex(records, DEFAULT), FakeCaptioner)) as url, at(url) as visitor:
        for sentence, (image, words) in named.items():
            visitor.open(f"/?q={sentence}&show={image}")
            visitor.page.locator("dialog .reason").wait_for()
            shared = visitor.page.locator("dialog .word.both").evaluate_all(
                "all => all.map(it => it.firstChild.textContent)"
            )
            assert sorted(shared) == words


def test_what_nobody_said_is_told_as_implied_and_what_no_caption_has_as_such(at: Visitor) -> None:
    records = [CaptionRecord("puppy", "a puppy near a lamp"), CaptionRecord("tree", "a tree")]
    with listening(create_app(MemoryIndex(records, DEFAULT), FakeCaptioner)) as url, at(url) as visitor:
        visitor.open("/?q=bedrooms and dgos by a lamp&drop=room")
        visitor.settled()
        visitor.has("#unknown", "No caption has: bedrooms, dgos")
        chips = [" ".join(text.split()) for text in visitor.page.locator("#chips .chip").all_text_contents()]
        assert chips == ["bedrooms", "dgos", "lamp", "bed implied", "room implied"]
        assert visitor.barriers() == []
        visitor.picture(f"implied-{visitor.size}")
        visitor.page.locator(".card a").click()
        words = visitor.page.locator("dialog .word")
        words.first.wait_for()
        told = {" ".join(text.split()) for text in words.all_text_contents()}
        assert {"puppy ×2", "dog implied by puppy", "bed implied by bedrooms"} <= told
        assert visitor.barriers() == []
        visitor.picture(f"implied-detail-{visitor.size}")
        visitor.open("/?q=a lamp&not=Teletubbies")
        visitor.has("#unknown", "No caption has: teletubbies")
        visitor.open("/?q=a see-through lamp")
        visitor.has("#unknown", "No caption has: see-through (perhaps see through)")
        visitor.open("/?q=a lamp")
        visitor.settled()
        assert not visitor.page.locator("#unknown").is_visible()


@pytest.mark.parametrize(
    ("sentence", "caption", "told", "words"),
    [
        ("a man holds a frisbee", "a man throws a frisbee", "2 shared words", ["frisbee", "man"]),
        ("a dog and a lamp", "a lamp", "1 shared word", ["lamp"]),
        # What its caption only implies comes last, whoever says it.
        (
            "bedrooms and a lamp by a dog",
            "a puppy near a bedroom and a lamp",
            "2 shared words and 3 implied",
            ["bedrooms", "lamp", "bed implied by bedroom", "dog implied by puppy", "room implied by bedroom"],
        ),
        ("a dog", "a puppy", "1 implied word", ["dog implied by puppy"]),
        ("a puppy", "a dog", "1 shared word", ["dog"]),
        ("a constructor", "a constructor", "1 shared word", ["constructor"]),  # objects have one of that name
    ],
)
def test_a_card_and_its_picture_in_full_count_alike(
    at: Visitor, sentence: str, caption: str, told: str, words: list[str]
) -> None:
    index = MemoryIndex([CaptionRecord("x", caption)], DEFAULT)
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.open(f"/?q={sentence}")
        visitor.settled()
        share = visitor.page.locator(".card .share")
        expect(share).to_have_text(told)
        reckoned = share.get_attribute("title")
        assert reckoned
        visitor.page.locator(".card a").click()
        expect(visitor.page.locator("dialog .reason .share")).to_have_text(told)
        expect(visitor.page.locator("dialog .reason .share")).to_have_attribute("title", reckoned)
        shared = visitor.page.locator("dialog .word.both").evaluate_all(
            "all => all.map(it => it.textContent.replace(/ ×\\d/, ''))"
        )
        assert shared == words
        assert visitor.barriers() == []


def test_the_focus_goes_back_to_what_was_opened(visitor: Visit) -> None:
    focused = "document.activeElement.closest('.card')?.dataset.id"
    visitor.open("/?like=skimage/chelsea.jpg")
    visitor.settled()
    opened(visitor, 0)
    visitor.page.keyboard.press("ArrowRight")
    visitor.page.wait_for_function(
        "id => location.search.includes(encodeURIComponent(id))", arg=visitor.cards()[1]
    )
    visitor.page.wait_for_function("id => detail.dataset.shows === id", arg=visitor.cards()[1])
    visitor.page.keyboard.press("Escape")
    left(visitor)
    visitor.page.wait_for_function(f"id => {focused} === id", arg=visitor.cards()[1])
    asked = visitor.page.get_by_role("link", name="Open the picture asked about")
    asked.click()
    visitor.page.locator("dialog[open]").wait_for()
    visitor.page.keyboard.press("Escape")
    left(visitor)
    visitor.page.wait_for_timeout(100)
    expect(asked).to_be_focused()


def opened(visitor: Visit, number: int) -> None:
    visitor.page.locator(".card a").nth(number).click()
    visitor.page.locator("dialog[open]").wait_for()


def left(visitor: Visit) -> None:
    visitor.page.locator("dialog[open]").wait_for(state="detached")
    visitor.page.wait_for_function("!location.search.includes('show=')")


def pressed_beside(page: Page) -> None:
    for event in "pointerdown", "click":
        page.dispatch_event("#detail", event)


WAYS_OUT = {
    "key": lambda page: page.keyboard.press("Escape"),
    "button": lambda page: page.get_by_role("button", name="Close").click(),
    "backdrop": pressed_beside,
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


def test_selecting_a_text_to_beyond_the_picture_leaves_it_open(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    opened(visitor, 0)
    caption = visitor.page.locator("#detail-caption")
    caption.dispatch_event("pointerdown")
    visitor.page.dispatch_event("#detail", "click")  # which browsers tell of both places' common box
    expect(caption).to_be_focused()
    assert "show=" in visitor.page.url and visitor.page.locator("dialog[open]").count() == 1


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


def test_next_leads_through_all_pages_and_ends_at_the_last(at: Visitor) -> None:
    with listening(create_app(MemoryIndex(crowd(26)), FakeCaptioner)) as url, at(url) as visitor:
        visitor.loads_pages_only_when_told()
        visitor.open("/?q=a penguin walks over the ice")
        visitor.settled()
        step = {
            way: visitor.page.get_by_role("button", name=f"{way} picture") for way in ("Previous", "Next")
        }
        opened(visitor, 0)
        expect(step["Previous"]).to_be_disabled()
        assert visitor.barriers() == []
        visitor.page.keyboard.press("Escape")
        left(visitor)
        opened(visitor, 23)
        last = visitor.cards()[-1]
        visitor.page.keyboard.press("ArrowRight")
        visitor.page.wait_for_function("before => detail.dataset.shows !== before", arg=last)
        assert visitor.page.evaluate("detail.dataset.shows") == visitor.cards()[24]
        step["Next"].click()
        visitor.page.wait_for_function("shown => detail.dataset.shows === shown", arg=visitor.cards()[25])
        expect(step["Next"]).to_be_disabled()
        expect(step["Previous"]).to_be_enabled()


def test_a_next_page_that_fails_is_told_in_front_of_the_picture(at: Visitor) -> None:
    with listening(create_app(MemoryIndex(crowd(26)), FakeCaptioner)) as url, at(url) as visitor:
        visitor.expected = {503}
        visitor.page.route("**/text?*after=*", lambda route: route.fulfill(status=503))
        visitor.open("/?q=a penguin walks over the ice")
        visitor.settled()
        opened(visitor, 23)
        visitor.page.keyboard.press("ArrowRight")
        visitor.has("#trouble", "The server answered 503")
        assert visitor.page.locator("dialog[open]").count() == 0
        visitor.page.unroute("**/text?*after=*")
        visitor.page.locator("#trouble").get_by_role("button", name="Try again").click()
        visitor.page.locator("dialog[open]").wait_for()
        assert visitor.page.evaluate("detail.dataset.shows") == visitor.cards()[24]


def test_a_picture_on_its_way_is_seen_to_be_and_can_be_given_up(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    held = Held(visitor, "**/images/*?q=*")
    card = visitor.page.locator(".card a").first
    card.click()
    held.wait()
    expect(card).to_have_attribute("aria-busy", "true")
    assert float(card.evaluate("card => getComputedStyle(card).opacity")) < 1
    with visitor.page.expect_event("requestfailed"):
        visitor.page.keyboard.press("Escape")
    left(visitor)
    expect(card).not_to_have_attribute("aria-busy", "true")
    expect(card).to_be_focused()
    visitor.page.unroute("**/images/*?q=*")
    opened(visitor, 0)
    expect(card).not_to_have_attribute("aria-busy", "true")
