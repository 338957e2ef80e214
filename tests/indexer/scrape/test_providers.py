"""Providers: paging, quotas, errors of their APIs, and what they say of a picture."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from yarl import URL

from indexer.errors import ScrapeError
from indexer.scrape.data_set import scraped_photos
from indexer.scrape.items import Item, SearchProgress, UnansweredError
from indexer.scrape.manifest import NAME, ManifestWriter
from indexer.scrape.providers import NAMES, provider
from indexer.scrape.providers.listed import HtmlPage
from indexer.scrape.providers.protocol import ResultPage
from indexer.scrape.transport import Limits, Response
from tests.indexer.scrape.apis import Apis, Picture, google_error
from tests.indexer.scrape.conftest import Scraping
from tests.indexer.scrape.pictures import jpeg
from tests.indexer.scrape.site import Answer, Raw, Request, Site, as_json, hang_up

pytestmark = pytest.mark.usefixtures("kept_examiners")

ENGINES = ("openverse", "wikimedia", "google", "flickr")
PATHS = {
    "openverse": "/v1/images/",
    "wikimedia": "/w/api.php",
    "google": "/customsearch/v1",
    "flickr": "/services/rest/",
}


def _pictures(site: Site, count: int, title: str = "A cat") -> Sequence[Picture]:
    return [
        Picture(site.photo(f"/photo-{number}.jpg", jpeg(number)), f"{title} {number}")
        for number in range(count)
    ]


def _asked(site: Site, name: str) -> list[Request]:
    return [request for request in site.asked if request.path == PATHS[name]]


@pytest.mark.parametrize(
    ("name", "pages"), [("openverse", 3), ("wikimedia", 3), ("google", 5), ("flickr", 1)]
)
def test_pages_are_turned_until_enough_is_taken(
    name: str, pages: int, site: Site, scraping: Scraping
) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = _pictures(site, 48)
    engine = provider(name, apis.environment())
    report = scraping(["cats"], engine, per_query=45)
    assert len(_asked(site, name)) == pages
    assert report.found[name] == 45
    assert len(scraping.items()) == 45
    for per_query in (45, 10):
        scraping(["cats"], engine, per_query=per_query)
        assert len(_asked(site, name)) == pages  # an answered query is not asked again
    report = scraping(["cats"], engine, per_query=100)
    assert len(scraping.items()) == 48  # a larger share goes on where the smaller one ended
    assert sum(report.ended.values()) == 3
    asked = len(_asked(site, name))
    scraping(["cats"], engine, per_query=100)
    assert len(_asked(site, name)) == asked  # nor one that has no more


class _Endless:
    """An API that always has more."""

    async def api(self, *_: object) -> object:
        return {"stat": "ok", "photos": {"pages": 10_000}, "page_count": 10_000}

    async def page(self, url: str) -> Response:
        raise NotImplementedError


@pytest.mark.parametrize(("name", "last"), [("openverse", 12), ("flickr", 40)])
def test_no_page_is_asked_for_behind_the_last_that_an_api_gives(name: str, last: int) -> None:
    engine = provider(name, {"FLICKR_API_KEY": "x"})
    pages = [asyncio.run(engine.search("cats", str(number), _Endless())) for number in (last - 1, last)]
    assert [page.cursor for page in pages] == [str(last), None]


def test_openverse_is_asked_as_often_as_it_allows() -> None:
    tokens = ("", "a token")
    assert [60 / provider("openverse", {"OPENVERSE_TOKEN": one}).delay for one in tokens] == [20, 100]


@pytest.mark.parametrize("name", ENGINES)
def test_no_results(name: str, site: Site, scraping: Scraping) -> None:
    report = scraping(["nothing like it"], provider(name, Apis(site).environment()))
    assert (report.found.total(), report.unanswered) == (0, [])


CREDITS = {
    "openverse": (
        "CC BY-SA 2.0",
        "https://stocksnap.example/photo/XNVBVXO3B7",
        '"A cat 0" by Ann Example is licensed under CC BY-SA 2.0.',
    ),
    "wikimedia": (
        "CC BY 4.0",
        "https://commons.example/wiki/File:1.jpg",
        '"A cat 0" by Ann Example, CC BY 4.0, https://commons.example/wiki/File:1.jpg',
    ),
    "google": ("", "https://site.example/page.html", '"A cat 0", https://site.example/page.html'),
    "flickr": (
        "CC BY 2.0",
        "https://www.flickr.com/photos/12345678@N00/5000",
        '"A cat 0" by Ann Example, CC BY 2.0, https://www.flickr.com/photos/12345678@N00/5000',
    ),
}


@pytest.mark.parametrize("name", ENGINES)
def test_title_page_creator_licence_and_attribution_reach_the_records(
    name: str, site: Site, scraping: Scraping
) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = _pictures(site, 1)
    scraping(["cats"], provider(name, apis.environment()))
    (record,) = scraped_photos(scraping.folder)
    licence, page, attribution = CREDITS[name]
    assert (record.title, record.license, record.page) == ("A cat 0", licence, page)
    assert record.attribution == attribution
    assert record.creator == ("" if name == "google" else "Ann Example")
    assert (record.provider, record.query) == (name, "cats")


@pytest.mark.parametrize("words", [120, 800])
def test_a_long_title_costs_neither_creator_nor_licence(words: int, site: Site, scraping: Scraping) -> None:
    apis, title = Apis(site), " ".join(["a long title"] * (words // 3))
    apis.pictures["cats"] = _pictures(site, 1, title)
    scraping(["cats"], provider("openverse", apis.environment()))
    (item,) = scraping.items().values()
    assert len(item.title) == 500
    made = f'"{item.title}" by Ann Example, CC BY-SA 2.0, https://stocksnap.example/photo/XNVBVXO3B7'
    given = f'"{title} 0" by Ann Example is licensed under CC BY-SA 2.0.'
    assert item.attribution == (given if len(given) <= 2_000 else made)


ERRORS = [
    ("openverse", as_json({"detail": "Authentication credentials were not provided."}, 401), "key"),
    (
        "openverse",
        as_json({"error": "InputError", "detail": "Invalid", "fields": ["q"]}, 400),
        "api-error",
    ),
    ("openverse", as_json({"detail": "Request was throttled."}, 429), "rate-limited"),
    ("openverse", Answer(b"<html>down</html>", status=500), "server-error"),
    ("openverse", Answer(b"<html>fine</html>"), "bad-answer"),
    ("openverse", Answer(b"[" * 100_000, "application/json"), "bad-answer"),
    ("openverse", Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}), "redirect"),
    (
        "wikimedia",
        as_json({"error": {"code": "maxlag", "info": "Waiting for a host: 6 s"}}),
        "rate-limited",
    ),
    ("wikimedia", as_json({"error": {"code": "ratelimited", "info": "Too often"}}), "rate-limited"),
    ("wikimedia", as_json({"error": {"code": "gsrsearch-error", "info": "<b>bad</b>"}}), "api-error"),
    (
        "google",
        google_error(429, "Quota exceeded for metric 'Queries'", "rateLimitExceeded"),
        "quota",
    ),
    ("google", google_error(403, "Daily Limit Exceeded for google-secret", "dailyLimitExceeded"), "quota"),
    ("google", google_error(400, "API key not valid: google-secret", "badRequest"), "key"),
    ("flickr", as_json({"stat": "fail", "code": 100, "message": "Invalid API Key flickr-secret"}), "key"),
    ("flickr", as_json({"stat": "fail", "code": 105, "message": "Service unavailable"}), "server-error"),
    ("flickr", as_json({"stat": "fail", "code": 1, "message": "Too many tags"}), "api-error"),
]


@pytest.mark.parametrize(("name", "answer", "reason"), ERRORS)
def test_an_error_of_the_api_is_told_and_a_later_run_asks_again(
    name: str, answer: Answer, reason: str, site: Site, scraping: Scraping
) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = _pictures(site, 2)
    working, site.pages[PATHS[name]] = site.pages[PATHS[name]], answer
    engine = provider(name, apis.environment())
    report = scraping(["cats"], engine)
    assert [progress.reason for progress in report.unanswered] == [reason]
    told = report.text() + (scraping.folder / NAME).read_text("utf-8")
    assert "secret" not in told
    assert "not answered" in told
    site.pages[PATHS[name]] = working
    assert scraping(["cats"], engine).total("downloaded") == 2


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("cursor", ["next", "-1", "9" * 5000, "[1]", "[" * 100_000])
def test_a_cursor_of_an_edited_manifest_is_told_and_a_later_run_begins_anew(
    name: str, cursor: str, site: Site, scraping: Scraping
) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = _pictures(site, 2)
    engine = provider(name, apis.environment())
    scraping.folder.mkdir()
    with ManifestWriter(scraping.folder) as manifest:
        manifest.append(SearchProgress(name, "cats", cursor, used=1, taken=1))
    (progress,) = scraping(["cats"], engine).unanswered
    assert (progress.reason, progress.cursor) == ("cursor", "")
    assert f"the manifest says to go on at '{cursor[:40]}', which is no place" in progress.detail
    assert scraping(["cats"], engine).total("downloaded") == 2


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("answer", [[], {}, None, 3, {"results": {}, "query": [], "items": 1, "photos": []}])
def test_answers_of_another_shape_break_nothing(
    name: str, answer: object, site: Site, scraping: Scraping
) -> None:
    apis = Apis(site)
    site.pages[PATHS[name]] = as_json(answer)
    report = scraping(["cats"], provider(name, apis.environment()))
    assert report.found.total() == 0


def test_one_unanswered_query_does_not_stop_the_others(site: Site, scraping: Scraping) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = _pictures(site, 3)
    answer = apis.openverse
    site.pages[PATHS["openverse"]] = lambda request: (
        as_json({"detail": "bad"}, 400) if request.query["q"] == "dogs" else answer(request)
    )
    report = scraping(["dogs", "cats"], provider("openverse", apis.environment()))
    assert report.total("downloaded") == 3
    assert len(report.unanswered) == 1


def test_a_spent_quota_is_told_in_googles_words_and_nothing_more_is_asked(
    site: Site, scraping: Scraping
) -> None:
    apis = Apis(site)
    site.pages[PATHS["google"]] = google_error(429, "Quota exceeded for google-secret", "rateLimitExceeded")
    queries = [f"cats {number}" for number in range(9)]
    report = scraping(queries, provider("google", apis.environment()), attempts=3)
    assert {progress.query for progress in report.unanswered} == set(queries)
    assert {progress.detail for progress in report.unanswered} == {"Google: HTTP 429 Quota exceeded for ***"}
    assert len(_asked(site, "google")) == 1


@pytest.mark.parametrize(
    ("name", "answer", "asked"),
    [
        ("openverse", as_json({"detail": "Invalid token."}, 401), 1),
        ("openverse", as_json({"detail": "Expected available in 40000 seconds."}, 429), 2),
        ("openverse", Answer(b"<html>down</html>", status=500), 2),
        ("openverse", Answer(b"<html>moved</html>"), 2),
        ("wikimedia", as_json({"error": {"code": "ratelimited", "info": "Too often"}}), 2),
        ("google", google_error(400, "API key not valid: google-secret", "badRequest"), 1),
        ("google", google_error(400, "Request contains an invalid argument.", "badRequest"), 12),
        ("flickr", as_json({"stat": "fail", "code": 100, "message": "Invalid API Key"}), 1),
        ("flickr", as_json({"stat": "fail", "code": 1, "message": "Too many tags"}), 12),
    ],
)
def test_what_keeps_all_queries_from_an_answer_is_asked_no_more(
    name: str, answer: Answer, asked: int, site: Site, scraping: Scraping
) -> None:
    apis = Apis(site)
    working, site.pages[PATHS[name]] = site.pages[PATHS[name]], answer
    queries = [f"cats {number}" for number in range(12)]
    for number, query in enumerate(queries):
        apis.pictures[query] = [Picture(site.photo(f"/{number}.jpg", jpeg(number)), query)]
    report = scraping(queries, provider(name, apis.environment()))
    assert len(_asked(site, name)) == asked
    reasons = [progress.reason for progress in report.unanswered]
    assert (len(reasons), reasons.count("not-asked")) == (12, 12 - asked)
    line = f"  {name} was asked no more in this run: {12 - asked} queries were not asked"
    assert (line in report.text().splitlines()) == (asked < 12)
    site.pages[PATHS[name]] = working
    assert scraping(queries, provider(name, apis.environment())).total("downloaded") == 12


def test_an_answered_query_is_answered_though_its_provider_is_spent(site: Site, scraping: Scraping) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = _pictures(site, 2)
    engine = provider("openverse", apis.environment())
    scraping(["cats"], engine)
    site.pages[PATHS["openverse"]] = as_json({"detail": "Invalid token."}, 401)
    report = scraping(["dogs", "cats"], engine)
    assert [(progress.query, progress.reason) for progress in report.unanswered] == [("dogs", "key")]


def test_a_failure_between_answers_stops_nothing(site: Site, scraping: Scraping) -> None:
    apis = Apis(site)
    site.pages[PATHS["openverse"]] = lambda request: (
        Answer(status=500) if int(request.query["q"]) % 2 else apis.openverse(request)
    )
    report = scraping([str(number) for number in range(8)], provider("openverse", apis.environment()))
    assert [progress.query for progress in report.unanswered] == ["1", "3", "5", "7"]


def test_pages_that_cannot_be_read_say_nothing_of_others(site: Site, scraping: Scraping) -> None:
    pages = [site.url(f"/{number}") for number in range(12)]
    for number in range(12):
        site.pages[f"/{number}"] = Answer(status=500)
    report = scraping(pages, HtmlPage())
    assert [progress.reason for progress in report.unanswered] == ["server-error"] * 12


@pytest.mark.parametrize("name", ENGINES)
def test_an_api_is_asked_one_request_after_the_other(name: str, site: Site, scraping: Scraping) -> None:
    apis, site.latency = Apis(site), 0.01
    scraping([f"nothing like it {number}" for number in range(8)], provider(name, apis.environment()))
    assert (len(_asked(site, name)), site.most_busy) == (8, 1)


@pytest.mark.parametrize("name", ENGINES)
def test_an_api_that_says_how_long_to_wait_is_asked_again(name: str, site: Site, scraping: Scraping) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = _pictures(site, 2)
    working = site.pages[PATHS[name]]
    assert callable(working)
    answers = iter([as_json({}, 429, **{"Retry-After": "5"})])
    site.pages[PATHS[name]] = lambda request: next(answers, None) or working(request)
    report = scraping(["cats"], provider(name, apis.environment()), attempts=2)
    assert report.total("downloaded") == 2


@pytest.mark.parametrize(
    ("name", "busy", "rest"),
    [
        (
            "wikimedia",
            as_json({"error": {"code": "maxlag", "info": ""}}, 200, **{"Retry-After": "7"}),
            7.0,
        ),
        ("wikimedia", as_json({"error": {"code": "maxlag", "info": "6 seconds lagged"}}), 5.0),
        ("wikimedia", as_json({"error": {"code": "ratelimited", "info": "Too often"}}), 5.0),
        ("openverse", as_json({"detail": "Request was throttled."}, 429), 5.0),
        ("openverse", Answer(b"<html>Too many requests</html>", status=429), 5.0),
        ("flickr", as_json({"stat": "fail", "code": 105, "message": "Service unavailable"}), 5.0),
    ],
)
def test_an_api_that_is_asked_too_much_rests_and_is_asked_again(
    name: str, busy: Answer, rest: float, site: Site, scraping: Scraping
) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = _pictures(site, 2)
    working = site.pages[PATHS[name]]
    assert callable(working)
    answers = iter([busy])
    site.pages[PATHS[name]] = lambda request: next(answers, None) or working(request)
    report = scraping(["cats"], provider(name, apis.environment()), attempts=2, per_host=1)
    assert report.total("downloaded") == 2
    assert scraping.clock.slept[0] == rest


def test_a_throttle_that_is_longer_than_a_run_waits_is_told_in_its_words(
    site: Site, scraping: Scraping
) -> None:
    apis = Apis(site)
    detail = "Request was throttled. Expected available in 40000 seconds."
    site.pages[PATHS["openverse"]] = as_json({"detail": detail}, 429, **{"Retry-After": "40000"})
    queries = [f"cats {number}" for number in range(12)]
    report = scraping(queries, provider("openverse", apis.environment()), attempts=3)
    assert len(_asked(site, "openverse")) == 1
    assert report.unanswered[0].detail == f"Openverse: HTTP 429 {detail}"
    assert [progress.reason for progress in report.unanswered[2:]] == ["not-asked"] * 10
    assert scraping.clock.slept == []


def test_a_host_that_asks_to_wait_is_named_once(site: Site, scraping: Scraping) -> None:
    apis = Apis(site)
    site.pages[PATHS["openverse"]] = Answer(status=429, headers={"Retry-After": "3000"})
    engine = provider("openverse", apis.environment())
    details = [one.detail for one in scraping(["a cat", "a dog"], engine).unanswered]
    assert details == ["Openverse: HTTP 429", "127.0.0.1 asks to wait 3000 s"]


async def _no_http(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 abc " + request.path.encode() + b"\r\n\r\n")


async def _ended(request: Request, writer: asyncio.StreamWriter) -> None:
    """A chunk that is none."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("raw", [_no_http, _ended, hang_up])
