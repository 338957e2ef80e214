"""The page while captions come and go: nothing is said of an answer that the index no longer bears out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

import search.token_searcher
import search.web.service
from indexer.records import CaptionRecord, IndexStatus
from search.web.app import create_app
from tests.indexer.memory import MemoryIndex
from tests.search.web.browser import Held, Visit
from tests.search.web.conftest import Visitor, listening
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.gallery import Gallery, crowd

pytestmark = pytest.mark.browser

PENGUIN = "a penguin walks over the ice"


@pytest.fixture(autouse=True)
def counted_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server remembers for some time it asks anew."""
    monkeypatch.setattr(search.token_searcher, "COUNT_SECONDS", -1.0)
    monkeypatch.setattr(search.web.service, "STATUS_SECONDS", -1.0)


def scrolled(visitor: Visit) -> None:
    visitor.page.evaluate("scrollTo(0, document.body.scrollHeight)")


def ask(visitor: Visit, sentence: str) -> None:
    visitor.page.fill("#q", sentence)
    visitor.page.press("#q", "Enter")


def test_pages_of_a_changed_index_are_not_proven(at: Visitor) -> None:
    index = MemoryIndex(crowd(60))

    def grow(route: Route) -> None:
        index.add([CaptionRecord(f"new-{number}", PENGUIN) for number in range(3)])
        route.continue_()

    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.page.route("**/text?*after=*", grow)
        visitor.open(f"/?q={PENGUIN}")
        visitor.settled()
        scrolled(visitor)
        visitor.page.locator(".card:nth-child(25)").wait_for(state="attached")
        scrolled(visitor)
        visitor.page.locator(".card:nth-child(60)").wait_for(state="attached")
        certificate = visitor.page.locator(".certificate")
        expect(certificate).to_contain_text("The index has changed")
        expect(certificate).not_to_contain_text("top")
        expect(visitor.page.locator("#said")).to_have_text(
            re.compile("pictures shown. The index has changed")
        )
        expect(visitor.page.locator("#end")).to_have_text(
            "The index has changed meanwhile: there may be more."
        )
        assert visitor.barriers() == []
        with visitor.page.expect_download() as download:
            visitor.page.get_by_role("button", name="JSON").click()
        assert json.loads(Path(download.value.path()).read_text())["exact"] is False
        visitor.page.get_by_role("button", name="Search again").click()
        visitor.has(".certificate", "Exact: the true top 24 of 63 captions")
        assert {f"new-{number}" for number in range(3)} == set(visitor.cards()[:3])
        assert visitor.page.evaluate("scrollY") == 0


def test_a_picture_whose_caption_is_replaced_meanwhile_is_shown_once(at: Visitor) -> None:
    """As a changed photo's is: there are as many captions as before, and by its new one it comes again."""
    index = MemoryIndex(crowd(60))
    again = "crowd-0000"

    def replace_caption(route: Route) -> None:
        old = index.captions([again])[again]
        index.replace(old, [CaptionRecord(again, "A penguin beside many rocks", source="crowd")])
        route.continue_()

    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.page.route("**/text?*after=*", replace_caption, times=1)
        visitor.open(f"/?q={PENGUIN}")
        visitor.settled()
        visitor.page.wait_for_load_state("networkidle")
        assert again in visitor.cards()
        for count in 48, 60:
            scrolled(visitor)
            visitor.page.locator(f".card:nth-child({count})").wait_for(state="attached")
        expect(visitor.page.locator("#more")).to_be_hidden()
        assert sorted(visitor.cards()) == [f"crowd-{number:04}" for number in range(60)]
        expect(visitor.page.locator(".certificate")).to_contain_text("The index has changed")
        expect(visitor.page.locator("#said")).to_have_text(
            re.compile("^12 more, 60 pictures shown. The index has changed")
        )


def test_one_page_that_is_not_proven_leaves_none_proven(at: Visitor) -> None:
    """What it may have left out stands before the pages that come."""

    def unproven(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"exact": False})

    with listening(create_app(MemoryIndex(crowd(40)), FakeCaptioner)) as url, at(url) as visitor:
        visitor.page.route(lambda url: "/text?" in url and "after=" not in url, unproven)
        visitor.open(f"/?q={PENGUIN}")
        visitor.has(".certificate", "Not proven: the likely top 24 of 40 captions")
        scrolled(visitor)
        visitor.has(".certificate", "Not proven: the likely top 40 of 40 captions")


def test_what_the_server_holds_is_asked_again_when_an_answer_tells_of_more(at: Visitor) -> None:
    index = Gallery(crowd(3))
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        holdings = visitor.page.locator("#holdings")
        visitor.open(f"/?q={PENGUIN}")
        expect(holdings).to_have_text("3 pictures, 3 captions")
        index.add([CaptionRecord("new", PENGUIN, source="zoo")])
        ask(visitor, "penguins on ice")
        visitor.has(".certificate", "of 4 captions")
        visitor.page.locator("#f-source-zoo").wait_for(state="attached")
        expect(holdings).to_have_text("4 pictures, 4 captions")


