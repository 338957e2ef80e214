"""The page when something fails: what is shown belongs to what is asked, and asking again asks."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Route, expect

from indexer.records import CaptionRecord
from search.web.app import create_app
from search.web.settings import Settings
from tests.indexer.memory import MemoryIndex
from tests.search.web.browser import Held, Visit, visit
from tests.search.web.conftest import Visitor, listening
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.gallery import crowd

pytestmark = pytest.mark.browser

ROCKET = "skimage/rocket.jpg"

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Line:
    """A connection to part of the server that can be cut; counts what was asked for."""

    def __init__(self, visitor: Visit, part: str) -> None:
        self.cut, self.asked = False, 0
        visitor.page.route(part, self._pass)

    def _pass(self, route: Route) -> None:
        self.asked += 1
        if self.cut:
            route.fulfill(status=503, body="cut")
        else:
            route.continue_()


def searched_and_cut(visitor: Visit, sentence: str) -> Line:
    """The page with the answer to a sentence, whose line to the next one is cut."""
    visitor.expected = {503}
    line = Line(visitor, "**/text?**")
    visitor.open(f"/?q={sentence}")
    visitor.settled()
    line.cut = True
    return line


def ask(visitor: Visit, sentence: str) -> None:
    visitor.page.fill("#q", sentence)
    visitor.page.press("#q", "Enter")


def nothing_is_shown(visitor: Visit) -> None:
    assert visitor.page.locator(".card").count() == 0
    assert visitor.page.locator(".chip").count() == 0
    assert visitor.page.locator("#certificate").text_content() == ""
    assert visitor.page.locator("#tools").is_hidden()
    assert visitor.page.locator("#said").text_content() == ""


def test_a_failed_search_shows_no_other_searches_answer(visitor: Visit) -> None:
    text = searched_and_cut(visitor, "a cat")
    ask(visitor, "a rocket")
    visitor.has("#trouble", "The server answered 503")
    nothing_is_shown(visitor)
    expect(visitor.page.locator("#results-title")).to_have_text("Nothing to show")
    assert visitor.barriers() == []
    text.cut = False
    visitor.page.press("#q", "Enter")
    visitor.settled()
    assert visitor.cards()[0] == ROCKET and text.asked == 3
    assert visitor.page.locator("#trouble").is_hidden()


SEEN = """() => [
    ...document.querySelectorAll(".chip, .card, #query-picture img, #certificate, #count, #min-shown"),
    ...document.querySelectorAll("#without, #filter-count, #q, #end, #results-title"),
].map(it => [it.id, it.ariaPressed, it.value, it.checkVisibility(), it.textContent].join("|"))"""


def seen(visitor: Visit) -> Any:
    """What a visitor sees of an answer, its address and its title."""
    return visitor.page.evaluate(SEEN), visitor.page.url, visitor.page.title()


def chip(visitor: Visit) -> None:
    visitor.page.locator(".chip", has_text="rocket").click()


def two_chips(visitor: Visit) -> None:
    """Both before the first one has failed."""
    visitor.page.evaluate(
        "() => document.querySelectorAll('#chips .chip').values().take(2).forEach(it => it.click())"
    )


def slider(visitor: Visit) -> None:
    for _ in range(2):
        visitor.page.press("#min", "ArrowRight")


def barred_word(visitor: Visit) -> None:
    visitor.page.get_by_role("button", name="without night").click()


def kind(visitor: Visit) -> None:
    visitor.page.locator("#filters summary").click()
    visitor.page.get_by_label("generated").click()


@pytest.mark.parametrize(
    "address", ["/?q=a white rocket before the launch&not=night", f"/?like={ROCKET}&not=night"]
)
@pytest.mark.parametrize("edit", [chip, two_chips, slider, barred_word, kind])
def test_an_edit_that_fails_leaves_all_as_it_was(
    visitor: Visit, address: str, edit: Callable[[Visit], None]
) -> None:
    """What is seen, what is asked next and the address still belong together."""
    visitor.expected = {503}
    visitor.open(address)
    visitor.settled()
    visitor.has("#count", "picture")
    visitor.page.locator(".chip").first.wait_for()
    if "like" in address:
        visitor.page.locator("#query-picture img").wait_for()
    before = seen(visitor)
    lines = [Line(visitor, part) for part in ("**/text?**", "**/similar?**", "**/images/*?**", "**/count?**")]
    for line in lines:
        line.cut = True
    edit(visitor)
    visitor.has("#trouble", "The server answered 503")
    visitor.page.wait_for_function("before => location.href === before", arg=before[1])
    after = seen(visitor)
    if edit is slider:  # on the way it asked for the count, which is then not known
        after[0][:] = [before[0][at] if one.startswith("count|") else one for at, one in enumerate(after[0])]
    assert after == before
    assert visitor.page.locator(".grid[aria-busy]").count() == 0
    assert visitor.barriers() == []
    for line in lines:
        line.cut = False
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.page.wait_for_function("before => location.href !== before", arg=before[1])
    visitor.has(".certificate", "Exact: the true top")
    assert seen(visitor)[0] != before[0] and visitor.page.locator("#trouble").is_hidden()
    visitor.page.go_back()
    visitor.page.wait_for_function("before => location.href === before", arg=before[1])
    visitor.has(".certificate", "Exact: the true top")


def test_what_is_kept_after_a_failed_edit_goes_on(at: Visitor) -> None:
    """Its further pages come, its pictures open, and the next edit is one of what is seen."""
    with listening(create_app(MemoryIndex(crowd(60)), FakeCaptioner)) as url, at(url) as visitor:
        visitor.expected = {503}
        visitor.open("/?q=a penguin walks over the ice")
        visitor.settled()
        line = Line(visitor, "**/text?**")
        line.cut = True
        visitor.page.locator(".chip", has_text="walks").click()
        visitor.has("#trouble", "The server answered 503")
        line.cut = False
        visitor.page.evaluate("scrollTo(0, document.body.scrollHeight)")
        visitor.page.locator(".card:nth-child(25)").wait_for(state="attached")
        visitor.page.locator(".card a").first.click()
        visitor.page.locator("dialog .word.both", has_text="walks").wait_for()
        visitor.page.keyboard.press("Escape")
        visitor.page.locator("dialog[open]").wait_for(state="detached")
        visitor.page.locator(".chip", has_text="ice").click()
        visitor.page.locator('.chip[aria-pressed="false"]').wait_for()
        visitor.has(".certificate", "Exact: the true top")
        assert visitor.page.url.endswith("&drop=ice")


def test_a_photo_that_cannot_be_sent_is_what_is_shown_and_tried_again(visitor: Visit, photos: Path) -> None:
    searched_and_cut(visitor, "a white rocket").cut = False
    post = Line(visitor, "**/similar?**")
    post.cut = True
    visitor.page.set_input_files("#choose", photos / "chelsea.png")
    visitor.has("#trouble", "The server answered 503")
    expect(visitor.page.locator("#query-picture img")).to_have_js_property("complete", True)
    assert visitor.page.locator("#query-picture img").evaluate("it => it.naturalWidth") > 0
    expect(visitor.page.locator("#query-label")).to_have_text("Your photo")
    expect(visitor.page.locator("#q")).to_have_value("")
    expect(visitor.page.locator("#working")).to_be_hidden()
    nothing_is_shown(visitor)
    assert visitor.barriers() == []
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.has("#trouble", "The server answered 503")
    assert post.asked == 2
    assert visitor.page.locator("#query-picture img").evaluate("it => it.naturalWidth") > 0
    post.cut = False
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.has("#query-caption", "a ginger cat")
    expect(visitor.page.locator("#query-label")).to_have_text("Caption of your photo")
    visitor.settled()
    visitor.page.go_back()
    visitor.has("#query-label", "Your words")
    visitor.settled()
    assert visitor.cards()[0] == ROCKET and visitor.page.url.endswith("?q=a+white+rocket")


def test_back_gives_up_a_photo_that_could_not_be_sent(visitor: Visit, photos: Path) -> None:
    searched_and_cut(visitor, "a white rocket").cut = False
    Line(visitor, "**/similar?**").cut = True
    visitor.page.set_input_files("#choose", photos / "chelsea.png")
    visitor.has("#trouble", "The server answered 503")
    visitor.page.go_back()
    visitor.settled()
    assert visitor.cards()[0] == ROCKET and visitor.page.locator("#trouble").is_hidden()
    expect(visitor.page.locator("#q")).to_have_value("a white rocket")
    assert visitor.page.locator("#query-picture").is_hidden()


def test_after_a_bad_photo_the_page_shows_the_search_before(visitor: Visit, tmp_path: Path) -> None:
    visitor.open("/?q=a white rocket")
    visitor.settled()
    visitor.give_no_photo(tmp_path)
    visitor.settled()
    assert visitor.cards()[0] == ROCKET
    assert visitor.page.locator("#query-picture").is_hidden()
    expect(visitor.page.locator("#query-label")).to_have_text("Your words")
    visitor.page.locator(".chip", has_text="white").click()
    visitor.page.locator('.chip[aria-pressed="false"]').wait_for()
    assert "photo=1" not in visitor.page.url and "q=a+white+rocket" in visitor.page.url
    slider = visitor.page.locator("#min")
    slider.press("ArrowRight")
    visitor.has("#min-shown", "0.05")
    visitor.has(".certificate", "Exact: the true top")
    assert "q=a+white+rocket" in visitor.page.url and visitor.cards()[0] == ROCKET


def test_after_a_bad_photo_at_the_start_the_start_is_shown(visitor: Visit, tmp_path: Path) -> None:
    visitor.choose_no_photo(tmp_path)
    visitor.settled()
    visitor.has("#results-title", "Or begin with one of these")
    assert visitor.page.locator("#query").is_hidden()


def test_the_same_search_again_is_one_step_back(visitor: Visit) -> None:
    visitor.open()
    visitor.settled()
    steps = "history.length"
    before: Any = visitor.page.evaluate(steps)
    for _ in range(3):
        ask(visitor, "a (white) rocket")
        visitor.has(".certificate", "Exact: the true top")
    assert visitor.page.evaluate(steps) == before + 1


def test_a_picture_left_before_its_answer_is_not_opened(visitor: Visit) -> None:
    visitor.open("/?q=a white rocket")
    visitor.settled()
    held = Held(visitor, "**/images/*?q=*")
    visitor.page.locator(".card a").first.click()
    held.wait()
    with visitor.page.expect_event("requestfailed"):
        visitor.page.go_back()
    assert "show=" not in visitor.page.url
    assert visitor.page.locator("dialog[open]").count() == 0


LONG = " ".join(f"word{number}" for number in range(300))


@pytest.mark.parametrize("address", ["/?q=" + LONG[:1900], "/?like=long"])
def test_long_captions_are_like_any_other(at: Visitor, address: str) -> None:
    records = [CaptionRecord(name, f"{LONG} {name}") for name in ("long", "other")]
    with listening(create_app(MemoryIndex(records), FakeCaptioner)) as url, at(url) as visitor:
        visitor.open(address)
        visitor.settled()
        visitor.has("#count", "picture")
        visitor.page.locator('.card[data-id="other"] a').click()
        visitor.has("dialog .all-captions mark", "word7")
        visitor.page.locator("dialog .all-captions .share").wait_for()
        visitor.page.keyboard.press("Escape")
        chip = visitor.page.get_by_role("button", name="word7", exact=True)
        chip.click()
        visitor.page.locator('.chip[aria-pressed="false"]').wait_for()
        assert visitor.page.evaluate("document.activeElement.textContent") == "word7", "the focus stays"
        visitor.has(".certificate", "Exact: the true top 2")
        visitor.has("#count", "2 pictures")


@pytest.mark.parametrize("way", ["photo", "words"])
def test_an_answer_that_is_not_the_servers_is_told(visitor: Visit, photos: Path, way: str) -> None:
    """As where a network asks its visitors to sign in."""
    visitor.open()
    visitor.settled()
    visitor.page.route(re.compile(r"/(text|similar)\?"), lambda route: route.fulfill(body="<p>Welcome!"))
    if way == "photo":
        visitor.page.set_input_files("#choose", photos / "rocket.jpg")
    else:
        ask(visitor, "a ginger cat")
    visitor.has("#trouble", "Something else answered in its place")
    visitor.page.unroute_all()
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.has(".chip", "ginger")


@pytest.mark.parametrize("way", ["photo", "words"])
def test_what_is_asked_before_the_server_is_known_is_answered(visitor: Visit, photos: Path, way: str) -> None:
    held = Held(visitor, "**/status?*")
    visitor.open()
    held.wait()
    if way == "photo":
        visitor.page.set_input_files("#choose", photos / "rocket.jpg")
    else:
        ask(visitor, "a ginger cat")
    visitor.page.wait_for_timeout(100)
    held.let_go()
    visitor.has(".chip", "ginger")
    visitor.settled()
    visitor.page.locator("#sheet .of").first.wait_for(state="attached")
    assert visitor.page.locator("#shuffle").is_hidden()


def test_nothing_waits_for_the_servers_status(visitor: Visit) -> None:
    held = Held(visitor, "**/status?*")
    visitor.open("/?q=a ginger cat")
    visitor.settled()
    held.wait()
    assert len(held.routes) == 1 and visitor.page.locator("#sheet .of").count() == 0
    held.let_go()
    visitor.page.locator("#sheet .of").first.wait_for(state="attached")
    expect(visitor.page.locator("#holdings")).to_have_text(re.compile("pictures, 40 captions"))


def test_a_status_that_failed_is_asked_for_with_the_next_search(visitor: Visit) -> None:
    visitor.expected = {503}
    line = Line(visitor, "**/status?*")
    line.cut = True
    visitor.open("/?q=a ginger cat")
    visitor.settled()
    line.cut = False
    ask(visitor, "a rocket")
    expect(visitor.page.locator("#holdings")).to_have_text(re.compile("pictures, 40 captions"))
    ask(visitor, "a cat")
    visitor.has(".certificate", "Exact: the true top")
    assert line.asked == 2 and visitor.page.locator("#trouble").is_hidden()


def test_pictures_come_from_the_web_when_the_server_has_said_that_they_may(at: Visitor) -> None:
    picture = "https://pictures.example/dog.png"
    index = MemoryIndex([CaptionRecord("x", "a dog", image=picture)])
    app = create_app(index, FakeCaptioner, Settings(remote_images=True))
    with listening(app) as url, at(url) as visitor:
        held = Held(visitor, "**/status?*")
        visitor.page.route(picture, lambda route: route.fulfill(body=PIXEL, content_type="image/png"))
        visitor.open("/?q=a dog")
        visitor.page.locator(".card .stand-in").wait_for()
        held.let_go()
        expect(visitor.page.locator(".card img")).to_have_attribute("src", picture)
        visitor.page.locator(".card a").click()
        expect(visitor.page.locator("dialog img")).to_have_attribute("src", picture)
        assert set(visitor.complaints) == {f"asked a stranger: {picture}"}
        visitor.complaints.clear()


def test_a_server_that_shows_no_pictures_says_so_once(at: Visitor, pictures: Path) -> None:
    records = [CaptionRecord(name, "a dog", image=f"{name}.jpg") for name in ("x", "y")]
    shown = {Settings(): True, Settings(images=(pictures,)): False, Settings(remote_images=True): False}
    for settings, told in shown.items():
        app = create_app(MemoryIndex(records), FakeCaptioner, settings)
        with listening(app) as url, at(url) as visitor:
            for address in ("/", "/?q=a dog"):
                visitor.open(address)
                visitor.settled()
                visitor.has("#holdings", "2 pictures")
                line = visitor.page.get_by_text("This server shows no pictures: its operator")
                assert line.is_visible() == told
            assert visitor.barriers() == []
            if told:
                visitor.picture(f"unshown-{visitor.size}")
    with listening(create_app(MemoryIndex(), FakeCaptioner, Settings())) as url, at(url) as visitor:
        visitor.open()
        visitor.has("#results-title", "The index is empty")
        assert not visitor.page.locator("#unshown").is_visible()


def test_a_captioner_that_has_come_is_no_longer_got_ready(
    visitor: Visit, captioner: FakeCaptioner, photos: Path
) -> None:
    captioner.gate = threading.Event()
    states = iter([{"state": "loading"}])

    def answer(route: Route) -> None:
        said = route.fetch().json()
        said["captioner"] |= next(states, {})
        route.fulfill(json=said)

    visitor.page.route("**/status?*", answer)
    visitor.open()
    visitor.settled()
    visitor.page.set_input_files("#choose", photos / "rocket.jpg")
    expect(visitor.page.locator("#working-text")).to_have_text("Writing a caption…")
    captioner.gate.set()
    captioner.gate = None
    visitor.settled()


def test_a_next_page_that_fails_is_told_where_it_would_be(at: Visitor) -> None:
    with listening(create_app(MemoryIndex(crowd(60)), FakeCaptioner)) as url, at(url) as visitor:
        visitor.expected = {503}
        rest = Line(visitor, "**/text?*after=*")
        rest.cut = True
        visitor.open("/?q=a penguin walks over the ice")
        visitor.settled()
        visitor.page.evaluate("scrollTo(0, document.body.scrollHeight)")
        trouble = visitor.page.locator("#more-trouble")
        expect(trouble).to_contain_text("The server answered 503")
        expect(trouble).to_be_in_viewport()
        visitor.page.wait_for_timeout(300)
        assert rest.asked < 4, "it is not asked over and over"
        assert len(visitor.cards()) == 24 and visitor.page.locator("#trouble").is_hidden()
        rest.cut = False
        trouble.get_by_role("button", name="Try again").click()
        visitor.page.locator(".card:nth-child(25)").wait_for(state="attached")
        trouble.wait_for(state="hidden")


def test_a_picture_that_fails_to_open_is_tried_again(at: Visitor) -> None:
    with listening(create_app(MemoryIndex(crowd(20)), FakeCaptioner)) as url, at(url) as visitor:
        visitor.expected = {503}
        visitor.open("/?q=a penguin walks over the ice")
        visitor.settled()
        line = Line(visitor, "**/images/*?q=*")
        trouble = visitor.page.locator("#trouble")
        visitor.page.locator(".card a").nth(-2).click()
        visitor.page.locator("dialog[open]").wait_for()
        line.cut = True
        visitor.page.keyboard.press("ArrowRight")
        expect(trouble).to_contain_text("The server answered 503")
        expect(trouble).to_be_in_viewport(ratio=1)
        assert visitor.page.locator("dialog[open]").count() == 0, "it would lie over the message"
        line.cut = False
        trouble.get_by_role("button", name="Try again").click()
        visitor.page.locator("dialog[open]").wait_for()
        assert "show=crowd-" in visitor.page.url and trouble.is_hidden()


NO_PICTURE = FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"not a picture")


def test_a_wrong_file_leaves_the_photo_that_is_under_way(
    visitor: Visit, captioner: FakeCaptioner, photos: Path
) -> None:
    captioner.gate = threading.Event()
    visitor.open()
    visitor.settled()
    visitor.page.set_input_files("#choose", photos / "rocket.jpg")
    visitor.has("#working-text", "Writing a caption…")
    visitor.page.set_input_files("#choose", NO_PICTURE)
    visitor.has("#trouble", "notes.txt is not a picture")
    assert visitor.page.locator("#working").is_visible() and visitor.page.locator(".ghost").count()
    captioner.gate.set()
    captioner.gate = None
    visitor.settled()
    assert visitor.page.locator("#working").is_hidden()


def test_a_wrong_file_is_told_in_front_of_an_open_picture(visitor: Visit) -> None:
    visitor.open("/?q=a white rocket")
    visitor.settled()
    visitor.page.locator(".card a").first.click()
    visitor.page.locator("dialog[open]").wait_for()
    visitor.page.set_input_files("#choose", NO_PICTURE)
    visitor.page.locator("dialog[open]").wait_for(state="detached")
    visitor.has("#trouble", "notes.txt is not a picture")
    assert "show=" not in visitor.page.url and visitor.cards()[0] == ROCKET


def test_sizes_are_told_so_that_they_differ(at: Visitor) -> None:
    index = MemoryIndex([CaptionRecord("x", "a dog")])
    app = create_app(index, FakeCaptioner, Settings(upload_bytes=550_000))
    with listening(app) as url, at(url) as visitor:
        visitor.open()
        expect(visitor.page.locator("#holdings")).to_have_text("1 picture, 1 caption")
        for size, told in (550_001, "551 kB"), (1_200_001, "1.3 MB"):
            large = FilePayload(name="large.jpg", mimeType="image/jpeg", buffer=b"0" * size)
            visitor.page.set_input_files("#choose", large)
            visitor.has("#trouble", f"It has {told}; this server takes 550 kB.")


TOKEN = "correct horse battery"


def test_who_turns_away_from_signing_in_can_come_back(at: Visitor) -> None:
    index = MemoryIndex([CaptionRecord("x", "a dog")])
    with listening(create_app(index, FakeCaptioner, Settings(token=TOKEN))) as url, at(url) as visitor:
        visitor.expected = {401, 403}
        page = visitor.page
        for address in ("/", "/?q=a dog"):
            visitor.open(address)
            page.fill("#token", "a guess at the token")
            page.press("#token", "Enter")
            visitor.has("#sign-in-trouble", "not this server's token")
            page.keyboard.press("Escape")
            visitor.has("#trouble", "Token needed")
            assert visitor.barriers() == []
            page.get_by_role("button", name="Try again").click()
            page.locator("#sign-in[open]").wait_for()
            assert page.input_value("#token") == page.locator("#sign-in-trouble").text_content() == ""
        page.fill("#token", TOKEN)
        page.press("#token", "Enter")
        visitor.settled()
        expect(page.locator("#holdings")).to_have_text("1 picture, 1 caption")
        assert page.locator("#trouble").is_hidden()
        page.context.clear_cookies()
        ask(visitor, "a cat")
        page.locator("#sign-in[open]").wait_for()
        assert page.input_value("#token") == ""


def test_a_server_that_is_gone_is_called_so_when_signing_in(at: Visitor) -> None:
    index = MemoryIndex([CaptionRecord("x", "a dog")])
    with listening(create_app(index, FakeCaptioner, Settings(token=TOKEN))) as url, at(url) as visitor:
        visitor.expected = {401}
        visitor.open()
        visitor.page.route("**/session", lambda route: route.abort())
        visitor.page.fill("#token", TOKEN)
        visitor.page.press("#token", "Enter")
        visitor.has("#sign-in-trouble", "It may have been stopped, or the connection is down.")
        assert all("ERR_FAILED" in complaint for complaint in visitor.complaints)
        visitor.complaints.clear()


def test_a_message_without_a_way_on_has_no_word_for_it(visitor: Visit) -> None:
    visitor.expected = {404}
    visitor.open("/?show=nosuch")
    visitor.has("#trouble", "Not found")
    assert "null" not in visitor.page.locator("#trouble").inner_text()


@pytest.mark.parametrize("address", ["/?show=nosuch", "/?q= &min=0.1", "a photo"])
def test_what_stays_wrong_is_not_tried_again(visitor: Visit, tmp_path: Path, address: str) -> None:
    visitor.expected = {400, 404, 422}
    if address == "a photo":
        visitor.choose_no_photo(tmp_path)
    else:
        visitor.open(address)
    visitor.page.locator("#trouble p").wait_for()
    assert visitor.page.locator("#trouble button").evaluate_all("all => all.map(it => it.ariaLabel)") == [
        "Dismiss the message"
    ]


def test_a_message_has_room_on_a_narrow_phone(browser: Browser, site: str) -> None:
    with visit(browser, site, "phone", viewport={"width": 360, "height": 700}) as visitor:
        searched_and_cut(visitor, "a cat")
        ask(visitor, "a rocket")
        visitor.has("#trouble", "The server answered 503")
        widths = "all => all.map(it => it.clientWidth)"
        box, text = visitor.page.locator("#trouble, #trouble > div").evaluate_all(widths)
        assert text > 0.75 * box, "the ways on stand below"
        assert visitor.barriers() == []


def test_a_photo_that_the_browser_cannot_show(visitor: Visit, tmp_path: Path) -> None:
    photo = tmp_path / "photo.tiff"
    Image.new("RGB", (40, 30), "orange").save(photo)
    visitor.open()
    visitor.page.set_input_files("#choose", photo)
    visitor.has("#query-caption", "a ginger cat")
    visitor.page.locator("#query-picture .stand-in").wait_for()
    assert visitor.page.locator("#query-picture img").count() == 0
    middles = "all => all.map(it => it.getBoundingClientRect()).map(it => it.x + it.width / 2)"
    around, mark = visitor.page.locator("#query-picture, #query-picture .stand-in span").evaluate_all(middles)
    assert around == pytest.approx(mark, abs=1)
    assert visitor.barriers() == []


def test_a_threshold_between_the_sliders_steps_is_counted_as_it_is(visitor: Visit) -> None:
    visitor.open("/?q=an orange cat looks at the camera&min=0.12")  # 0.111 is the fourth score
    visitor.settled()
    expect(visitor.page.locator(".card")).to_have_count(3)
    visitor.has("#count", "3 pictures")
    visitor.has("#min-shown", "0.12")
    slider = visitor.page.locator("#min")
    assert slider.input_value() == "0.12"
    visitor.open("/?q=an orange cat looks at the camera&min=0.1")
    visitor.settled()
    slider.press("ArrowRight")
    visitor.has("#min-shown", "0.15")
