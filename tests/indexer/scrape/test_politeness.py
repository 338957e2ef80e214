"""Manners: robots.txt, wishes in headers and pages, rates, pauses, an honest name. On a clock that jumps."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import math
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indexer.errors import ScrapeError
from indexer.scrape.data_set import replaced_photos, scraped_photos
from indexer.scrape.items import RefusalError
from indexer.scrape.pace import Pace, retry_after
from indexer.scrape.providers.listed import HtmlPage
from indexer.scrape.robots import LARGEST, unwanted_directives
from indexer.scrape.settings import is_contact
from tests.captioner.pictures import encoded
from tests.indexer.scrape.conftest import Jumping, Scraping, Waking, timeless
from tests.indexer.scrape.pictures import image, jpeg
from tests.indexer.scrape.site import Answer, Request, Site, hang_up

pytestmark = pytest.mark.usefixtures("kept_examiners")


def _robots(site: Site, text: str) -> None:
    site.pages["/robots.txt"] = Answer(text.encode(), "text/plain")


def test_robots_txt_is_asked_once_a_site_and_obeyed(site: Site, scraping: Scraping) -> None:
    _robots(site, "User-agent: *\nDisallow: /private/\nAllow: /private/but-this")
    open_urls = [site.photo(f"/open/{number}.jpg", jpeg(number)) for number in range(4)]
    closed = site.photo("/private/x.jpg", jpeg(8))
    allowed = site.photo("/private/but-this.jpg", jpeg(9))
    scraping([*open_urls, closed, allowed])
    assert scraping.outcome(closed) == ("skipped", "robots")
    assert scraping.outcome(allowed) == ("downloaded", "")
    assert "/private/x.jpg" not in site.paths()
    assert [request.path for request in site.asked].count("/robots.txt") == 1


def test_rules_for_this_program_by_name(site: Site, scraping: Scraping) -> None:
    _robots(site, "User-agent: caption-search\nDisallow: /\n\nUser-agent: *\nDisallow:")
    scraping([site.photo("/x.jpg", jpeg(1))])
    assert scraping.outcome(site.url("/x.jpg")) == ("skipped", "robots")


def test_the_target_of_a_redirect_is_asked_about_too(site: Site, scraping: Scraping) -> None:
    _robots(site, "User-agent: *\nDisallow: /private")
    site.photo("/private.jpg", jpeg(1))
    site.pages["/open.jpg"] = Answer(status=301, headers={"Location": "/private.jpg"})
    scraping([site.url("/open.jpg")])
    assert scraping.outcome(site.url("/open.jpg")) == ("skipped", "robots")
    assert site.paths() == ["/open.jpg"]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_no_robots_txt_allows_all(status: int, site: Site, scraping: Scraping) -> None:
    site.pages["/robots.txt"] = Answer(b"User-agent: *\nDisallow: /", status=status)
    scraping([site.photo("/x.jpg", jpeg(1))])
    assert scraping.outcome(site.url("/x.jpg")) == ("downloaded", "")


@pytest.mark.parametrize(("status", "wait"), [(429, 5.0), (500, 1.0), (503, 1.0), (None, 1.0)])
def test_an_unreachable_robots_txt_forbids_all_for_now(
    status: int | None, wait: float, site: Site, scraping: Scraping
) -> None:
    url = site.photo("/x.jpg", jpeg(1))
    if status is None:
        site.raw["/robots.txt"] = hang_up
    else:
        site.pages["/robots.txt"] = Answer(status=status)
    scraping([url], attempts=2)
    assert scraping.outcome(url) == ("skipped", "robots-unreachable")
    assert scraping.clock.slept == [wait]  # for robots.txt alone: it is known to be unreachable then
    assert site.paths() == []
    site.raw.clear()
    _robots(site, "")
    scraping([url])
    assert scraping.outcome(url) == ("downloaded", "")


def test_a_byte_order_mark_hides_no_rule(site: Site, scraping: Scraping) -> None:
    _robots(site, "\ufeffUser-agent: *\nDisallow: /private/")
    scraping([site.photo("/private/x.jpg", jpeg(1))])
    assert scraping.outcome(site.url("/private/x.jpg")) == ("skipped", "robots")


async def _endless_rules(request: Request, writer: asyncio.StreamWriter) -> None:
    """Without a length and without an end; each line is twelve bytes long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
    writer.write(b"User-agent: *\nDisallow: /private/\n")
    while not writer.is_closing():
        writer.write(b"Allow: /xyz\n" * 10_000)
        await writer.drain()