def test_keys_reach_no_message_whatever_the_server_says(
    raw: Raw, name: str, site: Site, scraping: Scraping
) -> None:
    apis = Apis(site)
    site.raw[PATHS[name]] = raw
    report = scraping(["a cat"], provider(name, apis.environment()))
    (unanswered,) = report.unanswered
    told = report.text() + (scraping.folder / NAME).read_text("utf-8")
    assert "secret" not in told
    assert "http" not in unanswered.detail
    assert unanswered.detail.startswith("127.0.0.1: ")


def test_an_api_may_say_more_than_a_small_picture_holds(site: Site, scraping: Scraping) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = _pictures(site, 20, "A cat " * 50)
    size = max(len(jpeg(number)) for number in range(20))
    assert len(apis.openverse(Request("", {"q": "cats", "page": "1", "page_size": "20"}, {})).body) > size
    limits = Limits(bytes=size, seconds=20.0)
    report = scraping(["cats"], provider("openverse", apis.environment()), limits=limits)
    assert report.total("downloaded") == 20


def test_requests_to_an_api_keep_its_distance_whatever_robots_txt_says(
    site: Site, scraping: Scraping
) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = _pictures(site, 45)
    site.pages["/robots.txt"] = Answer(b"User-agent: *\nDisallow: /w/", "text/plain")
    site.pages["/w/api.php"] = apis.wikimedia
    scraping(["cats"], provider("wikimedia", apis.environment()), per_query=45)
    assert len(scraping.files()) == 45
    assert len(_asked(site, "wikimedia")) == 3
    assert sum(scraping.clock.slept) >= 2 * 0.5  # on this clock only distances take time


