"""The link to a search, where the clipboard is to be had and where not."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.search.web.browser import Visit

pytestmark = pytest.mark.browser


def test_a_copied_link_is_told(visitor: Visit) -> None:
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.open("/?q=a white rocket")
    visitor.settled()
    visitor.page.get_by_role("button", name="Copy link").click()
    note = visitor.page.locator("#note")
    expect(note).to_have_text("The link is copied")
    expect(note).to_be_in_viewport()
    expect(visitor.page.locator("#said")).to_have_text("The link is copied")
    assert visitor.barriers() == []
    note.wait_for(state="hidden")


def test_without_a_clipboard_the_link_can_be_taken_by_hand(visitor: Visit) -> None:
    """Pages that came over plain http have none."""
    visitor.page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    visitor.open("/?q=a white rocket")
    visitor.settled()
    visitor.page.get_by_role("button", name="Copy link").click()
    field = visitor.page.get_by_label("Copy this link")
    expect(field).to_be_focused()
    expect(field).to_be_in_viewport()
    assert visitor.page.evaluate("getSelection().toString()") == field.input_value() == visitor.page.url
    assert visitor.barriers() == []
    field.press("Escape")
    assert visitor.page.locator("#note").is_hidden()
    expect(visitor.page.get_by_role("button", name="Copy link")).to_be_focused()