_RULES = b"User-agent: *\nDisallow: /private/\n"


@pytest.mark.parametrize("length", [6 * 1024 * 1024, 513 * 1024])
@pytest.mark.parametrize("packed", [False, True])
def test_of_a_robots_txt_that_is_too_long_its_beginning_holds(
    length: int, packed: bool, site: Site, scraping: Scraping
) -> None:
    text = _RULES + b"# nothing\n" * (length // 10)
    headers = {"Content-Encoding": "gzip"} if packed else {}
    site.pages["/robots.txt"] = Answer(gzip.compress(text) if packed else text, "text/plain", headers=headers)
    closed, permitted = site.photo("/private/x.jpg", jpeg(1)), site.photo("/x.jpg", jpeg(2))
    scraping([closed, permitted])
    assert scraping.outcome(closed) == ("skipped", "robots")
    assert scraping.outcome(permitted) == ("downloaded", "")


def test_a_robots_txt_without_end_is_read_as_far_as_its_limit(site: Site, scraping: Scraping) -> None:
    site.raw["/robots.txt"] = _endless_rules
    closed, permitted = site.photo("/private/x.jpg", jpeg(1)), site.photo("/x.jpg", jpeg(2))
    scraping([closed, permitted])
    assert scraping.outcome(closed) == ("skipped", "robots")
    assert scraping.outcome(permitted) == ("downloaded", "")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_line_that_the_limit_cuts_says_nothing(end: bytes, site: Site, scraping: Scraping) -> None:
    """It would forbid all (Disallow: /) where it means /private/."""
    head, last = b"User-agent: *" + end, b"Disallow: /private/"
    comments = b"#" * (LARGEST - len(head) - len(end) - len(b"Disallow: /")) + end
    site.pages["/robots.txt"] = Answer(head + comments + last + end, "text/plain")
    url = site.photo("/x.jpg", jpeg(1))
    scraping([url])
    assert scraping.outcome(url) == ("downloaded", "")


def test_a_robots_txt_of_just_the_limit_holds_to_its_last_letter(site: Site, scraping: Scraping) -> None:
    rules = b"User-agent: *\n" + b"#" * (LARGEST - 33) + b"\nDisallow: /private"
    assert len(rules) == LARGEST
    site.pages["/robots.txt"] = Answer(rules, "text/plain")
    scraping([site.photo("/private/x.jpg", jpeg(1))])
    assert scraping.outcome(site.url("/private/x.jpg")) == ("skipped", "robots")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("http://10.0.0.1/robots.txt", "resolves to an address that is not public"),
        ("ftp://127.0.0.1/robots.txt", "ftp: is not http or https"),
        ("http://xn--a/robots.txt", "not a web address"),
        ("/robots.txt", "the redirects come back to where they were"),
    ],
)
def test_a_robots_txt_that_leads_where_nobody_may_ask_is_unreachable(
    place: str, said: str, site: Site, scraping: Scraping
) -> None:
    """Nothing is wrong with the photo's own address, so no option that permits addresses is of use."""
    site.pages["/robots.txt"] = Answer(status=302, headers={"Location": place})
    url = site.photo("/x.jpg", jpeg(1))
    scraping([url])
    assert scraping.outcome(url) == ("skipped", "robots-unreachable")
    assert scraping.items()[url].detail.startswith(f"robots.txt, after a redirect: {said}")


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_host_that_hangs_up_is_asked_as_often_as_attempts_say(
    at_once: int, site: Site, scraping: Scraping
) -> None:
    urls = [site.url(f"/{number}.jpg") for number in range(at_once)]
    site.raw.update({f"/{number}.jpg": hang_up for number in range(at_once)})
    scraping(urls, attempts=3, per_host=1)
    assert {scraping.outcome(url) for url in urls} == {("failed", "connection")}
    assert sorted(site.paths()) == sorted([f"/{number}.jpg" for number in range(at_once)] * 3)
    assert sorted(scraping.clock.slept) == [1.0] * at_once + [2.0] * at_once


