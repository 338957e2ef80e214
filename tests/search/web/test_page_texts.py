"""Texts from outside on the page: each in its own direction, and none that turns a line around."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from indexer.records import CaptionRecord
from search.web.app import create_app
from tests.indexer.memory import MemoryIndex
from tests.search.web.conftest import PLAIN, Visitor, listening
from tests.search.web.fakes import FakeCaptioner

pytestmark = pytest.mark.browser

HEBREW = "הכלב (שחור) רץ על החוף, dog!"


def test_text_reads_in_its_own_direction(at: Visitor) -> None:
    index = MemoryIndex([CaptionRecord("x", HEBREW, creator="מישהו!")], PLAIN)
    turned = "all => all.map(it => getComputedStyle(it).direction)"
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        page = visitor.page
        visitor.open(f"/?q={HEBREW}&also=a dog&also=כלב&photo=1")
        visitor.settled()
        page.fill("#q", HEBREW)
        for part, least in {
            "#q, #query-caption, #query-also li:nth-child(2), .card .caption, .card .by": 5,
            ".chip:has-text('שחור'), .card .asked bdi": 2,
        }.items():
            assert page.locator(part).evaluate_all(turned) == ["rtl"] * least
        page.locator(".card a").click()
        page.locator("dialog .reason").wait_for()
        rtl = "#detail-caption, dialog .all-captions .caption, dialog .origin dd:has-text('מישהו')"
        assert page.locator(rtl).evaluate_all(turned) == ["rtl"] * 3
        assert set(page.locator("dialog .word.both bdi").evaluate_all(turned)) == {"ltr", "rtl"}
        assert visitor.barriers() == []


def test_nothing_in_a_text_turns_a_line_around(at: Visitor) -> None:
    """As on the command line: a mark in a caption, and in an id what it is."""
    index = MemoryIndex([CaptionRecord("\u202eevil\n", "a \u202edog bidi", model="m\u2066odel")], PLAIN)
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.open("/?q=a bidi \u202edog&also=a \u202ecat&photo=1")
        visitor.settled()
        expect(visitor.page.locator(".card .caption")).to_have_text("a \ufffddog bidi")
        expect(visitor.page.locator("#query-caption")).to_have_text("a bidi \ufffddog")
        expect(visitor.page.locator("#query-also li")).to_have_text("a \ufffdcat")
        visitor.page.locator(".card a").click()
        expect(visitor.page.locator("#detail-caption")).to_have_text("a \ufffddog bidi")
        assert "bidi" in visitor.page.locator("#detail-caption mark").all_text_contents()
        expect(visitor.page.locator("dialog .all-captions .by")).to_have_text("m\ufffdodel")
        assert r"\u202eevil\x0a" in visitor.page.locator("dialog .origin dd").all_text_contents()


def test_what_is_read_beside_the_page_does_not_turn_around_either(at: Visitor) -> None:
    """The tab, what is told of a word that is pointed at, and a note."""
    index = MemoryIndex([CaptionRecord("x", "a dog")], PLAIN)
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.open("/?q=a dog \u202ebidi&drop=c\u2066at")
        visitor.settled()
        assert visitor.page.title() == "a dog \ufffdbidi · Caption Search"
        expect(visitor.page.locator('.chip[aria-pressed="false"]')).to_have_attribute(
            "title", "Search with “c\ufffdat” again"
        )
        visitor.page.fill(".adder input", "the \u202e a")
        visitor.page.press(".adder input", "Enter")
        for place in "#note", "#said":
            expect(visitor.page.locator(place)).to_have_text("“the \ufffd a” adds no word to the search")