@pytest.mark.parametrize("why", ["old", "failed"])
def test_a_status_that_is_not_to_be_relied_upon_is_asked_again(at: Visitor, why: str) -> None:
    """The number of captions may be the same in another index."""
    index = Gallery(crowd(3))
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.expected = {503}
        visitor.page.clock.install()
        visitor.open(f"/?q={PENGUIN}")
        visitor.page.locator("#f-source-crowd").wait_for(state="attached")
        index.documents.clear()
        index.add(CaptionRecord(str(number), PENGUIN, source="zoo") for number in range(3))
        if why == "old":
            visitor.page.clock.fast_forward(61_000)
        else:
            visitor.page.route("**/text?*", lambda route: route.fulfill(status=503), times=1)
            ask(visitor, "ice")
            visitor.has("#trouble", "The server answered 503")
        ask(visitor, "penguins on ice")
        visitor.page.locator("#f-source-zoo").wait_for(state="attached")


class Rebuilt(Gallery):
    """An index that can be built anew of as many captions."""

    built = "2026-01-01T00:00:00Z"

    def status(self) -> IndexStatus:
        return replace(super().status(), built_at=self.built)

    def build(self, source: str) -> None:
        before = [document.record for document in self.documents.values()]
        self.documents.clear()
        self.add(replace(one, image_id=f"{source}-{one.image_id}", source=source) for one in before)
        self.built = "2026-01-02T00:00:00Z"


COME_BACK = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.mark.parametrize("way", ["comes back", "goes on"])
def test_an_index_built_anew_of_as_many_captions_is_noticed(at: Visitor, way: str) -> None:
    index = Rebuilt(crowd(60))
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        certificate = visitor.page.locator(".certificate")
        visitor.page.clock.install()
        visitor.open(f"/?q={PENGUIN}")
        expect(visitor.page.locator("#holdings")).to_have_text("60 pictures, 60 captions")
        visitor.has(".certificate", "Exact: the true top 24 of 60 captions")
        index.build("zoo")
        visitor.page.clock.fast_forward(61_000)
        if way == "goes on":
            scrolled(visitor)
            visitor.page.locator(".card:nth-child(25)").wait_for(state="attached")
        else:
            visitor.page.evaluate(COME_BACK)
        expect(certificate).to_contain_text("The index has changed")
        expect(certificate).not_to_contain_text("top")
        expect(visitor.page.locator("#said")).to_have_text(
            re.compile("pictures shown. The index has changed")
        )
        visitor.page.locator("#f-source-zoo").wait_for(state="attached")
        visitor.page.get_by_role("button", name="Search again").click()
        visitor.has(".certificate", "Exact: the true top 24 of 60 captions")
        assert all(image_id.startswith("zoo-") for image_id in visitor.cards())


@pytest.fixture
def rebuilt() -> Rebuilt:
    return Rebuilt(crowd(60))


@pytest.fixture
def editing(at: Visitor, rebuilt: Rebuilt) -> Iterator[tuple[Visit, Held]]:
    """A visitor with a proven answer, and an edit of it that is under way."""
    with listening(create_app(rebuilt, FakeCaptioner)) as url, at(url) as visitor:
        visitor.page.clock.install()
        visitor.open(f"/?q={PENGUIN}")
        visitor.page.locator("#f-source-crowd").wait_for(state="attached")
        visitor.has(".certificate", "Exact: the true top 24 of 60 captions")
        visitor.page.wait_for_load_state("networkidle")
        held = Held(visitor, "**/text?**drop**")
        visitor.page.locator("#chips .chip").first.click()
        held.wait()
        yield visitor, held


def build_anew(index: Rebuilt, visitor: Visit) -> None:
    """So that the page hears of it."""
    index.build("zoo")
    visitor.page.clock.fast_forward(61_000)
    visitor.page.evaluate(COME_BACK)
    visitor.page.locator("#f-source-zoo").wait_for(state="attached")


@pytest.mark.parametrize("way", ["back", "fails"])
def test_an_answer_that_is_taken_again_may_be_of_an_index_that_is_no_more(
    rebuilt: Rebuilt, editing: tuple[Visit, Held], way: str
) -> None:
    visitor, held = editing
    build_anew(rebuilt, visitor)
    if way == "back":
        visitor.page.go_back()
    else:
        visitor.expected = {503}
        held.routes[0].fulfill(status=503, body="cut")
    visitor.settled()
    expect(visitor.page.locator(".certificate")).to_contain_text("The index has changed")
    visitor.page.get_by_role("button", name="Search again").click()
    visitor.has(".certificate", "Exact: the true top 24 of 60 captions")
    assert all(image_id.startswith("zoo-") for image_id in visitor.cards())