@pytest.mark.parametrize(
    ("wish", "delay"),
    [
        ("Crawl-delay: 7", 7.0),
        ("Crawl-delay: 1\nRequest-rate: 1/30s", 30.0),
        ("Crawl-delay: 30\nRequest-rate: 1/1s", 30.0),
    ],
)
def test_crawl_delay_is_kept(wish: str, delay: float, site: Site, scraping: Scraping) -> None:
    _robots(site, f"User-agent: *\n{wish}")
    scraping([site.photo(f"/{number}.jpg", jpeg(number)) for number in range(3)], per_host=1)
    assert scraping.clock.slept == [delay] * 3  # robots.txt was a request as well


@pytest.mark.parametrize(
    "wish", ["Crawl-delay: 86400", "Request-rate: 1/86400s", f"Request-rate: 1/{'9' * 400}s"]
)
def test_a_crawl_delay_beyond_reason_is_a_refusal(wish: str, site: Site, scraping: Scraping) -> None:
    _robots(site, f"User-agent: *\n{wish}")
    scraping([site.photo("/x.jpg", jpeg(1))])
    assert scraping.outcome(site.url("/x.jpg")) == ("skipped", "crawl-delay")


def _busy_at_first(site: Site, path: str, wait: str, status: int = 429) -> str:
    answers = iter([Answer(status=status, headers={"Retry-After": wait})])
    photo = Answer(jpeg(1), "image/jpeg")
    site.pages[path] = lambda request: next(answers, photo)
    return site.url(path)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(status: int, site: Site, scraping: Scraping) -> None:
    url = _busy_at_first(site, "/busy.jpg", "17", status)
    scraping([url], attempts=2)
    assert scraping.outcome(url) == ("downloaded", "")
    assert scraping.clock.slept == [17.0]


def test_a_host_that_asks_for_too_long_a_pause_is_left_for_a_later_run(
    site: Site, scraping: Scraping
) -> None:
    url = _busy_at_first(site, "/busy.jpg", "3600")
    others = [site.photo(f"/{number}.jpg", jpeg(number)) for number in range(3)]
    scraping([url, *others], attempts=3, per_host=1)
    assert {scraping.outcome(each) for each in (url, *others)} == {("failed", "rate-limited")}
    assert site.paths() == ["/busy.jpg"]
    assert scraping.clock.slept == []
    scraping([])
    assert {scraping.outcome(each)[0] for each in (url, *others)} <= {"downloaded", "duplicate"}


def test_a_host_that_refuses_without_saying_for_how_long_rests_ever_longer(
    site: Site, scraping: Scraping
) -> None:
    answers = iter([Answer(status=429)] * 3)
    site.pages["/busy.jpg"] = lambda request: next(answers, Answer(jpeg(1), "image/jpeg"))
    other = site.photo("/other.jpg", jpeg(2))
    scraping([site.url("/busy.jpg"), other], attempts=4, per_host=1)
    assert {scraping.outcome(url) for url in scraping.items()} == {("downloaded", "")}
    assert scraping.clock.slept == [5.0, 10.0, 20.0]


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}])
def test_a_host_that_refuses_time_and_again_is_given_up(
    headers: dict[str, str], site: Site, scraping: Scraping
) -> None:
    urls = [site.photo(f"/{number}.jpg", jpeg(number)) for number in range(20)]
    working = dict(site.pages)
    site.pages.update(dict.fromkeys(working, Answer(status=429, headers=headers)))
    report = scraping(urls, attempts=3, per_host=1)
    assert len(site.paths()) == 5
    assert report.reasons() == {("failed", "rate-limited"): 20}
    told = "127.0.0.1 refused 5 times in a row and is asked no more in this run"
    assert [item.detail for item in scraping.items().values()].count(told) == 18
    site.pages.update(working)
    assert scraping([]).total("downloaded") == 20