def test_titles_with_markup_and_odd_scripts(site: Site, scraping: Scraping) -> None:
    apis = Apis(site)
    titles = {
        "<b>Bold</b> &amp; <i>brave</i>": "Bold & brave",
        "<script>alert(1)</script>A dog": "A dog",
        "&lt;b&gt;escaped twice&lt;/b&gt;": "escaped twice",
        "東京の猫\u0000\u001b[31m": "東京の猫[31m",
        "قطة جميلة \u202eevil": "قطة جميلة evil",
        "a\n\tb\u00a0 c": "a b c",
        "👩\u200d🚒 cafe\u0301": "👩\u200d🚒 café",
        "": "",
    }
    urls = [site.photo(f"/{number}.jpg", jpeg(number)) for number in range(len(titles))]
    apis.pictures["odd"] = [Picture(url, title) for url, title in zip(urls, titles, strict=True)]
    scraping(["odd"], provider("openverse", apis.environment()))
    assert [scraping.items()[url].title for url in urls] == list(titles.values())


def test_the_pictures_of_a_page(site: Site, scraping: Scraping) -> None:
    site.pages["/gallery/"] = Answer(
        b"""<html><head><title>My  cats</title><base href="/pictures/"><meta name="author" content="Ann">
        <meta property="og:image" content="/head.jpg"></head><body>
        <img src="1.jpg" alt="A grey cat"><img data-src="2.jpg" src="data:image/gif;base64,R0=">
        <img src="1.jpg#again"><img src="ftp://x/y.jpg"><img alt="no address"><img src="http://[bad/">
        <a rel="license nofollow" href="https://creativecommons.org/licenses/by/4.0/">free</a></body></html>"""
    )
    for number, path in enumerate(("/head.jpg", "/pictures/1.jpg", "/pictures/2.jpg")):
        site.photo(path, jpeg(number))
    scraping([site.url("/gallery/")], HtmlPage())
    items = scraping.items()
    assert {site.url(path) for path in ("/head.jpg", "/pictures/1.jpg", "/pictures/2.jpg")} == set(items)
    grey: Item = items[site.url("/pictures/1.jpg")]
    assert (grey.title, grey.creator) == ("A grey cat", "Ann")
    assert grey.license_url == "https://creativecommons.org/licenses/by/4.0/"
    assert grey.page == site.url("/gallery/")
    bare = items[site.url("/pictures/2.jpg")]
    assert (bare.title, "My cats" in bare.attribution) == ("", True)


