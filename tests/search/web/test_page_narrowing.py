"""Filters and threshold: the sheet they are in, and what the page says of what they leave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from indexer.records import CaptionRecord
from search.web.app import create_app
from tests.indexer.memory import MemoryIndex
from tests.search.web.browser import Visit
from tests.search.web.conftest import PLAIN, Visitor, listening
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.gallery import crowd

pytestmark = pytest.mark.browser

SIZES = ("desktop", "phone")

CAT = "an orange cat looks at the camera"


@pytest.mark.parametrize(
    ("narrowed", "end"),
    [
        ("", "No other picture shares a word with this."),
        ("&kind=generated", "No other picture with these filters shares a word with this."),
        ("&min=0.3", "No other picture reaches 0.30."),
        ("&min=0.3&kind=reference", "No other picture with these filters reaches 0.30."),
    ],
)
def test_the_end_is_no_more_than_is_known(visitor: Visit, narrowed: str, end: str) -> None:
    visitor.open(f"/?q={CAT}{narrowed}")
    visitor.settled()
    expect(visitor.page.locator("#end")).to_have_text(end)


@pytest.mark.parametrize(
    ("address", "end"),
    [
        ("/?q=a zebra", "No caption in the index shares a word with this."),
        (f"/?q={CAT}&min=0.95", "Nothing is this much alike. Lower the threshold."),
        (
            f"/?q={CAT}&min=0.95&kind=reference",
            "Nothing is this much alike. Lower the threshold or take a filter away.",
        ),
        ("/?q=a zebra&kind=reference", "No picture with these filters shares a word with this."),
        (f"/?q={CAT}&kind=zzz", "No caption has the kind 'zzz'; there is 'reference' and 'generated'."),
        (f"/?q={CAT}&source=zzz", "No caption has the source 'zzz'; there is 'folder'."),
        ("/?q=of the", "Nothing to search for: “of the” holds no word that counts."),
        ("/?q=🙂", "Nothing to search for: “🙂” holds no word that counts."),
        ("/?q=a zebra&drop=zebra", "There is no word left to search for."),
    ],
)
def test_why_there_is_nothing_is_told(visitor: Visit, address: str, end: str) -> None:
    visitor.open(address)
    expect(visitor.page.locator("#end")).to_have_text(end)
    expect(visitor.page.locator("#said")).to_have_text(f"No picture found. {end}")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("q=the of", False),
        ("q=🙂", False),
        ("q=the&kind=reference", False),
        ("q=the&not=beach", True),
        ("q=a zebra&drop=zebra", True),
        ("q=the&photo=1", True),
    ],
)
def test_where_no_word_counts_there_is_nothing_to_narrow(visitor: Visit, address: str, told: bool) -> None:
    visitor.open(f"/?{address}")
    visitor.has("#end", "search for")
    assert visitor.page.locator("#query").is_visible() == told
    assert visitor.page.locator("#tools").is_hidden()
    assert visitor.barriers() == []
    if address == "q=the of":
        visitor.picture(f"no-word-{visitor.size}")
    visitor.page.fill("#q", "a dog")
    visitor.page.press("#q", "Enter")
    visitor.has("#end", "shares a word with this")
    assert visitor.page.locator("#query").is_visible() and visitor.page.locator("#tools").is_visible()


def test_listeners_hear_what_came(at: Visitor) -> None:
    with listening(create_app(MemoryIndex(crowd(30)), FakeCaptioner)) as url, at(url) as visitor:
        said = visitor.page.locator("#said")
        visitor.open("/?q=a zebra")
        expect(said).to_have_text("No picture found. No caption in the index shares a word with this.")
        visitor.open("/?q=a penguin walks over the ice")
        expect(said).to_have_text("24 pictures shown. Exact: the true top 24 of 30 captions")
        visitor.settled()
        visitor.page.evaluate("scrollTo(0, document.body.scrollHeight)")
        expect(said).to_have_text("6 more, 30 pictures shown. Exact: the true top 30 of 30 captions")


def test_one_is_not_many(at: Visitor) -> None:
    index = MemoryIndex([CaptionRecord("x", "a dog")], PLAIN)
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        visitor.open("/?q=a dog")
        expect(visitor.page.locator("#said")).to_have_text(
            "1 picture shown. Exact: the true top 1 of 1 caption"
        )
        expect(visitor.page.locator("#holdings")).to_have_text("1 picture, 1 caption")


def test_a_long_name_is_no_wider_than_the_screen(at: Visitor) -> None:
    source = "https://pictures.example/photos/somebody/albums/" + "72157600000000000" * 3
    index = MemoryIndex([CaptionRecord("x", "a dog", source=source)], PLAIN)
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        own = visitor.page.viewport_size
        assert own
        for width in own["width"], 768, 320:
            visitor.page.set_viewport_size({"width": width, "height": 640})
            visitor.open("/?q=a dog")
            visitor.settled()
            visitor.page.locator("#filters summary").click()
            visitor.page.locator("#sheet .of").first.wait_for()
            box = visitor.page.locator("#sheet").bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
            assert visitor.page.evaluate("sheet.scrollWidth - sheet.clientWidth") == 0


@pytest.mark.parametrize("way", ["key", "press", "focus"])
def test_turning_away_closes_the_filters(visitor: Visit, way: str) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    visitor.page.locator("#filters summary").click()
    box = visitor.page.get_by_label("generated")
    box.check()
    visitor.has("#filter-count", "1")
    expect(box).to_be_focused()
    if way == "key":
        visitor.page.keyboard.press("Escape")
        expect(visitor.page.locator("#filters summary")).to_be_focused()
    elif way == "focus":  # it would lie over what has it
        visitor.page.locator(".card a").first.focus()
    else:
        visitor.page.locator("#query-label").click()
    assert visitor.page.locator("#sheet").is_hidden()
    assert "kind=generated" in visitor.page.url


def test_what_goes_leaves_the_focus_near(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}&kind=reference&add=snow")
    visitor.settled()
    visitor.page.locator("#filters summary").click()
    visitor.page.get_by_role("button", name="Clear filters").press("Enter")
    expect(visitor.page.locator("#sheet input").first).to_be_focused()
    visitor.page.get_by_role("button", name="Without added words").press("Enter")
    visitor.page.get_by_role("button", name="Without added words").wait_for(state="detached")
    expect(visitor.page.locator(".chip").last).to_be_focused()


@pytest.mark.parametrize("keys", [("ArrowLeft", "altKey"), ("Home", "ctrlKey")])
def test_the_browsers_keys_are_left_to_it(visitor: Visit, keys: tuple[str, str]) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    press = """(focused, [key, held]) => !focused.dispatchEvent(
        new KeyboardEvent("keydown", { key, [held]: true, bubbles: true, cancelable: true }))"""
    card = visitor.page.locator(".card a").nth(1)
    card.focus()
    assert card.evaluate(press, keys) is False
    expect(card).to_be_focused()
    card.click()
    caption = visitor.page.locator("#detail-caption")
    caption.wait_for()
    before = visitor.page.url
    caption.evaluate(press, keys)
    assert visitor.page.url == before


def add(visitor: Visit, word: str) -> None:
    visitor.page.fill(".adder input", word)
    visitor.page.press(".adder input", "Enter")


def test_a_word_that_was_left_out_is_taken_in_by_writing_it_again(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    visitor.page.get_by_role("button", name="orange").click()
    visitor.page.locator('.chip[aria-pressed="false"]').wait_for()
    visitor.has("#count", "3 pictures")
    add(visitor, "Orange")
    visitor.page.locator('.chip[aria-pressed="false"]').wait_for(state="detached")
    visitor.has("#count", "4 pictures")
    assert "drop=" not in visitor.page.url and "add=" not in visitor.page.url


def test_a_word_that_makes_no_difference_is_told_and_left_out(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    for word in "the", "cats":
        add(visitor, word)
        visitor.has("#note", f"“{word}” adds no word to the search")
        expect(visitor.page.locator("#said")).to_have_text(f"“{word}” adds no word to the search")
        assert "add=" not in visitor.page.url
    add(visitor, "snow")
    visitor.page.get_by_role("button", name="snow", exact=True).wait_for()
    add(visitor, "snow")  # it is there: nothing is asked
    visitor.page.locator(".chip", has_text="orange").click()
    visitor.page.locator('.chip[aria-pressed="false"]').wait_for()
    visitor.has(".certificate", "Exact: the true top")
    assert "add=snow" in visitor.page.url
    visitor.page.reload()
    visitor.page.get_by_role("button", name="snow", exact=True).wait_for()
    assert "add=snow" in visitor.page.url


@pytest.mark.parametrize("narrowed", ["&source=zoo", "&without=walks", "&not=walks"])
def test_an_answer_with_filters_is_proven_of_what_passes_them(at: Visitor, narrowed: str) -> None:
    """Better captions of which there are more do not pass."""
    zoo = [CaptionRecord(f"zoo-{number}", "a penguin", source="zoo") for number in range(2)]
    with listening(create_app(MemoryIndex([*crowd(5), *zoo]), FakeCaptioner)) as url, at(url) as visitor:
        visitor.open(f"/?q=a penguin walks over the ice{narrowed}")
        proof = visitor.page.locator(".certificate .proof")
        expect(proof).to_have_text("Exact: the true top 2 among the captions that pass the filters")
        expect(proof).to_have_attribute(
            "title", "Proven: nothing that passes the filters and is not shown can score higher."
        )
        expect(visitor.page.locator("#said")).to_have_text(
            "2 pictures shown. Exact: the true top 2 among the captions that pass the filters"
        )
        assert visitor.barriers() == []


def test_an_answer_with_filters_that_is_not_proven_may_have_missed_what_passes_them(at: Visitor) -> None:
    def unproven(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"exact": False})

    with listening(create_app(MemoryIndex(crowd(3)), FakeCaptioner)) as url, at(url) as visitor:
        visitor.page.route("**/text?*", unproven)
        visitor.open("/?q=a penguin walks over the ice&source=crowd")
        proof = visitor.page.locator(".certificate .proof")
        expect(proof).to_have_text("Not proven: the likely top 3 among the captions that pass the filters")
        expect(proof).to_have_attribute(
            "title", "Something that passes the filters and is not shown may score higher."
        )


def test_the_count_of_pictures_counts_copies_that_are_shown_with_another(at: Visitor) -> None:
    index = MemoryIndex(replace(one, phash="00ff" * 4) for one in crowd(3))
    with listening(create_app(index, FakeCaptioner)) as url, at(url) as visitor:
        count = visitor.page.locator("#count")
        visitor.open("/?q=a penguin walks over the ice")
        expect(count).to_have_text("3 pictures")
        visitor.page.locator("#filters summary").click()
        visitor.page.get_by_label("Show near-identical pictures once").check()
        expect(count).to_have_text("3 pictures, counting copies")
        expect(visitor.page.locator(".card")).to_have_count(1)
        visitor.page.keyboard.press("Escape")
        assert visitor.barriers() == []


def test_a_word_after_a_hyphen_keeps_captions_away(visitor: Visit) -> None:
    visitor.open()
    visitor.settled()
    visitor.page.fill("#q", f"{CAT} -striped -blankets")
    visitor.page.press("#q", "Enter")
    visitor.has("#filter-count", "2")
    visitor.settled()
    assert visitor.page.url.endswith("?q=an+orange+cat+looks+at+the+camera&not=striped&not=blankets")
    expect(visitor.page.locator("#q")).to_have_value(f"{CAT} -striped -blankets")
    expect(visitor.page.locator("#without")).to_have_text("without stripedwithout blankets")
    assert visitor.barriers() == []
    captions = visitor.page.locator(".card .caption").all_text_contents()
    assert captions and not any("striped" in one or "blanket" in one for one in captions)
    visitor.has("#end", "No other picture with these filters shares a word with this.")
    visitor.page.reload()
    visitor.settled()
    visitor.page.get_by_role("button", name="without striped").press("Enter")
    expect(visitor.page.locator("#without button")).to_have_text("without blankets")
    expect(visitor.page.locator("#without button")).to_be_focused()
    expect(visitor.page.locator("#q")).to_have_value(f"{CAT} -blankets")
    visitor.page.locator("#without button").press("Enter")
    expect(visitor.page.locator("#without")).to_be_hidden()
    expect(visitor.page.locator("#chips button").first).to_be_focused()
    assert "not=" not in visitor.page.url


def bar(visitor: Visit, word: str) -> None:
    """In the filters."""
    visitor.page.locator("#filters summary").click()
    visitor.page.get_by_label("A word that no caption may have").fill(word)
    visitor.page.get_by_label("A word that no caption may have").press("Enter")
    visitor.has("#without", f"without {word}")
    visitor.page.keyboard.press("Escape")


def test_a_word_after_a_hyphen_goes_with_its_sentence_and_one_of_the_filters_stays(visitor: Visit) -> None:
    without = visitor.page.locator("#without")
    visitor.open()
    visitor.settled()
    for sentence in f"{CAT} -striped", f"{CAT} -striped -blankets":
        visitor.page.fill("#q", sentence)
        visitor.page.press("#q", "Enter")
    bar(visitor, "red")
    expect(without).to_have_text("without stripedwithout blanketswithout red")
    visitor.page.fill("#q", "a cat in black and white -blankets")
    visitor.page.press("#q", "Enter")
    expect(without).to_have_text("without blanketswithout red")
    assert visitor.page.url.endswith("?q=a+cat+in+black+and+white&not=blankets&without=red")
    visitor.page.go_back()
    expect(without).to_have_text("without stripedwithout blanketswithout red")
    visitor.page.reload()
    expect(without).to_have_text("without stripedwithout blanketswithout red")
    visitor.has("#filter-count", "3")
    visitor.page.locator("#filters summary").click()
    visitor.page.get_by_role("button", name="Clear filters").click()
    expect(without).to_be_hidden()
    assert visitor.page.url.endswith("?q=an+orange+cat+looks+at+the+camera")


def test_a_word_that_is_barred_twice_is_shown_once(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}&not=striped")
    visitor.settled()
    bar(visitor, "striped")
    visitor.has("#filter-count", "1")
    visitor.page.get_by_role("button", name="without striped").click()
    expect(visitor.page.locator("#without")).to_be_hidden()
    assert "not=" not in visitor.page.url and "without=" not in visitor.page.url


@pytest.mark.parametrize("way", ["photo", "similar", "home", "clear"])
def test_what_is_new_has_nothing_of_the_sentence_before(visitor: Visit, photos: Path, way: str) -> None:
    visitor.open(f"/?q={CAT}&not=striped&without=blankets")
    visitor.settled()
    expect(visitor.page.locator("#without")).to_have_text("without stripedwithout blankets")
    if way == "photo":
        visitor.page.set_input_files("#choose", photos / "chelsea.png")
        visitor.has("#query-label", "Caption of your photo")
    elif way == "similar":
        visitor.page.locator(".card a").first.click()
        visitor.page.click("#similar")
        visitor.has("#query-label", "Pictures like this one")
    else:
        visitor.page.click(f"#{way}")
        visitor.has("#results-title", "Or begin with one of these")
    visitor.settled()
    assert "not=" not in visitor.page.url
    if way in ("photo", "similar"):
        expect(visitor.page.locator("#without")).to_have_text("without blankets")
        expect(visitor.page.locator("#q")).to_have_value("")
    else:
        assert visitor.page.url == f"{visitor.url}/"


def test_words_that_no_caption_may_have_are_in_line_with_the_others(visitor: Visit) -> None:
    visitor.page.set_viewport_size({"width": 1280, "height": 860})
    visitor.open("/?q=a cat&not=black")
    visitor.settled()
    [word, barred] = (
        visitor.page.locator(f"{row} button").first.bounding_box() for row in ("#chips", "#without")
    )
    assert word and barred
    assert (word["y"], word["height"]) == (barred["y"], barred["height"])


def test_words_to_do_without_need_one_to_look_for(visitor: Visit) -> None:
    visitor.open()
    visitor.settled()
    visitor.page.fill("#q", "-striped -blankets")
    visitor.page.press("#q", "Enter")
    visitor.has("#note", "Give a word to look for besides those to do without")
    expect(visitor.page.locator("#said")).to_have_text("Give a word to look for besides those to do without")
    expect(visitor.page.locator("#q")).to_have_value("-striped -blankets")
    assert visitor.page.url == f"{visitor.url}/"
    visitor.page.fill("#q", f"-striped {CAT}")
    visitor.page.press("#q", "Enter")
    visitor.has("#without", "without striped")
    expect(visitor.page.locator("#q")).to_have_value(f"{CAT} -striped")


def test_a_word_after_a_hyphen_is_cut_where_the_server_would_refuse_it(visitor: Visit) -> None:
    visitor.open()
    visitor.settled()
    visitor.page.fill("#q", f"{CAT} -{'x' * 300}")
    visitor.page.press("#q", "Enter")
    visitor.has("#without", f"without {'x' * 200}")
    visitor.settled()
    assert visitor.page.locator("#trouble").is_hidden()
    assert visitor.cards()


def test_a_word_is_done_without_in_the_filters(visitor: Visit) -> None:
    visitor.open("/?q=a cat in black and white")
    visitor.settled()
    visitor.has("#count", "10 pictures")
    visitor.page.locator("#filters summary").click()
    for word in "black", "white":
        visitor.page.get_by_label("A word that no caption may have").fill(word)
        visitor.page.get_by_label("A word that no caption may have").press("Enter")
        visitor.has("#without", f"without {word}")
        expect(visitor.page.get_by_label("A word that no caption may have")).to_be_focused()
        expect(visitor.page.get_by_label("A word that no caption may have")).to_have_value("")
    visitor.has("#count", "1 picture")
    assert visitor.cards() == ["skimage/chelsea.jpg"]
    assert visitor.barriers() == []
    visitor.page.keyboard.press("Escape")
    visitor.page.locator(".card a").first.click()
    visitor.page.click("#similar")
    visitor.has("#query-label", "Pictures like this one")
    visitor.has("#without", "without white")  # filters stay
    visitor.page.locator("#filters summary").click()
    visitor.page.get_by_role("button", name="Clear filters").click()
    expect(visitor.page.locator("#without")).to_be_hidden()
    assert "without=" not in visitor.page.url


@pytest.mark.parametrize("way", ["field", "address", "filters"])
def test_a_word_to_do_without_that_does_not_count_is_told_and_left_out(visitor: Visit, way: str) -> None:
    visitor.open(f"/?q={CAT}&without=blankets")
    visitor.settled()
    shown = visitor.cards()
    if way == "field":
        visitor.page.fill("#q", f"{CAT} -the")
        visitor.page.press("#q", "Enter")
    elif way == "address":
        visitor.open(f"/?q={CAT}&not=the&without=blankets&without=the&show={shown[0]}")
        visitor.page.locator("dialog[open]").wait_for()
        visitor.page.keyboard.press("Escape")
    else:
        visitor.page.locator("#filters summary").click()
        visitor.page.get_by_label("A word that no caption may have").fill("the")
        visitor.page.get_by_label("A word that no caption may have").press("Enter")
    if way != "address":
        visitor.has("#note", "“the” excludes nothing")
        expect(visitor.page.locator("#said")).to_have_text("“the” excludes nothing")
    expect(visitor.page.locator("#without")).to_have_text("without blankets")
    visitor.has("#filter-count", "1")
    visitor.has("#count", "picture")
    assert visitor.cards() == shown and visitor.page.locator("#trouble").is_hidden()
    assert "=the" not in visitor.page.url and "without=blankets" in visitor.page.url


def test_a_hyphen_before_an_added_word_keeps_captions_away(visitor: Visit) -> None:
    """As in the search field."""
    visitor.open(f"/?q={CAT}")
    visitor.settled()
    add(visitor, "-striped")
    visitor.has("#without", "without striped")
    expect(visitor.page.locator("#q")).to_have_value(f"{CAT} -striped")
    expect(visitor.page.locator(".adder input")).to_have_value("")
    assert visitor.page.url.endswith("&not=striped")
    add(visitor, "snow -blankets")
    visitor.has("#without", "without blankets")
    visitor.page.get_by_role("button", name="snow", exact=True).wait_for()
    assert visitor.page.url.endswith("&not=striped&not=blankets&add=snow")
    assert not any("striped" in one for one in visitor.page.locator(".card .caption").all_text_contents())
