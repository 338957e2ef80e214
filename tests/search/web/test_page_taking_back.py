"""An edit that fails or is given up, and what is done meanwhile: nothing is lost and nothing wiped."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.search.web.browser import Held, Visit
from tests.search.web.test_page_failures import PIXEL, Line, seen

pytestmark = pytest.mark.browser

ROCKET = "/?q=a white rocket before the launch"

#: What a visitor does before the browser is back where it was sent.
CHIP = "document.querySelectorAll('#chips .chip')[1].click()"
SLIDER = "const slider = document.querySelector('#min'); slider.value = 0.1"
SLIDER += "; slider.dispatchEvent(new Event('change'))"
SENTENCE = "document.querySelector('#q').value = 'a cat'; document.querySelector('#q').form.requestSubmit()"
PHOTO = f"""
    const bytes = Uint8Array.from(atob("{base64.b64encode(PIXEL).decode()}"), (one) => one.charCodeAt(0))
    const files = new DataTransfer()
    files.items.add(new File([bytes], "pixel.png", {{ type: "image/png" }}))
    document.querySelector("#choose").files = files.files
    document.querySelector("#choose").dispatchEvent(new Event("change"))"""
MEANWHILE = """() => {{
    const go = history.go.bind(history);
    history.go = (count) => {{ history.go = go; go(count); {act}; }};
}}"""


def answered(visitor: Visit) -> None:
    visitor.has(".certificate", "Exact: the true top")


def press(visitor: Visit, number: int) -> None:
    visitor.page.locator("#chips .chip").nth(number).click()


def fail_and_act(visitor: Visit, act: str, *, server_is_back: bool) -> Any:
    """Press the first chip, which fails, and act while that is taken back; gives what was seen before."""
    visitor.expected = {503}
    visitor.open("/")
    visitor.settled()
    visitor.page.fill("#q", ROCKET.removeprefix("/?q="))
    visitor.page.press("#q", "Enter")
    answered(visitor)
    visitor.page.wait_for_load_state("networkidle")
    before = seen(visitor)
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if server_is_back and len(asked) > 1:
            route.continue_()
        else:
            route.fulfill(status=503, body="cut")

    visitor.page.route("**/text?**", answer)
    visitor.page.evaluate(MEANWHILE.format(act=act))
    press(visitor, 0)
    return before


@pytest.mark.parametrize(
    ("act", "address"),
    [
        (CHIP, "white+rocket+before+the+launch&drop=rocket"),
        (SLIDER, "launch&min=0.1"),
        (SENTENCE, "q=a+cat"),
        (PHOTO, "camera&photo=1"),
    ],
    ids=["chip", "slider", "sentence", "photo"],
)
def test_what_is_done_while_an_edit_is_taken_back_counts(visitor: Visit, act: str, address: str) -> None:
    before = fail_and_act(visitor, act, server_is_back=True)
    visitor.page.wait_for_function("end => location.href.endsWith(end)", arg=address)
    answered(visitor)
    assert visitor.page.locator("#trouble").is_hidden()
    assert visitor.page.evaluate("history.length") == 4, "a blank page, the start, the sentence, and this"
    visitor.page.go_back()
    visitor.page.wait_for_function("before => location.href === before", arg=before[1])
    answered(visitor)
    visitor.page.go_back()
    visitor.has("#results-title", "Or begin with one of these")


def test_what_fails_while_an_edit_is_taken_back_leaves_all_as_it_was(visitor: Visit) -> None:
    before = fail_and_act(visitor, CHIP, server_is_back=False)
    visitor.has("#trouble", "The server answered 503")
    visitor.page.wait_for_function("before => location.href === before", arg=before[1])
    assert seen(visitor) == before
    visitor.page.unroute_all()
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.page.wait_for_function("location.href.endsWith('launch&drop=rocket')")
    answered(visitor)


@pytest.mark.parametrize("address", [ROCKET, "/?like=skimage/rocket.jpg"])
@pytest.mark.parametrize("edit", ["chip", "slider"])
def test_back_from_an_edit_that_hangs_asks_nothing(visitor: Visit, address: str, edit: str) -> None:
    """What it leads to is still on the page."""
    visitor.open(address)
    answered(visitor)
    if "like" in address:
        visitor.page.locator("#query-picture img").wait_for()
    visitor.page.wait_for_load_state("networkidle")
    before = seen(visitor)
    held = Held(visitor, "**/text?**", "**/similar?**")
    if edit == "chip":
        press(visitor, 0)
    else:
        visitor.page.press("#min", "ArrowRight")
    held.wait()
    visitor.page.locator(".grid[aria-busy]").wait_for()
    expect(visitor.page.locator("#certificate")).to_be_empty()
    visitor.page.go_back()
    answered(visitor)
    visitor.has("#count", "picture")
    assert seen(visitor) == before
    assert visitor.page.locator(".grid[aria-busy]").count() == 0
    assert len(held.routes) == 1
    visitor.page.unroute_all()
    press(visitor, 1)
    visitor.page.locator('.chip[aria-pressed="false"]').wait_for()
    answered(visitor)


def test_a_move_of_the_slider_that_is_tried_again_is_no_further_step(visitor: Visit) -> None:
    visitor.expected = {503}
    visitor.open(ROCKET)
    answered(visitor)
    length: Any = visitor.page.evaluate("history.length")
    line = Line(visitor, "**/text?**")
    for least, fails in (("0.05", False), ("0.10", True), ("0.15", False)):
        line.cut = fails
        visitor.page.press("#min", "ArrowRight")
        if fails:
            visitor.has("#trouble", "The server answered 503")
            line.cut = False
            visitor.page.get_by_role("button", name="Try again").click()
        visitor.has("#min-shown", least)
        answered(visitor)
        assert visitor.page.url.endswith(f"&min={float(least)}")
    assert visitor.page.evaluate("history.length") == length + 1