def test_an_answer_that_comes_late_may_be_of_an_index_that_is_no_more(
    rebuilt: Rebuilt, editing: tuple[Visit, Held]
) -> None:
    visitor, held = editing
    late = held.routes[0].fetch()
    build_anew(rebuilt, visitor)
    held.routes[0].fulfill(response=late)
    visitor.settled()
    assert visitor.cards()[0].startswith("crowd-")
    expect(visitor.page.locator(".certificate")).to_contain_text("The index has changed")


def analyze_otherwise(index: MemoryIndex) -> None:
    """As when it is built anew: cursors of before are of no use."""
    records = [document.record for document in index.documents.values()]
    index.documents.clear()
    index.analyzer = "english/2"
    index.add(records)


def delete_what_is_asked_about(index: MemoryIndex) -> None:
    index.delete(["crowd-0000"])


@pytest.mark.parametrize(
    ("address", "change"),
    [(f"/?q={PENGUIN}", analyze_otherwise), ("/?like=crowd-0000", delete_what_is_asked_about)],
    ids=["cursor", "image"],
)
def test_a_page_that_is_refused_where_the_first_was_not_tells_of_another_index(
    at: Visitor, address: str, change: Callable[[MemoryIndex], None]
) -> None:
    index = MemoryIndex(crowd(60))
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.expected = {400, 404}
        visitor.open(address)
        visitor.has(".certificate", "Exact: the true top 24 of 60 captions")
        visitor.page.wait_for_load_state("networkidle")
        change(index)
        scrolled(visitor)
        expect(visitor.page.locator(".certificate")).to_contain_text("The index has changed")
        expect(visitor.page.locator("#said")).to_have_text("24 pictures shown. The index has changed")
        assert len(visitor.cards()) == 24
        visitor.has("#end", "The index has changed meanwhile: there may be more.")
        for none in "#more", "#more-trouble", "#trouble":
            expect(visitor.page.locator(none)).to_be_hidden()
        with visitor.page.expect_download() as download:
            visitor.page.get_by_role("button", name="JSON").click()
        saved = json.loads(Path(download.value.path()).read_text())
        assert saved["exact"] is False and "cursor" not in saved


def test_next_picture_is_none_where_the_page_behind_is_refused(at: Visitor) -> None:
    index = MemoryIndex(crowd(60))
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.expected = {400}
        visitor.loads_pages_only_when_told()
        visitor.open(f"/?q={PENGUIN}")
        visitor.settled()
        visitor.page.locator(".card a").nth(23).click()
        visitor.page.locator("dialog[open]").wait_for()
        visitor.page.wait_for_load_state("networkidle")
        analyze_otherwise(index)
        following = visitor.page.get_by_role("button", name="Next picture")
        following.click()
        expect(following).to_be_disabled()
        assert visitor.page.evaluate("detail.dataset.shows") == visitor.cards()[23]
        visitor.page.keyboard.press("Escape")
        visitor.page.get_by_role("button", name="Search again").click()
        visitor.has(".certificate", "Exact: the true top 24 of 60 captions")


def test_what_is_asked_with_the_news_of_an_index_built_anew_is_proven(at: Visitor) -> None:
    index = Rebuilt(crowd(3))
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.page.clock.install()
        visitor.open(f"/?q={PENGUIN}")
        visitor.page.locator("#f-source-crowd").wait_for(state="attached")
        index.build("zoo")
        visitor.page.clock.fast_forward(61_000)
        ask(visitor, "ice")
        visitor.page.locator("#f-source-zoo").wait_for(state="attached")
        visitor.has(".certificate", "Exact: the true top 3 of 3 captions")
        index.add([CaptionRecord("new", PENGUIN)])
        index.built = "2026-01-03T00:00:00Z"
        ask(visitor, "a penguin")
        expect(visitor.page.locator("#holdings")).to_have_text("4 pictures, 4 captions")
        visitor.has(".certificate", "Exact: the true top 4 of 4 captions")


def test_the_start_shows_pictures_of_the_index_that_there_is(at: Visitor) -> None:
    index = Rebuilt(crowd(3))
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.page.clock.install()
        visitor.open()
        visitor.page.locator("#f-source-crowd").wait_for(state="attached")
        visitor.settled()
        index.build("zoo")
        visitor.page.evaluate(COME_BACK)
        visitor.page.clock.fast_forward(61_000)
        visitor.page.evaluate(COME_BACK)
        visitor.page.locator('.card[data-id^="zoo-"]').first.wait_for()
        assert all(image_id.startswith("zoo-") for image_id in visitor.cards())
