"""What is said of a picture: the newest word of a provider, and of several providers the better one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.scrape.credit import merged_credit
from indexer.scrape.data_set import scraped_photos
from indexer.scrape.items import Item
from indexer.scrape.ledger import Ledger
from indexer.scrape.manifest import NAME
from indexer.scrape.report import ScrapeReport
from indexer.scrape.scraper import scrape
from tests.indexer.scrape.conftest import SETTINGS, Scraping, timeless
from tests.indexer.scrape.pictures import jpeg
from tests.indexer.scrape.saying import Saying
from tests.indexer.scrape.site import Site

pytestmark = pytest.mark.usefixtures("kept_examiners")


def _ask(scraping: Scraping, *providers: Saying, refresh: bool = False) -> ScrapeReport:
    changed = replace(SETTINGS, refresh=refresh)
    return scrape(["cats"], providers, scraping.folder, changed, clock=scraping.clock)


def _credits(scraping: Scraping) -> list[tuple[str, str, str, str]]:
    return [(one.title, one.creator, one.license, one.provider) for one in scraped_photos(scraping.folder)]


CC = Item("", title="A cat", creator="Ann", license="CC BY 4.0", attribution="A cat by Ann, CC BY 4.0")
BARE = Item("", title="cat.jpg", page="http://a.example/", attribution='"cat.jpg", http://a.example/')


@pytest.mark.parametrize("changed", [True, False], ids=["other picture", "same picture"])
def test_what_a_provider_says_now_counts_whether_the_picture_changed_or_not(
    changed: bool, site: Site, scraping: Scraping
) -> None:
    said = replace(CC, url=site.photo("/x.jpg", jpeg(1)))
    _ask(scraping, Saying("openverse", (said,)))
    if changed:
        site.photo("/x.jpg", jpeg(2))
    new = replace(said, title="A dog", creator="Bob", license="CC0", attribution="A dog by Bob, CC0")
    _ask(scraping, Saying("openverse", (new,)), refresh=True)
    assert _credits(scraping) == [("A dog", "Bob", "CC0", "openverse")]
    (photo,) = scraped_photos(scraping.folder)
    assert (photo.attribution, Path(photo.image).read_bytes()) == (new.attribution, jpeg(1 + changed))
    before = (scraping.folder / NAME).read_bytes()
    _ask(scraping, Saying("openverse", (new,)), refresh=True)
    added = (scraping.folder / NAME).read_bytes()[len(before) :]
    assert b'"line":"item"' not in added  # nothing new was said


def test_a_licence_that_was_withdrawn_goes(site: Site, scraping: Scraping) -> None:
    said = replace(CC, url=site.photo("/x.jpg", jpeg(1)))
    _ask(scraping, Saying("openverse", (said,)))
    bare = replace(said, license="", attribution="A cat by Ann")
    _ask(scraping, Saying("openverse", (bare,)), refresh=True)
    assert _credits(scraping) == [("A cat", "Ann", "", "openverse")]


@pytest.mark.parametrize("order", [*permutations(["google", "openverse"])], ids="-".join)
@pytest.mark.parametrize("runs", [1, 2], ids=["one run", "two runs"])
def test_the_provider_that_knows_the_licence_counts(
    order: Sequence[str], runs: int, site: Site, scraping: Scraping
) -> None:
    url = site.photo("/x.jpg", jpeg(1))
    said = {"google": replace(BARE, url=url), "openverse": replace(CC, url=url)}
    providers = [Saying(name, (said[name],)) for name in order]
    for some in [providers] if runs == 1 else [[one] for one in providers]:
        _ask(scraping, *some)
    assert _credits(scraping) == [("A cat", "Ann", "CC BY 4.0", "openverse")]
    (photo,) = scraped_photos(scraping.folder)
    assert (photo.page, photo.attribution) == ("http://a.example/", CC.attribution)


def test_a_duplicate_that_takes_a_photo_over_has_its_own_newest_credit(
    site: Site, scraping: Scraping
) -> None:
    first = replace(CC, url=site.photo("/1.jpg", jpeg(1)))
    _ask(scraping, Saying("openverse", (first,)))
    copy = replace(BARE, url=site.photo("/2.jpg", jpeg(1)))
    _ask(scraping, Saying("google", (copy,)))
    _ask(scraping, Saying("flickr", (replace(CC, url=copy.url, creator="Eve"),)))
    site.photo("/1.jpg", jpeg(2))
    _ask(scraping, Saying("openverse", (first,)), refresh=True)
    _ask(scraping)
    assert sorted(_credits(scraping)) == [
        ("A cat", "Ann", "CC BY 4.0", "openverse"),
        ("A cat", "Eve", "CC BY 4.0", "flickr"),
    ]


def test_a_creator_that_another_answer_names_is_in_the_attribution() -> None:
    licensed = replace(CC, creator="", attribution="A cat, CC BY 4.0")
    whole = merged_credit(licensed, replace(BARE, creator="Ann"))
    assert whole.attribution == '"A cat" by Ann, CC BY 4.0, http://a.example/'
    assert merged_credit(licensed, whole) == whole


def test_an_attribution_names_the_licence_that_holds() -> None:
    whole = merged_credit(replace(CC, license="", attribution=""), CC)
    assert (whole.license, whole.attribution) == ("", '"A cat" by Ann')
    assert merged_credit(whole, CC) == whole


def test_lists_that_name_an_address_twice_change_nothing_run_after_run(
    site: Site, scraping: Scraping, tmp_path: Path
) -> None:
    url, listed = site.photo("/x.jpg", jpeg(1)), tmp_path / "urls.txt"
    listed.write_text(f"{url}\tA cat\n{url}\tA dog\n", "utf-8")
    scraping([str(listed)])
    before = (scraping.folder / NAME).read_bytes()
    scraping([str(listed)])
    assert (scraping.folder / NAME).read_bytes() == before
    assert [photo.title for photo in scraped_photos(scraping.folder)] == ["A cat"]


_words = st.builds(
    Item,
    url=st.just("http://a.example/x.jpg"),
    title=st.sampled_from(["", "A", "B"]),
    creator=st.sampled_from(["", "Ann", "Bob"]),
    license=st.sampled_from(["", "CC0", "CC BY"]),
)


@timeless
@given(st.lists(_words, min_size=1, max_size=4), st.data())
def test_it_does_not_matter_which_search_of_a_run_is_answered_first(
    said: list[Item], data: st.DataObject
) -> None:
    answers = [(place, replace(item, provider=f"p{place}")) for place, item in enumerate(said)]
    _, best = max(answers, key=lambda answer: (bool(answer[1].license), -answer[0]))
    ledger = Ledger()
    for place, item in data.draw(st.permutations(answers)):
        ledger.discover(item, place) or ledger.update_credit(item, place)
    last = ledger.last(best.url)
    ledger.close()
    assert last.license == best.license
    assert last.title == (best.title or last.title)
    assert last.creator == (best.creator or last.creator)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=5))
def test_after_any_changes_each_photo_has_what_was_said_of_it_last(
    changes: list[tuple[int, int, int]],
) -> None:
    """Two addresses, each with other pictures in turn, of which their provider says one thing or another."""
    with Site() as site, TemporaryDirectory() as folder:
        scraping = Scraping(site, Path(folder) / "scraped")
        now: dict[int, tuple[Item, int]] = {}
        for address, number, word in changes:
            url = site.photo(f"/{address}.jpg", jpeg(10 * address + number))
            licence = ("", "CC0", "CC BY")[word]
            said = Item(url, title=f"title {word}", creator=f"creator {word}", license=licence)
            now[address] = said, 10 * address + number
            _ask(scraping, Saying("openverse", tuple(item for item, _ in now.values())), refresh=True)
        photos = {Path(one.image).read_bytes(): one for one in scraped_photos(scraping.folder)}
        assert photos.keys() == {jpeg(number) for _, number in now.values()}
        for item, number in now.values():
            photo = photos[jpeg(number)]
            assert (photo.title, photo.creator, photo.license) == (item.title, item.creator, item.license)
