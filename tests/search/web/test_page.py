"""The page in a real browser: every path a visitor takes, at desktop and phone size."""

from __future__ import annotations

import base64
import itertools
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from indexer.errors import IndexUnavailableError
from indexer.index import open_index
from indexer.records import Candidates, CaptionRecord
from search.searcher import Searcher
from search.web.app import create_app
from search.web.settings import Settings
from tests.indexer.memory import MemoryIndex
from tests.search.web.browser import Visit
from tests.search.web.conftest import PLAIN, Visitor, listening
from tests.search.web.fakes import SAID, FakeCaptioner
from tests.search.web.gallery import Gallery, crowd

pytestmark = pytest.mark.browser

SIZES = ("desktop", "phone")

CAT = "an orange cat looks at the camera"


def test_the_whole_way_on_both_engines(
    fresh_where: str, records: list[CaptionRecord], pictures: Path, photos: Path, at: Visitor
) -> None:
    """Sentence, then photo, then a hit, then what is like it, on the engine itself."""
    index = open_index(fresh_where, create=True)
    with index.draft("page") as draft:
        draft.add(records)
        draft.publish()
    captioner = FakeCaptioner("a rocket on the launch pad")
    app = create_app(open_index(fresh_where), lambda: captioner, Settings(images=(pictures,)))
    with listening(app) as url, at(url) as visitor:
        visitor.open()
        visitor.settled()
        visitor.page.fill("#q", CAT)
        visitor.page.press("#q", "Enter")
        visitor.has(".certificate", "Exact: the true top")
        assert visitor.cards()[0] == "skimage/chelsea.jpg"
        visitor.page.set_input_files("#choose", photos / "rocket.jpg")
        visitor.has("#query-caption", "a rocket on the launch pad")
        assert visitor.cards()[0] == "skimage/rocket.jpg"
        visitor.page.locator(".card a").first.click()
        visitor.has("dialog .all-captions", "All 3 captions")
        visitor.page.click("#similar")
        visitor.has("#query-label", "Pictures like this one")
        visitor.settled()
        assert "skimage/rocket.jpg" not in visitor.cards()


def test_a_sentence(visitor: Visit) -> None:
    visitor.open()
    visitor.settled()
    assert visitor.barriers() == []
    visitor.page.fill("#q", CAT)
    visitor.page.press("#q", "Enter")
    visitor.has(".certificate", "Exact: the true top 4 of 40 captions")
    visitor.has("#count", "4 pictures")
    marks = visitor.page.locator(".card").first.locator("mark").all_text_contents()
    assert marks == ["cat", "looking", "camera"]
    first = visitor.page.locator(".card").first
    assert first.locator(".score").inner_text().endswith("0.50")
    assert "scikit-image" in first.locator(".foot").inner_text()
    assert visitor.page.url.endswith("?q=an+orange+cat+looks+at+the+camera")
    assert visitor.page.title().startswith(CAT)
    assert visitor.barriers() == []
    visitor.page.go_back()
    visitor.has("#results-title", "Or begin with one of these")


def test_a_photo_and_its_progress(visitor: Visit, captioner: FakeCaptioner, photos: Path) -> None:
    captioner.gate = threading.Event()
    visitor.open()
    assert visitor.page.locator("#camera").get_attribute("capture") == "environment"
    assert visitor.page.locator("#camera-label").is_visible() == (visitor.size == "phone")
    visitor.page.set_input_files("#camera" if visitor.size == "phone" else "#choose", photos / "chelsea.png")
    visitor.has("#working-text", "Writing a caption…")
    assert visitor.page.locator("#query-picture img").is_visible()
    assert visitor.barriers() == []
    captioner.gate.set()
    captioner.gate = None
    visitor.has("#query-caption", captioner.text)
    visitor.settled()
    assert visitor.page.locator("#working").is_hidden()
    assert visitor.cards()[0] == "skimage/chelsea.jpg"
    assert "photo=1" in visitor.page.url
    visitor.page.reload()
    visitor.settled()
    assert visitor.cards()[0] == "skimage/chelsea.jpg", "the address holds the caption"