def test_refusals_between_answers_give_up_no_host(site: Site, scraping: Scraping) -> None:
    for number in range(12):
        _busy_at_first(site, f"/{number}.jpg", "")
    urls = [site.url(f"/{number}.jpg") for number in range(12)]
    scraping(urls, attempts=2, per_host=1)
    assert scraping.clock.slept == [5.0] * 12
    assert {scraping.outcome(url)[0] for url in urls} == {"downloaded", "duplicate"}


def test_refusals_of_what_was_asked_at_once_are_one() -> None:
    clock = Waking()

    async def all_at_once() -> list[float]:
        pace = Pace(clock, per_host=8, delay=0.0)
        first = [pace.refused("a.example", None) for _ in range(8)]
        pace.answered("a.example")  # what was asked before, too
        clock.time += 5.0
        return [*first, pace.refused("a.example", None)]

    assert asyncio.run(all_at_once()) == [5.0] * 8 + [10.0]


def test_passing_failures_are_tried_again_ever_later(site: Site, scraping: Scraping) -> None:
    site.pages["/x.jpg"] = Answer(status=500)
    scraping([site.url("/x.jpg")], attempts=4)
    assert site.paths() == ["/x.jpg"] * 4
    assert scraping.clock.slept == [1.0, 2.0, 4.0]


def test_final_failures_are_not_tried_again(site: Site, scraping: Scraping) -> None:
    scraping([site.url("/missing.jpg")], attempts=4)
    scraping([site.url("/missing.jpg")], attempts=4)
    assert site.paths() == ["/missing.jpg"]


def test_every_request_says_who_asks(site: Site, scraping: Scraping) -> None:
    scraping([site.photo("/x.jpg", jpeg(1))])
    names = {request.headers["user-agent"] for request in site.asked}
    assert len(site.asked) == 2
    (name,) = names
    assert name.startswith("caption-search/")
    assert name.endswith("(+mailto:tests@example.org)")


def test_a_photo_is_asked_for_unpacked(site: Site, scraping: Scraping) -> None:
    scraping([site.photo("/x.jpg", jpeg(1))])
    assert site.asked[-1].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "contact",
    ["", "  ", "nobody", "a@", "mailto:nobody", "https://", "ftp://a.example", "a@b.example\r\nX-Header: b"],
)
def test_no_scrape_without_a_contact(contact: str, scraping: Scraping) -> None:
    with pytest.raises(ScrapeError, match="contact"):
        scraping(["x"], contact=contact)


@pytest.mark.parametrize(
    "contact", ["you@example.org", "mailto:you@example.org?subject=photos", "HTTPS://me.example/bot"]
)
def test_a_contact_is_what_can_be_written_to(contact: str) -> None:
    assert is_contact(contact)


def test_no_more_connections_to_a_host_than_allowed(site: Site, scraping: Scraping) -> None:
    site.latency = 0.002
    scraping([site.photo(f"/{number}.jpg", jpeg(number)) for number in range(40)], per_host=3)
    assert site.most_busy == 3
    assert len(scraping.files()) == 40


def test_requests_to_a_host_keep_their_distance() -> None:
    clock, starts = Jumping(), []

    async def ask(pace: Pace) -> None:
        async with pace.turn("a.example"):
            starts.append(clock.time)

    async def all_at_once() -> None:
        pace = Pace(clock, per_host=4, delay=0.5)
        await asyncio.gather(*(ask(pace) for _ in range(6)))

    asyncio.run(all_at_once())
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(sorted(starts)))


def test_hosts_do_not_wait_for_each_other() -> None:
    clock = Jumping()

    async def two_hosts() -> None:
        pace = Pace(clock, per_host=1, delay=100.0)
        for name in ("a.example", "b.example", "c.example"):
            async with pace.turn(name):
                pass

    asyncio.run(two_hosts())
    assert clock.slept == []