def _found(site: Site, scraping: Scraping, markup: str) -> list[tuple[str, str]]:
    """Path and title of each picture of a page."""
    site.pages["/page"] = Answer(f"<title>Cats</title>{markup}".encode())
    scraping([site.url("/page")], HtmlPage())
    return [(url.removeprefix(site.url("")), item.title) for url, item in scraping.items().items()]


@pytest.mark.parametrize(
    ("markup", "path"),
    [
        ('<img srcset="/small.jpg 320w, /large.jpg 1280w, /middle.jpg 640w">', "/large.jpg"),
        ('<img srcset="/1.jpg, /2.jpg 2x">', "/2.jpg"),
        ('<img src="/1.jpg" srcset="/2.jpg 2x">', "/2.jpg"),
        ('<img src="/1.jpg" srcset="/half.jpg 0.5x">', "/1.jpg"),
        ('<img src="/1.jpg" srcset="/small.jpg 20w">', "/small.jpg"),  # with widths, src is for old browsers
        ('<img src="/1.jpg" srcset="/same.jpg">', "/1.jpg"),
        ('<img src="/1.jpg" srcset="/wrong.jpg 2y, /large.jpg 0w">', "/1.jpg"),
        ('<img src="data:image/gif;base64,R0=" data-srcset="/late.jpg 9w" srcset="/x.gif">', "/late.jpg"),
        ('<img src="/1.jpg" srcset="data:image/png;base64,AA 900w, ftp://a/b 800w, /c.jpg 5w">', "/c.jpg"),
        ('<picture><source srcset="/a.webp"><img src="/a.jpg"></picture>', "/a.jpg"),
        ('<picture><source srcset="/a.webp 9w, /b.webp 10w"><img src="/a.jpg"></picture>', "/b.webp"),
        ('<picture><source srcset="/a.jpg 9w"><source srcset="/b.jpg 10w"/><img></picture>', "/b.jpg"),
        ('<picture><source srcset="/a.avif 9w" type="image/avif"><img src="/a.jpg"></picture>', "/a.jpg"),
        ('<picture><source srcset="/a 9w" type="IMAGE/WebP; x"><img src="/a.jpg"></picture>', "/a"),
        ('<video><source src="/a.mp4" srcset="/a.jpg 9w"></video><img src="/1.jpg">', "/1.jpg"),
        ('<picture><source srcset="/a.jpg 9w"></picture><img src="/1.jpg">', "/1.jpg"),
    ],
)
def test_of_the_sizes_of_a_picture_the_largest_is_taken(
    markup: str, path: str, site: Site, scraping: Scraping
) -> None:
    assert _found(site, scraping, markup.replace("<img", '<img alt="A grey cat"')) == [(path, "A grey cat")]