def test_a_photo_with_several_captions(
    records: list[CaptionRecord], pictures: Path, photos: Path, at: Visitor
) -> None:
    captioner = FakeCaptioner(
        "a ginger cat", others=("a white rocket is lit before the launch", "a penguin walks on ice")
    )
    index = Gallery(records + crowd(60), PLAIN)
    search = Searcher(index, lambda: captioner)
    found = len(search.texts([captioner.text, *captioner.others], 200).hits)
    rest = len(search.texts(["a ginger cat", "a white rocket is lit before the launch"], 200).hits)
    app = create_app(index, lambda: captioner, Settings(images=(pictures,)))
    with listening(app) as url, at(url) as visitor:
        visitor.open()
        visitor.page.set_input_files("#choose", photos / "chelsea.png")
        visitor.has("#query-label", "Captions of your photo")
        visitor.has("#query-caption", "a ginger cat")
        assert visitor.page.locator("#query-also li").all_text_contents() == list(captioner.others)
        visitor.has("#count", f"{found} pictures")
        rocket = visitor.page.locator('.card[data-id="skimage/rocket.jpg"]')
        expect(rocket.locator(".asked")).to_have_text("found by “a white rocket is lit before the launch”")
        assert visitor.barriers() == []
        # Every page comes, none twice.
        visitor.settled()
        while len(visitor.cards()) < found:
            before = len(visitor.cards())
            visitor.page.evaluate("scrollTo(0, document.body.scrollHeight)")
            visitor.page.locator(f".card:nth-child({before + 1})").wait_for(state="attached")
        assert len(set(visitor.cards())) == found > 60
        rocket.locator("a").click()
        visitor.has("dialog .reason", "found by “a white rocket is lit before the launch”")
        expect(visitor.page.locator("dialog .reason .yours")).to_have_count(0)
        assert visitor.barriers() == []
        visitor.page.keyboard.press("Escape")
        # A word left out is left out of every caption, and the address holds them all.
        visitor.page.locator(".chip", has_text="penguin").click()
        visitor.page.locator(".chip", has_text="ice").click()
        visitor.page.locator(".chip", has_text="walks").click()
        visitor.has("#count", f"{rest} pictures")
        visitor.page.reload()
        visitor.has("#count", f"{rest} pictures")
        assert "skimage/rocket.jpg" in visitor.cards()