def test_a_pause_holds_for_those_who_wait_already() -> None:
    clock = Jumping()

    async def pause_meanwhile() -> float:
        pace = Pace(clock, per_host=2, delay=1.0)
        async with pace.turn("a.example"):
            pass
        pace.pause("a.example", 30.0)
        start = clock.time
        async with pace.turn("a.example"):
            return clock.time - start

    assert asyncio.run(pause_meanwhile()) == 30.0


@timeless
@given(st.integers(1, 8), st.sampled_from([0.0, 0.5, 2.0]), st.floats(0.0, 30.0), st.integers(0, 9))
def test_requests_keep_their_distance_after_a_pause_too(
    per_host: int, delay: float, pause: float, pausing: int
) -> None:
    """Those who wait for their slots when the pause comes, and those who come meanwhile, are spaced anew."""
    clock, starts = Waking(), []

    async def ask(pace: Pace, number: int) -> None:
        async with pace.turn("a.example"):
            starts.append(clock.time)
            if number == pausing:
                pace.pause("a.example", pause)
                starts.append(math.nan)

    async def all_at_once() -> None:
        pace = Pace(clock, per_host=per_host, delay=delay)
        asked = [asyncio.create_task(ask(pace, number)) for number in range(10)]
        while not all(one.done() for one in asked):
            await clock.go_on()

    asyncio.run(all_at_once())
    paused = next(place for place, time in enumerate(starts) if math.isnan(time))
    before, after = starts[:paused], starts[paused + 1 :]
    assert all(time >= before[-1] + pause for time in after)
    assert all(
        later - earlier >= delay - 1e-6 for part in (before, after) for earlier, later in pairwise(part)
    )


def test_too_long_a_pause_is_not_waited_for() -> None:
    async def paused() -> None:
        pace = Pace(Jumping(), longest_wait=60.0)
        pace.pause("a.example", 61.0)
        async with pace.turn("a.example"):
            pass

    with pytest.raises(RefusalError) as caught:
        asyncio.run(paused())
    assert caught.value.reason == "rate-limited"


def test_resting_hosts_are_forgotten() -> None:
    async def many() -> int:
        pace = Pace(Jumping(), delay=0.0)
        for number in range(10_000):
            async with pace.turn(f"{number}.example"):
                pass
        return len(pace._hosts)

    assert asyncio.run(many()) <= 4096


def test_an_api_keeps_its_distance_after_its_host_was_forgotten() -> None:
    async def waits() -> list[float]:
        clock = Jumping()
        pace = Pace(clock, delay=0.0, delays={"api.example": 3.0})
        for number in range(3):
            async with pace.turn("api.example"):
                pass
            if number == 0:
                clock.time += 10.0
                for other in range(5_000):
                    async with pace.turn(f"{other}.example"):
                        pass
        return clock.slept

    assert asyncio.run(waits()) == [3.0]


@timeless
@given(st.integers(0, 10**6))
def test_retry_after_in_seconds(seconds: int) -> None:
    assert retry_after(f" {seconds} ", now=0.0) == float(seconds)


def test_more_digits_than_a_number_may_have_are_a_long_time() -> None:
    assert retry_after("9" * 5000, now=0.0) == 10**9


@timeless
@given(st.integers(0, 10**6), st.integers(10**9, 2 * 10**9))
def test_retry_after_as_a_date(seconds: int, now: int) -> None:
    assert retry_after(formatdate(now + seconds, usegmt=True), float(now)) == float(seconds)
    assert retry_after(formatdate(now - seconds, usegmt=True), float(now)) == 0.0


@timeless
@given(st.text())
@example("²")
def test_any_retry_after_is_a_time_or_nothing(text: str) -> None:
    wait = retry_after(text, now=0.0)
    assert wait is None or wait >= 0.0