def test_each_picture_of_a_page_is_one(site: Site, scraping: Scraping) -> None:
    picture = (
        '<picture><source srcset="/%s.webp 9w"><img src="/%s.jpg" alt="%s"><img src="/in-%s.jpg"></picture>'
    )
    found = _found(site, scraping, "".join(picture.replace("%s", name) for name in "ab"))
    assert sorted(found) == [
        *(("/a.webp", "a"), ("/b.webp", "b"), ("/in-a.jpg", ""), ("/in-b.jpg", "")),
    ]


@pytest.mark.parametrize("kind", ["text/html", "application/xhtml+xml"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-be", "utf-16-le"])
def test_a_byte_order_mark_tells_the_charset_of_a_page(
    encoding: str, kind: str, site: Site, scraping: Scraping
) -> None:
    url = site.photo("/x.jpg", jpeg(1))
    page = "\ufeff<title>Кошки</title><img src=/x.jpg>".encode(encoding)
    site.pages["/page"] = Answer(page, f"{kind}; charset=windows-1252")
    scraping([site.url("/page")], HtmlPage())
    assert scraping.items()[url].title == "Кошки"


@pytest.mark.parametrize(
    "charset",
    "hex base64 zlib rot13 uu bz2 undefined idna punycode unicode_escape unknown windows-1252 x\0y".split(
        " "
    ),
)
def test_a_page_is_read_whatever_its_charset(charset: str, site: Site, scraping: Scraping) -> None:
    kind = f"text/html; charset={charset}".replace("\0", "%00")
    page = b"<title>A \\cat</title><![foo[x]]><p><![archive[12]]><img src=x.jpg>"
    site.pages["/page"] = Answer(page, kind)
    url = site.photo("/x.jpg", jpeg(1))
    scraping([site.url("/page")], HtmlPage())
    assert scraping.outcome(url) == ("downloaded", "")
    assert scraping.items()[url].title == "A \\cat"


def test_a_title_is_of_the_page_s_own_picture_and_words_of_theirs(site: Site, scraping: Scraping) -> None:
    site.pages["/page"] = Answer(
        b"""<title>My cats</title><meta property="og:image" content="/1.jpg"><meta name=author content=Ann>
        <svg><title>An arrow</title></svg><img src="/1.jpg" alt="A grey cat"><img src="/1.jpg" alt="Again">
        <svg><g><title>A heart</title></g></svg><img src="/2.jpg"><title>Another</title>"""
        + b'<base href="/%b/"><img src="/3.jpg">' % (b"x" * 5_000)
    )
    urls = [site.photo(f"/{number}.jpg", jpeg(number)) for number in (1, 2, 3)]
    scraping([site.url("/page")], HtmlPage())
    assert [scraping.items()[url].title for url in urls] == ["A grey cat", "", ""]


def test_only_one_picture_of_several_is_the_page_s_own(site: Site, scraping: Scraping) -> None:
    site.pages["/page"] = Answer(
        b"""<title>My cats</title><img src="/1.jpg"><img src="/2.jpg" title="A grey cat">
        <img src="/3.jpg" alt=""><meta property="og:image" content="/3.jpg">
        <meta property="og:image" content="data:,x">"""
    )
    urls = [site.photo(f"/{number}.jpg", jpeg(number)) for number in (1, 2, 3)]
    scraping([site.url("/page")], HtmlPage())
    assert [scraping.items()[url].title for url in urls] == ["", "A grey cat", "My cats"]


class _OnePage:
    """Answers with one page, wherever redirects may have led."""

    def __init__(self, address: str, markup: str) -> None:
        self.answer = Response(URL(address), 200, {}, markup.encode())

    async def api(self, *_: object) -> None:
        raise NotImplementedError

    async def page(self, url: str) -> Response:
        return self.answer


def _read(markup: str, address: str = "https://a.example/gallery/") -> ResultPage:
    return asyncio.run(HtmlPage().search("https://a.example/", "", _OnePage(address, markup)))


def test_a_page_gives_so_many_pictures_and_no_more() -> None:
    page = _read("".join(f"<img src={number}>" for number in range(5_000)))
    assert [item.url for item in page.found] == [f"https://a.example/gallery/{n}" for n in range(2_000)]
    assert page.remark == "https://a.example/: the first 2,000 pictures of this page were taken; it has more"
    again = "".join(f"<img src={number % 2_000}>" for number in range(5_000))
    assert (len(_read(again).found), _read(again).remark) == (2_000, "")


def test_that_a_page_has_more_pictures_than_are_taken_is_told(site: Site, scraping: Scraping) -> None:
    urls = [site.photo(f"/{number}.jpg", jpeg(number)) for number in range(3)]
    site.pages["/page"] = Answer("".join(f"<img src={url}>" for url in urls).encode())
    report = scraping([site.url("/page")], HtmlPage(most=2))
    told = f"  {site.url('/page')}: the first 2 pictures of this page were taken; it has more"
    assert told in report.text().splitlines()
    assert (list(scraping.items()), report.unfinished()) == (urls[:2], "")


def test_no_long_text_is_held_once_for_each_picture_of_a_page() -> None:
    page = _read(f"<title>{'t' * 500}</title><meta name=author content={'a' * 500}><img src=1><img src=2>")
    one, other = page.found
    assert len(one.attribution) > 1_000 and one.attribution is other.attribution


@pytest.mark.parametrize(
    "markup",
    [
        f"<base href=/{'b' * 1_500}/><img src={'x' * 1_500}><img src=/1.jpg>",
        f"<img src=/{'я' * 1_500}><img src=/1.jpg>",  # six letters each, as it is asked for
        f"<a rel=license href=/{'l' * 600}>free</a><img src=/1.jpg>",
    ],
)
def test_links_of_a_page_that_are_too_long_are_none(markup: str) -> None:
    assert [(item.url, item.license) for item in _read(markup).found] == [("https://a.example/1.jpg", "")]


def test_a_page_that_leads_to_an_address_without_end_is_not_read() -> None:
    with pytest.raises(UnansweredError) as caught:
        _read("<img src=/1.jpg>", f"https://a.example/{'p' * 4_000}")
    assert caught.value.reason == "bad-url"
    told = "its address, after redirects, has 4,018 characters (the limit is 2,048)"
    assert caught.value.detail == f"https://a.example/: {told}"


def test_titles_with_odd_markup_reach_the_manifest(site: Site, scraping: Scraping, tmp_path: Path) -> None:
    listed = tmp_path / "urls.txt"
    urls = [site.photo(f"/{number}.jpg", jpeg(number)) for number in (1, 2)]
    listed.write_text(f"{urls[0]}\tScan <![archive[12]]>\n{urls[1]}\tA dog\n", "utf-8")
    scraping([str(listed)])
    assert [scraping.items()[url].title for url in urls] == ["Scan", "A dog"]


def test_a_page_has_no_title_beside_its_address(site: Site, scraping: Scraping) -> None:
    (unanswered,) = scraping([site.url("/page\tMy cats")], HtmlPage()).unanswered
    assert (unanswered.reason, site.paths()) == ("bad-url", [])


@pytest.mark.parametrize("name", ENGINES)
def test_an_odd_title_costs_nothing_else(name: str, site: Site, scraping: Scraping) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = _pictures(site, 2, "Scan <![archive[12]]>")
    assert scraping(["cats"], provider(name, apis.environment())).total("downloaded") == 2


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (Answer(status=404), "not-found"),
        (Answer(b"{}", "application/json"), "content-type"),
        (Answer(b"<img src=x.jpg>", headers={"X-Robots-Tag": "noai"}), "robots-tag"),
        (Answer(status=302, headers={"Location": "http://10.0.0.1/"}), "private-address"),
    ],
)
def test_a_page_that_cannot_be_read(page: Answer, reason: str, site: Site, scraping: Scraping) -> None:
    site.pages["/page"] = page
    report = scraping([site.url("/page")], HtmlPage())
    assert [progress.reason for progress in report.unanswered] == [reason]