#: Makes a file of base64 text and gives it to the page as a drop or a paste would.
GIVE = """([kind, data, type]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "photo", { type }));
  const how = { bubbles: true, cancelable: true };
  if (kind === "paste") dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, ...how }));
  else for (const name of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(name, { dataTransfer: transfer, ...how }));
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_photo_dropped_or_pasted(visitor: Visit, photos: Path, kind: str) -> None:
    visitor.open()
    visitor.settled()
    data = base64.b64encode((photos / "rocket.jpg").read_bytes()).decode()
    visitor.page.evaluate(GIVE, [kind, data, "image/jpeg"])
    visitor.has("#query-caption", "a ginger cat")
    visitor.settled()
    assert "dropping" not in (visitor.page.locator("body").get_attribute("class") or "")


def test_words_switched_off_and_added(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    orange = visitor.page.get_by_role("button", name="orange")
    orange.press("Space")
    visitor.page.locator('.chip[aria-pressed="false"]').wait_for()
    visitor.has("#count", "3 pictures")
    assert "drop=orang" in visitor.page.url
    assert visitor.page.evaluate("document.activeElement.textContent") == "orange", "the focus stays"
    assert visitor.barriers() == []
    visitor.page.fill(".adder input", "a woman")
    visitor.page.press(".adder input", "Enter")
    visitor.page.get_by_role("button", name="woman").first.wait_for()
    visitor.has(".card .caption", "smiles at the camera")
    visitor.page.get_by_role("button", name="orange").click()
    visitor.page.locator('.chip[aria-pressed="false"]').wait_for(state="detached")
    for _ in range(3):
        visitor.page.go_back()
    expect(visitor.page.locator(".chip")).to_have_count(4)
    visitor.has("#count", "4 pictures")


def test_the_picture_in_full(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    visitor.page.locator(".card a").first.click()
    expect(visitor.page.locator("dialog .reason p").first).to_have_text("0.50 3 shared words")
    expect(visitor.page.locator("dialog .reason .share")).to_have_attribute("title", "3 of 6")
    assert visitor.page.locator("dialog .word.both").all_text_contents() == ["camera", "cat", "looks"]
    assert visitor.page.locator("dialog .word.yours").all_text_contents() == ["orange"]
    visitor.has("dialog .all-captions", "The face of an orange striped cat")
    visitor.has("dialog .origin", "scikit-image, see its data/README")
    assert visitor.barriers() == []
    assert "show=skimage" in visitor.page.url
    visitor.page.keyboard.press("ArrowRight")
    visitor.has("dialog #detail-caption", "A man in a dark coat")
    visitor.page.keyboard.press("ArrowLeft")
    visitor.has("dialog #detail-caption", "A close up of a ginger cat")
    visitor.page.keyboard.press("Escape")
    visitor.page.locator("dialog[open]").wait_for(state="detached")
    assert "show" not in visitor.page.url
    assert (
        visitor.page.evaluate("document.activeElement.closest('.card')?.dataset.id") == "skimage/chelsea.jpg"
    )
    visitor.page.go_forward()
    visitor.page.locator("dialog[open]").wait_for()
    visitor.page.get_by_role("link", name="Similar to this").click()
    visitor.has("#query-label", "Pictures like this one")
    visitor.page.locator("#query-picture img").wait_for()
    visitor.page.locator(".chip").first.click()
    visitor.page.locator('.chip[aria-pressed="false"]').wait_for()
    assert "like=skimage" in visitor.page.url


def test_a_picture_that_browsers_do_not_show(at: Visitor, photos: Path, tmp_path: Path) -> None:
    """A phone's HEIC: a thumbnail stands for it, and a stand-in for the one that is about to be sent."""
    kinds = {"heif": "a.heic", "tiff": "b.tif", "ppm": "c.ppm", "jpeg": "d.jpg"}
    for kind, name in kinds.items():
        with Image.open(photos / "rocket.jpg") as photo:
            photo.save(tmp_path / name, kind)
    index = MemoryIndex(CaptionRecord(name, f"a dog {name[0]}", image=name) for name in kinds.values())
    with (
        listening(create_app(index, FakeCaptioner, Settings(images=(tmp_path,)))) as url,
        at(url) as visitor,
    ):
        for name in kinds.values():
            visitor.open(f"/?q=a dog&show={name}")
            link = visitor.page.get_by_role("link", name="Full size")
            expect(link).to_have_attribute(
                "href", re.compile("/file$" if name == "d.jpg" else r"/thumbnail\?size=1280$")
            )
            with visitor.page.expect_popup() as opened:
                link.click()
            opened.value.wait_for_load_state()
            width = opened.value.locator("img").evaluate("shown => shown.naturalWidth")
            assert width > 0
            opened.value.close()
        visitor.open()
        visitor.settled()
        visitor.page.set_input_files("#choose", tmp_path / "a.heic")
        visitor.has("#query-caption", SAID)
        visitor.page.locator("#query-picture .stand-in").wait_for()
        assert visitor.page.locator("#query-picture img").count() == 0
        assert visitor.barriers() == []