@pytest.mark.parametrize(
    ("values", "directive"),
    [
        (["noindex"], "noindex"),
        (["NoAI, noimageai"], "noai"),
        (["noimageai"], "noimageai"),
        (["nofollow", "none"], "none"),
        (["max-image-preview: large, noimageindex"], "noimageindex"),
        (["max-snippet: -1, noindex"], "noindex"),
        (["max-video-preview: -1, noimageindex"], "noimageindex"),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST"], ""),
        (["unavailable_after: 2050-06-25T15:00:00, noindex"], "noindex"),
        (["unavailable_after: Sat, 25 Jun 2050 15:00:00 GMT, noindex"], "noindex"),
        (["otherbot: unavailable_after: Sat, 25 Jun 2050 15:00:00 GMT, noindex"], ""),
        (["unavailable_after: Saturday, 25-Jun-50 15:00:00 UTC, noindex, otherbot: none"], "noindex"),
        (["otherbot: noindex, nofollow"], ""),
        (["otherbot: noindex", "noai"], "noai"),
        (["caption-search: noindex"], "noindex"),
        (["*: noindex"], "noindex"),
        (["index, follow", "all", ""], ""),
    ],
)
def test_directives_for_robots(values: list[str], directive: str) -> None:
    assert unwanted_directives(values) == directive


@pytest.mark.parametrize(
    "element",
    [
        '<meta name="robots" content="noindex">',
        '<meta name="robots" content="noai, noimageai">',
        '<META NAME="Caption-Search" CONTENT="none">',
        '<meta name="tdm-reservation" content="1">',
    ],
)
def test_a_page_may_keep_its_pictures(element: str, site: Site, scraping: Scraping) -> None:
    site.photo("/x.jpg", jpeg(1))
    site.pages["/page"] = Answer(f"<head>{element}</head><img src=x.jpg>".encode())
    report = scraping([site.url("/page")], HtmlPage())
    assert [progress.reason for progress in report.unanswered] == ["robots-tag"]
    assert site.paths() == ["/page"]


@pytest.mark.parametrize("refresh", [False, True])
def test_what_is_asked_for_again_and_found_again_counts_once(
    refresh: bool, site: Site, scraping: Scraping
) -> None:
    there, failing = site.photo("/there.jpg", jpeg(1), ETag='"v1"'), site.url("/failing.jpg")
    site.pages["/failing.jpg"] = lambda _: Answer(b"", status=500)
    report = scraping([there, failing])
    assert (dict(report.found), report.known) == ({"urls": 2}, 0)
    site.pages["/there.jpg"] = lambda _: Answer(status=304)
    report = scraping([there, failing], refresh=refresh)
    assert (dict(report.found), report.known) == ({"urls": 2}, 1)
    assert report.reasons() == {("failed", "server-error"): 1}


def test_what_has_not_changed_is_not_sent_again(site: Site, scraping: Scraping) -> None:
    def conditional(request: Request) -> Answer:
        if request.headers.get("if-none-match") == '"v1"':
            return Answer(status=304)
        return Answer(jpeg(1), "image/jpeg", headers={"ETag": '"v1"', "Last-Modified": "yesterday"})

    site.pages["/x.jpg"] = conditional
    scraping([site.url("/x.jpg")])
    before = scraping.items()
    report = scraping([], refresh=True)
    assert site.asked[-1].headers["if-modified-since"] == "yesterday"
    assert (report.known, report.total("downloaded")) == (1, 0)
    assert scraping.items() == before


def test_what_has_changed_replaces_the_old_and_a_failure_does_not(site: Site, scraping: Scraping) -> None:
    url = site.photo("/x.jpg", jpeg(1), ETag='"v1"')
    scraping([url])
    site.photo("/x.jpg", jpeg(2), ETag='"v2"')
    scraping([], refresh=True)
    changed = [record.image_id for record in scraped_photos(scraping.folder)]
    assert len(changed) == 1
    assert len(scraping.files()) == 2
    del site.pages["/x.jpg"]
    report = scraping([], refresh=True)
    assert report.reasons() == {("failed", "not-found"): 1}
    assert [record.image_id for record in scraped_photos(scraping.folder)] == changed


def _photos(scraping: Scraping) -> set[str]:
    """SHA-256 (the half in the image id) of the photos of the data set."""
    return {record.image_id.rpartition("/")[2] for record in scraped_photos(scraping.folder)}


def _sha256(*numbers: int) -> set[str]:
    return {hashlib.sha256(jpeg(number)).hexdigest()[:32] for number in numbers}