@pytest.mark.parametrize("name", ["no/such/list.txt", "a\0b", "x" * 5_000])
def test_a_list_that_is_not_there(name: str, site: Site, scraping: Scraping) -> None:
    report = scraping([name, site.photo("/x.jpg", jpeg(1)).replace("http", "HTTP")])
    assert [progress.reason for progress in report.unanswered] == ["no-list"]
    assert report.total("downloaded") == 1


@pytest.mark.parametrize("text", ["", "# to come\n", "import os\nx = 'https://a.example/x.jpg'\n" * 600])
def test_a_list_without_an_address_is_none(text: str, scraping: Scraping, tmp_path: Path) -> None:
    (tmp_path / "mk.py").write_text(text)
    report = scraping([str(tmp_path / "mk.py")])
    assert [progress.reason for progress in report.unanswered] == ["no-list"]
    assert report.unanswered[0].detail.startswith(f"{tmp_path / 'mk.py'}: holds no web address (")
    assert scraping.items() == {}


def test_a_list_whose_addresses_begin_late(site: Site, scraping: Scraping, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("no address\n" * 600 + site.photo("/x.jpg", jpeg(1)) + "\n")
    report = scraping([str(tmp_path / "urls.txt")])
    assert report.total("downloaded") == 1 and not report.unanswered


def test_every_provider_by_name() -> None:
    environment = {"GOOGLE_API_KEY": "a", "GOOGLE_SEARCH_ENGINE_ID": "b", "FLICKR_API_KEY": "c"}
    assert [provider(name, environment).name for name in NAMES] == list(NAMES)
    with pytest.raises(ScrapeError, match="unknown provider 'bing'; known: openverse"):
        provider("bing", environment)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("api.example.org/search", r"not a web address \(no http:// or https://\)"),
        ("ftp://api.example.org/", "ftp: is not http or https"),
        ("https://user:secret@api.example.org/", "the address holds credentials"),
        ("http://api.example.org/", "only https:// is allowed, except to this machine"),
        ("http://10.0.0.1/", "only https:// is allowed, except to this machine"),
    ],
)
def test_a_wrong_endpoint_is_refused_by_its_variable(name: str, endpoint: str, told: str) -> None:
    variable = f"{name.upper()}_ENDPOINT"
    environment = {"GOOGLE_API_KEY": "a", "GOOGLE_SEARCH_ENGINE_ID": "b", "FLICKR_API_KEY": "c"}
    with pytest.raises(ScrapeError, match=f"^{variable}: {told}") as caught:
        provider(name, {**environment, variable: endpoint})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    "endpoint",
    ["https://api.example.org/x", "http://127.0.0.1:80/", "http://[::1]/", "http://localhost/", " ", ""],
)
def test_an_endpoint_is_encrypted_or_of_this_machine(name: str, endpoint: str) -> None:
    environment = {"GOOGLE_API_KEY": "a", "GOOGLE_SEARCH_ENGINE_ID": "b", "FLICKR_API_KEY": "c"}
    standard = provider(name, environment).endpoint
    assert standard.startswith("https://")
    made = provider(name, {**environment, f"{name.upper()}_ENDPOINT": endpoint})
    assert made.endpoint == (endpoint.strip() or standard)


@pytest.mark.parametrize(("name", "variable"), [("google", "GOOGLE_API_KEY"), ("flickr", "FLICKR_API_KEY")])
def test_a_missing_key_is_asked_for_by_name(name: str, variable: str) -> None:
    with pytest.raises(ScrapeError, match=f"set {variable} in the environment"):
        provider(name, {variable: " "})


def test_keys_are_not_shown() -> None:
    keys = ("GOOGLE_API_KEY", "GOOGLE_SEARCH_ENGINE_ID", "FLICKR_API_KEY", "OPENVERSE_TOKEN")
    assert "a secret" not in repr([provider(name, dict.fromkeys(keys, "a secret")) for name in ENGINES])
