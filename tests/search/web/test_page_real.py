"""The page as a user gets it: the default captioner and analyzer, an index in a folder.

    PAGE_SCREENSHOTS=docs/images python -m pytest tests/search/web/test_page_real.py

makes the README's pictures of the page anew. People wrote the captions that are found, the default model
those of the photo that is searched with; it is none of the index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from captioner.finding import open_captioner
from indexer import open_index
from indexer.records import CaptionRecord
from search.web.app import create_app
from search.web.settings import Settings
from tests.search.web.browser import Visit
from tests.search.web.conftest import Visitor, listening

SIZES = ("desktop", "phone")

CAT = "an orange cat looks at the camera"
#: The same motorcycle from two sides: one is searched with, the other is to be found.
QUERY, FOUND = "skimage/motorcycle_right.jpg", "skimage/motorcycle_left.jpg"
#: Pictures of the gallery that are no photos of things.
TEXTURES = ("brick", "grass", "gravel", "page", "text", "color", "ihc", "cell", "logo")
LEFT_OUT = {QUERY, *(f"skimage/{name}.jpg" for name in TEXTURES)}


@pytest.fixture(scope="module")
def real_site(
    records: list[CaptionRecord], pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    written = [replace(one, kind="reference", model="") for one in records if one.image_id not in LEFT_OUT]
    with open_index(str(tmp_path_factory.mktemp("real") / "index"), create=True) as index:
        index.add(written)
        app = create_app(index, lambda: open_captioner("default"), Settings(images=(pictures,)))
        with listening(app) as url:
            yield url


def searched(visitor: Visit) -> None:
    visitor.open(f"/?q={CAT}")
    visitor.has(".certificate", "Exact: the true top")
    visitor.settled()
    assert visitor.cards()[0] == "skimage/chelsea.jpg"


def test_a_photo_finds_another_of_the_same_thing(at: Visitor, real_site: str, pictures: Path) -> None:
    with at(real_site) as visitor:
        visitor.open()
        visitor.settled()
        if visitor.size == "desktop":
            visitor.picture("start")
        visitor.page.set_input_files("#choose", pictures / Path(QUERY).name)
        visitor.has("#query-caption", "motorcycle")
        visitor.settled()
        assert visitor.cards()[0] == FOUND
        if visitor.size == "desktop":
            visitor.picture("photo")


def test_words_that_count_several_times_are_told(at: Visitor, real_site: str) -> None:
    with at(real_site) as visitor:
        searched(visitor)
        visitor.picture("answers" if visitor.size == "desktop" else "phone")
        visitor.page.locator(".card a").first.click()
        visitor.has("dialog .word.both", "cat ×3")
        if visitor.size == "desktop":
            visitor.picture("detail")


def test_the_answers_in_dark_colours(at: Visitor, real_site: str) -> None:
    with at(real_site, color_scheme="dark") as visitor:
        searched(visitor)
        assert visitor.barriers() == []
        if visitor.size == "desktop":
            visitor.picture("dark")