def test_telling_words_count_more_and_are_one_chip(at: Visitor, records: list[CaptionRecord]) -> None:
    index = MemoryIndex(records, "english/2")
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.open("/?q=a cat looking at the camera")
        visitor.settled()
        chips = visitor.page.locator(".chip").all_text_contents()
        assert chips[:3] == ["cat", "looking", "camera"] and len(chips) == len(set(chips))
        visitor.page.locator(".card a").first.click()
        visitor.has("dialog .word.both", "cat ×3")
        visitor.page.keyboard.press("Escape")
        visitor.page.locator(".chip").first.click()
        visitor.page.locator('.chip[aria-pressed="false"]').wait_for()
        # The cards before it stand until the answer comes.
        marked = visitor.page.locator(".card mark").filter(has_text=re.compile("^cat$"))
        marked.first.wait_for(state="detached")
        visitor.has(".card .caption", "looks through a camera")


def test_threshold_and_filters(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    slider = visitor.page.locator("#min")
    for _ in range(4):
        slider.press("ArrowRight")
    visitor.has("#min-shown", "0.20")
    visitor.has("#count", "2 pictures")
    expect(visitor.page.locator(".card")).to_have_count(2)
    assert "min=0.2" in visitor.page.url
    visitor.has("#end", "No other picture reaches 0.20")
    visitor.page.locator("#filters summary").click()
    visitor.page.get_by_label("generated").check()
    expect(visitor.page.locator(".card")).to_have_count(1)
    visitor.has("#filter-count", "1")
    assert visitor.barriers() == []
    visitor.page.get_by_label("Show near-identical pictures once").check()
    visitor.has("#filter-count", "2")
    assert "fold=1" in visitor.page.url and "kind=generated" in visitor.page.url
    visitor.page.get_by_role("button", name="Clear filters").click()
    expect(visitor.page.locator(".card")).to_have_count(2)


def test_endless_scroll_shows_every_picture_once(at: Visitor) -> None:
    with listening(create_app(MemoryIndex(crowd(60)), FakeCaptioner)) as url, at(url) as visitor:
        visitor.open("/?q=a penguin walks over the ice")
        visitor.settled()
        visitor.scroll_to(60)
        assert sorted(visitor.cards()) == [f"crowd-{number:04}" for number in range(60)]
        visitor.has(".certificate", "top 60 of 60 captions")
        visitor.has("#end", "No other picture shares a word")


#: Goes to the end as soon as pictures have come, before the browser draws: as a key that is held may.
KEEP_AT_THE_END = """() => {
  const toTheEnd = async () => {
    for (let turn = 0; turn < 100; turn++) await null;
    scrollTo(0, document.body.scrollHeight);
  };
  new MutationObserver(toTheEnd).observe(document.getElementById("grid"), { childList: true });
  toTheEnd();
}"""


def test_who_is_always_at_the_end_gets_every_page(at: Visitor) -> None:
    with listening(create_app(MemoryIndex(crowd(100)), FakeCaptioner)) as url, at(url) as visitor:
        visitor.open("/?q=a penguin walks over the ice")
        visitor.settled()
        visitor.page.evaluate(KEEP_AT_THE_END)
        expect(visitor.page.locator(".card")).to_have_count(100)


def test_a_shared_link_and_the_download(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}&drop=orang&min=0.15&kind=reference")
    visitor.settled()
    assert visitor.cards() == ["skimage/chelsea.jpg", "skimage/camera.jpg"]
    assert visitor.page.locator("#min").input_value() == "0.15"
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="JSON").click()
    saved = json.loads(Path(download.value.path()).read_text())
    assert [hit["image_id"] for hit in saved["hits"]] == visitor.cards()
    assert saved["exact"] is True and saved["query"]["tokens"]
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.page.get_by_role("button", name="Copy link").click()
    visitor.has("#note", "The link is copied")
    assert visitor.page.evaluate("navigator.clipboard.readText()") == visitor.page.url