def test_what_an_address_gave_before_and_no_more_is_new_elsewhere(site: Site, scraping: Scraping) -> None:
    url = site.photo("/x.jpg", jpeg(1))
    scraping([url])
    site.photo("/x.jpg", jpeg(2))
    assert (
        scraping([], refresh=True).total("downloaded") == 1
    )  # no ETag, no Last-Modified: asked all the same
    assert _photos(scraping) == _sha256(2)
    other = site.photo("/other.jpg", jpeg(1))
    scraping([other])
    assert scraping.outcome(other) == ("downloaded", "")
    assert _photos(scraping) == _sha256(1, 2)


def test_a_picture_that_comes_back_is_the_one_that_counts(site: Site, scraping: Scraping) -> None:
    for number in (1, 2, 1):
        url = site.photo("/x.jpg", jpeg(number), ETag=f'"{number}"')
        scraping([url], refresh=True)
        assert _photos(scraping) == _sha256(number)
    assert scraping([url], refresh=True).known == 1


def test_an_address_that_gives_another_kept_picture_is_its_duplicate(site: Site, scraping: Scraping) -> None:
    one, two = site.photo("/1.jpg", jpeg(1)), site.photo("/2.jpg", jpeg(2))
    scraping([one, two])
    site.photo("/1.jpg", jpeg(2))
    report = scraping([], refresh=True)
    assert (report.known, report.reasons()) == (1, {("duplicate", "sha256"): 1})
    assert scraping.outcome(one) == ("duplicate", "sha256")
    assert _photos(scraping) == _sha256(2)


def test_a_duplicate_takes_the_place_of_a_picture_that_was_replaced(site: Site, scraping: Scraping) -> None:
    kept = site.photo("/kept.jpg", jpeg(1))
    scraping([kept])
    copy = site.photo("/copy.jpg", jpeg(1))
    scraping([copy])
    assert scraping.outcome(copy) == ("duplicate", "sha256")
    site.photo("/kept.jpg", jpeg(2))
    scraping([], refresh=True)
    scraping([])
    assert scraping.outcome(copy) == ("downloaded", "")
    assert _photos(scraping) == _sha256(1, 2)


def test_a_picture_that_changed_a_little_takes_its_own_place(site: Site, scraping: Scraping) -> None:
    picture = image(1, (640, 480))
    url = site.photo("/x.jpg", encoded(picture, quality=95))
    scraping([url])
    smaller = encoded(picture.resize((320, 240)), quality=80)
    site.photo("/x.jpg", smaller)
    scraping([], refresh=True)
    assert _photos(scraping) == {hashlib.sha256(smaller).hexdigest()[:32]}


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=6))
def test_after_any_changes_the_data_set_is_what_the_addresses_give(changes: list[tuple[int, int]]) -> None:
    with Site() as site, TemporaryDirectory() as folder:
        scraping = Scraping(site, Path(folder) / "scraped")
        given: dict[str, int] = {}
        for address, number in changes:
            url = site.url(f"/{address}.jpg")
            if url in given and scraping.outcome(url)[0] == "duplicate":
                continue  # nobody asks whether a duplicate has become another picture
            given[site.photo(f"/{address}.jpg", jpeg(number))] = number
            scraping([*given], refresh=True)
        scraping([])  # duplicates of what was replaced while they were not asked
        assert _photos(scraping) == _sha256(*given.values())


@settings(deadline=None, max_examples=10)
@given(st.permutations(range(3)))
def test_addresses_that_exchange_their_pictures_lose_none(numbers: list[int]) -> None:
    with Site() as site, TemporaryDirectory() as folder:
        scraping = Scraping(site, Path(folder) / "scraped")
        scraping([site.photo(f"/{number}.jpg", jpeg(number)) for number in range(3)])
        for address, number in enumerate(numbers):
            site.photo(f"/{address}.jpg", jpeg(number))
        for _ in range(2):  # the second one asks for the duplicates that took a photo over
            scraping([], refresh=True)
            assert _photos(scraping) == _sha256(*numbers)
            assert all(Path(photo.image).is_file() for photo in scraped_photos(scraping.folder))
            assert not [*replaced_photos(scraping.folder)]