def test_a_small_screen_and_long_words(at: Visitor) -> None:
    word = "donaudampfschifffahrtsgesellschaft" * 5
    index = MemoryIndex([CaptionRecord("x", f"a dog and a {word}", source="s" * 60, creator="c" * 90)])
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.page.set_viewport_size({"width": 320, "height": 640})
        for address in ("/", f"/?q=a dog and a {word}", f"/?like=x&add={word}", f"/?q={word}&show=x"):
            visitor.open(address)
            visitor.page.locator(".grid:not([aria-busy])").wait_for()
            if "show" in address:
                visitor.has("dialog .all-captions mark", word)
            for box in ("document.documentElement", "document.getElementById('detail')"):
                assert visitor.page.evaluate(f"{box}.scrollWidth - {box}.clientWidth") <= 0, address
            button = visitor.page.locator("#composer [type=submit]").bounding_box()
            assert button is not None and button["x"] + button["width"] <= 320


def test_a_photos_captions_on_a_small_screen(
    records: list[CaptionRecord], pictures: Path, photos: Path, at: Visitor
) -> None:
    """Nothing lies over anything else."""
    captioner = FakeCaptioner("a ginger cat looking at the camera", ("an orange cat", "a cat"))
    app = create_app(Gallery(records, PLAIN), lambda: captioner, Settings(images=(pictures,)))
    with listening(app) as url, at(url) as visitor:
        visitor.page.set_viewport_size({"width": 320, "height": 640})
        visitor.open()
        visitor.settled()
        visitor.page.set_input_files("#choose", photos / "chelsea.png")
        visitor.has("#query-label", "Captions of your photo")
        visitor.settled()
        parts = "#query-picture, #query-label, #query-caption, #query-also, .chip, .adder, #clear"
        boxes = visitor.page.locator(parts).evaluate_all(
            """all => all.map(one => {
                const range = document.createRange()
                range.selectNodeContents(one)
                return (one.id === "query-label" ? range : one).getBoundingClientRect().toJSON()
            })"""
        )
        for one, other in itertools.combinations(boxes, 2):
            beside = one["right"] <= other["left"] or other["right"] <= one["left"]
            assert beside or one["bottom"] <= other["top"] or other["bottom"] <= one["top"], (one, other)


def test_by_keyboard_alone(visitor: Visit) -> None:
    visitor.open()
    visitor.settled()
    visitor.page.keyboard.press("/")
    visitor.page.keyboard.type("a motorcycle in a garage")
    visitor.page.keyboard.press("Enter")
    visitor.has("#query-label", "Your words")
    visitor.has(".card .caption", "motorcycle")
    first = visitor.page.locator(".card a").first
    first.focus()
    visitor.page.keyboard.press("ArrowRight")
    visitor.page.keyboard.press("Enter")
    visitor.page.locator("dialog[open]").wait_for()
    assert visitor.page.evaluate("document.activeElement.closest('dialog') !== null")
    visitor.page.keyboard.press("Escape")
    visitor.page.locator("dialog[open]").wait_for(state="detached")
    # The focus goes back to the card when the dialog has closed; Enter must not meet it on its way.
    visitor.page.wait_for_function("document.activeElement.closest('.card') !== null")
    visitor.page.get_by_role("button", name="Clear the search").press("Enter")
    visitor.has("#results-title", "Or begin with one of these")


def test_dark_mode(at: Visitor, site: str) -> None:
    shade = "getComputedStyle(document.body).backgroundColor"
    with at(site, color_scheme="dark") as visitor:
        visitor.open(f"/?q={CAT}")
        visitor.settled()
        dark = visitor.page.evaluate(shade)
        assert visitor.barriers() == []
        visitor.page.locator(".card a").first.click()
        visitor.page.locator("dialog[open]").wait_for()
        assert visitor.barriers() == []
        visitor.page.keyboard.press("Escape")
        visitor.page.get_by_role("button", name="Switch between light and dark").click()
        assert visitor.page.evaluate(shade) != dark
        visitor.page.reload()
        assert visitor.page.evaluate(shade) != dark, "the choice is kept"


def test_nothing_sweeps_for_who_wants_less_motion(at: Visitor, site: str) -> None:
    with at(site, reduced_motion="reduce") as visitor:
        visitor.page.route("**/text?**", lambda route: None)
        visitor.open(f"/?q={CAT}")
        visitor.page.locator(".ghost").first.wait_for()
        assert visitor.page.evaluate("document.getAnimations().length") == 0


def test_a_bad_photo_is_explained(visitor: Visit, tmp_path: Path) -> None:
    visitor.choose_no_photo(tmp_path)
    visitor.has("#trouble", "Not a photo in a known format")
    assert visitor.barriers() == []
    visitor.page.get_by_role("button", name="Dismiss the message").click()
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(20_000_001)
    visitor.page.set_input_files("#choose", large)
    visitor.has("#trouble", "this server takes 20 MB")


class Faltering(MemoryIndex):
    """An engine that can be taken down."""

    down = False

    def candidates_many(self, queries: Any, limit: int) -> list[Candidates]:
        if self.down:
            raise IndexUnavailableError("http://search:9200/photos: connection refused")
        return super().candidates_many(queries, limit)


def test_an_engine_that_is_down_and_comes_back(at: Visitor) -> None:
    index = Faltering([CaptionRecord("x", "A <script>alert(1)</script> dog & <b>cat</b>")])
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.expected = {503}
        index.down = True
        visitor.open("/?q=a dog")
        visitor.has("#trouble", "The search engine does not answer")
        index.down = False
        visitor.page.get_by_role("button", name="Try again").click()
        visitor.has(".card .caption", "<script>alert(1)</script> dog & <b>cat</b>")
        assert visitor.page.locator("#trouble").is_hidden()
        assert visitor.page.locator(".card script, .card b").count() == 0


def test_a_busy_captioner_is_waited_for(at: Visitor, photos: Path) -> None:
    captioner = FakeCaptioner("a dog", gate=threading.Event())
    app = create_app(
        MemoryIndex([CaptionRecord("x", "a dog")]), lambda: captioner, Settings(waiting_photos=1)
    )
    with listening(app) as url, at(url) as visitor:
        visitor.expected = {429}
        queue, photo = app.state.service.captions, (photos / "rocket.jpg").read_bytes()
        queue.submit(photo)
        assert captioner.entered.acquire(timeout=30)
        queue.submit(photo)
        visitor.open()
        visitor.page.set_input_files("#choose", photos / "rocket.jpg")
        visitor.has("#working-text", "Many photos are waiting")
        assert captioner.gate is not None
        captioner.gate.set()
        visitor.has("#query-caption", "a dog")


def test_signing_in(at: Visitor, records: list[CaptionRecord], pictures: Path) -> None:
    settings = Settings(images=(pictures,), token="correct horse battery")
    with listening(create_app(MemoryIndex(records), FakeCaptioner, settings)) as url, at(url) as visitor:
        visitor.expected = {401, 403}
        visitor.open("/?q=a rocket")
        visitor.page.fill("#token", "a guess at the token")
        visitor.page.press("#token", "Enter")
        visitor.has("#sign-in-trouble", "not this server's token")
        assert visitor.barriers() == []
        assert visitor.page.evaluate("document.getElementById('sign-in').scrollLeft") == 0
        visitor.page.fill("#token", "correct horse battery")
        visitor.page.press("#token", "Enter")
        visitor.settled()
        assert visitor.cards()[0] == "skimage/rocket.jpg"
        expect(visitor.page.locator(".card img").first).to_have_js_property("naturalWidth", 320)


def test_others_to_begin_with(visitor: Visit) -> None:
    visitor.open()
    visitor.settled()
    before = visitor.cards()
    visitor.page.get_by_role("button", name="Others").click()
    # The first picture alone may be drawn again; all of them in the same order are not.
    visitor.page.wait_for_function(
        """before => {
            const cards = [...document.querySelectorAll(".card:not(.ghost)")]
            const now = cards.map(card => card.dataset.id).join()
            return now && now !== before
        }""",
        arg=",".join(before),
    )
    visitor.settled()
    visitor.page.locator(".card a").first.click()
    visitor.has("#query-label", "Pictures like this one")
