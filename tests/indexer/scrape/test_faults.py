"""Every fault that a server can have: the right status, nothing outside the folder, the rest done."""

from __future__ import annotations

import asyncio
import errno
import gzip
import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image
from yarl import URL

from indexer.errors import ScrapeError
from indexer.scrape.addresses import AddressGuard
from indexer.scrape.manifest import NAME
from indexer.scrape.providers.google import Google
from indexer.scrape.providers.listed import UrlList
from indexer.scrape.scraper import scrape
from indexer.scrape.transport import Check, Limits, Response
from tests.captioner.pictures import encoded
from tests.indexer.scrape.conftest import SETTINGS, Jumping, Scraping, resolve
from tests.indexer.scrape.pictures import image, jpeg
from tests.indexer.scrape.site import (
    Answer,
    Raw,
    Request,
    Site,
    endless,
    hang_up,
    slow_loris,
    ten_gigabytes,
    truncated,
)

pytestmark = pytest.mark.usefixtures("kept_examiners")


def _moved(place: str, status: int = 302) -> Answer:
    return Answer(status=status, headers={"Location": place})


def _bomb() -> bytes:
    """A PNG of 90,000 x 90,000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 90_000, 90_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))


def _zeros(size: int) -> bytes:
    return gzip.compress(b"\0" * size)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

#: name -> (how the site is wrong, status, reason)
FAULTS: dict[str, tuple[Callable[[Site], Answer | Raw], str, str]] = {
    "missing": (lambda site: Answer(status=404), "failed", "not-found"),
    "gone": (lambda site: Answer(status=410), "failed", "not-found"),
    "forbidden": (lambda site: Answer(status=403), "failed", "http-error"),
    "unchanged": (lambda site: Answer(status=304), "failed", "http-error"),
    "overloaded": (lambda site: Answer(status=429), "failed", "rate-limited"),
    "broken": (lambda site: Answer(status=500), "failed", "server-error"),
    "busy": (lambda site: Answer(status=503, headers={"Retry-After": "1"}), "failed", "rate-limited"),
    "slow loris": (lambda site: slow_loris, "failed", "timeout"),
    "truncated": (lambda site: truncated(jpeg(1)), "failed", "truncated"),
    "hangs up": (lambda site: hang_up, "failed", "connection"),
    "cut photo": (lambda site: Answer(jpeg(1)[:2000], "image/jpeg"), "failed", "not-a-photo"),
    "html": (lambda site: Answer(b"<html>", "text/html"), "skipped", "content-type"),
    "html as jpeg": (lambda site: Answer(b"<html>no</html>", "image/jpeg"), "failed", "unknown-format"),
    "svg": (lambda site: Answer(SVG, "image/svg+xml"), "skipped", "content-type"),
    "svg as png": (lambda site: Answer(SVG, "image/png"), "failed", "unknown-format"),
    "eps": (lambda site: Answer(b"%!PS-Adobe-3.0 EPSF-3.0\n", "image/eps"), "failed", "unknown-format"),
    "empty": (lambda site: Answer(b"", "image/jpeg"), "failed", "not-a-photo"),
    "pixel bomb": (lambda site: Answer(_bomb(), "image/png"), "failed", "not-a-photo"),
    "gzip bomb": (
        lambda site: Answer(_zeros(50_000_000), "image/png", headers={"Content-Encoding": "gzip"}),
        "skipped",
        "too-large",
    ),
    "damaged gzip": (
        lambda site: Answer(b"no gzip", "image/png", headers={"Content-Encoding": "gzip"}),
        "failed",
        "encoding",
    ),
    "unasked encoding": (
        lambda site: Answer(b"x", "image/png", headers={"Content-Encoding": "br"}),
        "failed",
        "encoding",
    ),
    "10 GB": (lambda site: ten_gigabytes, "skipped", "too-large"),
    "endless": (lambda site: endless, "skipped", "too-large"),
    "icon": (lambda site: Answer(encoded(Image.new("RGB", (1, 1))), "image/jpeg"), "skipped", "too-small"),
    "to another loopback": (
        lambda site: _moved(f"http://127.0.0.2:{site.port}/good.jpg"),
        "skipped",
        "private-address",
    ),
    "to a private network": (lambda site: _moved("http://10.0.0.1/x.jpg"), "skipped", "private-address"),
    "to cloud metadata": (
        lambda site: _moved("http://169.254.169.254/latest/meta-data/"),
        "skipped",
        "private-address",
    ),
    "to IPv6 loopback": (lambda site: _moved(f"http://[::1]:{site.port}/"), "skipped", "private-address"),
    "to mapped IPv4": (lambda site: _moved("http://[::ffff:10.0.0.1]/"), "skipped", "private-address"),
    "to localhost by name": (
        lambda site: _moved(f"http://localhost.localdomain:{site.port}/good.jpg"),
        "skipped",
        "private-address",
    ),
    "to a file": (lambda site: _moved("file:///etc/passwd"), "skipped", "scheme"),
    "to ftp": (lambda site: _moved("ftp://127.0.0.1/x.jpg"), "skipped", "scheme"),
    "to a host that cannot be decoded": (lambda site: _moved("http://xn--a/x.jpg"), "skipped", "bad-url"),
    "to nowhere": (lambda site: _moved(""), "failed", "redirect-loop"),
    "to itself": (lambda site: _moved("/fault"), "failed", "redirect-loop"),
    "noindex": (
        lambda site: Answer(jpeg(1), "image/jpeg", headers={"X-Robots-Tag": "noindex, nofollow"}),
        "skipped",
        "robots-tag",
    ),
    "noai": (
        lambda site: Answer(jpeg(1), "image/jpeg", headers={"X-Robots-Tag": "noai, noimageai"}),
        "skipped",
        "robots-tag",
    ),
    "noindex in the second of two headers": (
        lambda site: Answer(
            jpeg(1), "image/jpeg", headers={"X-Robots-Tag": "max-snippet: -1", "x-robots-tag": "noindex"}
        ),
        "skipped",
        "robots-tag",
    ),
    "reserved": (
        lambda site: Answer(jpeg(1), "image/jpeg", headers={"TDM-Reservation": "1"}),
        "skipped",
        "robots-tag",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_gets_its_status_and_the_rest_is_done(
    name: str, site: Site, scraping: Scraping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, status, reason = FAULTS[name]
    if name == "to localhost by name":
        resolve(monkeypatch, {"localhost.localdomain": ["127.0.0.3"]})
    fault = make(site)
    if isinstance(fault, Answer):
        site.pages["/fault"] = fault
    else:
        site.raw["/fault"] = fault
    good = [site.photo(f"/good-{number}.jpg", jpeg(number + 10)) for number in range(3)]
    limits = Limits(bytes=1_000_000, seconds=0.4 if name == "slow loris" else 20.0)
    report = scraping([good[0], site.url("/fault"), *good[1:]], limits=limits)
    assert scraping.outcome(site.url("/fault")) == (status, reason)
    assert [scraping.outcome(url) for url in good] == [("downloaded", "")] * 3
    assert report.total("downloaded") == 3
    assert report.reasons()[status, reason] == 1
    assert len(scraping.files()) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scraped"]
    assert sorted(path.name for path in scraping.folder.iterdir()) == ["images", "manifest.jsonl"]


def test_a_name_that_changes_its_address_after_the_first_look_is_refused(
    site: Site, scraping: Scraping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: robots.txt is asked at a permitted address, the photo at another."""
    answers = iter([["127.0.0.1"], ["127.0.0.9"], ["127.0.0.9"]])
    names: dict[str, list[str]] = {}

    class Changing(dict[str, list[str]]):
        def __getitem__(self, name: str) -> list[str]:
            return next(answers)

        def __contains__(self, name: object) -> bool:
            return name == "changing.example"

    names = Changing()
    resolve(monkeypatch, names)

    def close(_: object) -> Answer:
        return Answer(status=404, headers={"Connection": "close"})

    site.pages["/robots.txt"] = close
    site.photo("/x.jpg", jpeg(1))
    url = f"http://changing.example:{site.port}/x.jpg"
    monkeypatch.setattr("aiohttp.connector._DNSCacheTable.expired", lambda self, key: True)
    scraping([url])
    assert scraping.outcome(url) == ("skipped", "private-address")
    assert site.paths() == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_chain_of_redirects_ends_after_five(status: int, site: Site, scraping: Scraping) -> None:
    for number in range(7):
        site.pages[f"/{number}"] = _moved(f"/{number + 1}", status)
    site.photo("/7", jpeg(1))
    scraping([site.url("/0"), site.url("/2")])
    assert scraping.outcome(site.url("/0")) == ("failed", "too-many-redirects")
    assert scraping.outcome(site.url("/2")) == ("downloaded", "")


@pytest.mark.parametrize(
    "kind", ["", "application/octet-stream", "binary/octet-stream", "application/binary", "Image/JPEG; q=1"]
)
def test_a_photo_whose_type_tells_nothing_is_one(kind: str, site: Site, scraping: Scraping) -> None:
    """As servers send it that did not look: the decoder decides."""
    site.pages["/x.jpg"] = Answer(jpeg(1), kind)
    scraping([site.url("/x.jpg")])
    assert scraping.outcome(site.url("/x.jpg")) == ("downloaded", "")


def test_two_addresses_that_redirect_to_each_other(site: Site, scraping: Scraping) -> None:
    site.pages["/a"], site.pages["/b"] = _moved("/b"), _moved("/a")
    scraping([site.url("/a")])
    assert scraping.outcome(site.url("/a")) == ("failed", "redirect-loop")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://127.0.0.1/x.jpg", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("not a url", "bad-url"),
        ("http://[oops/x.jpg", "bad-url"),
        ("http://user:secret@127.0.0.1/x.jpg", "bad-url"),
        ("http://:secret@127.0.0.1/x.jpg", "bad-url"),
        ("http://127.0.0.1:0/x.jpg", "bad-url"),
        ("http://2130706433/x.jpg", "bad-url"),
        ("//example.org/x.jpg", "bad-url"),
        ("http://xn--a/x.jpg", "bad-url"),
        ("http://exa mple.org/x.jpg", "bad-url"),
        ("http://exa\u00a0mple.org/x.jpg", "bad-url"),
        ("http://exa%20mple.org/x.jpg", "bad-url"),
        ("http://exa\x01mple.org/x.jpg", "bad-url"),
        ("http://<b>example.org/x.jpg", "bad-url"),
        ("http://a|b.example/x.jpg", "bad-url"),
        ("http://a^b.example/x.jpg", "bad-url"),
        ("http://a..example/x.jpg", "bad-url"),
        ("http://.example/x.jpg", "bad-url"),
        (f"http://{'a' * 64}.example/x.jpg", "bad-url"),
        ("http://192.168.1.1/x.jpg", "private-address"),
    ],
)
def test_an_address_that_must_not_be_asked(
    url: str, reason: str, site: Site, scraping: Scraping, tmp_path: Path
) -> None:
    listed, good = tmp_path / "urls.txt", site.photo("/x.jpg", jpeg(1))
    listed.write_text(f"# a comment\n\n{url}\n{good}\n", encoding="utf-8")
    scraping([str(listed)])
    found = {item.url: (item.status, item.reason) for item in scraping.items().values()}
    assert found.pop(good) == ("downloaded", "")
    assert list(found.values()) == [("skipped", reason)]


@pytest.mark.parametrize("host", ["a_b.example", "münchen.example", "A.example.", "[2606:4700::1111]"])
def test_a_host_that_may_be_one_is_no_bad_address(host: str) -> None:
    assert AddressGuard().check_url(f"http://{host}/x.jpg").host == host.lower().strip("[]")


@pytest.mark.parametrize("head", [b"X-Long: " + b"x" * 1_000_000, b"\r\n".join([b"X-Many: x"] * 100_000)])
def test_a_head_that_is_too_long_is_told_as_such(head: bytes, site: Site, scraping: Scraping) -> None:
    async def long(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n" + head + b"\r\n\r\n")

    site.raw["/x.jpg"] = long
    scraping([site.url("/x.jpg")])
    item = scraping.items()[site.url("/x.jpg")]
    assert (item.reason, item.detail) == ("connection", "the head of the answer is too long")


class _Faulty:
    """A transport that breaks where nobody expected it to, and has a photo for all other addresses."""

    async def get(self, url: URL, headers: Mapping[str, str], limits: Limits, check: Check) -> Response:
        if url.host == "odd.example" or "key" in url.query:
            await asyncio.sleep(0)  # so that others come to wait for the same robots.txt
            raise KeyError(f"{url}")
        body = b"" if url.path == "/robots.txt" else jpeg(1)
        return Response(url, 200, {"Content-Type": "image/jpeg"}, body)


def test_a_fault_nobody_expected_costs_its_item_and_its_query_alone(scraping: Scraping) -> None:
    urls = ["http://odd.example/1.jpg", "http://odd.example/2.jpg", "http://a.example/1.jpg"]
    google = Google("google-secret", "engine-secret", "http://a.example/api")
    for again in (False, True):  # what a later version can read, a later run asks for
        report = scrape(
            [*urls, "cats"],
            [UrlList(), google],
            scraping.folder,
            SETTINGS,
            transport=_Faulty(),
            clock=Jumping(),
        )
        assert report.total("downloaded") == (0 if again else 1)
        assert report.reasons()["failed", "fault"] == 2
        assert scraping.items()[urls[0]].detail == "unexpected KeyError; please report it"
        assert [progress.reason for progress in report.unanswered].count("fault") == 4
        assert "secret" not in report.text() + (scraping.folder / NAME).read_text("utf-8")


@pytest.mark.parametrize("etag", [b"\xff\xfe", b"x" * 501, b"a\tb"])
def test_a_photo_is_kept_whatever_its_validators(etag: bytes, site: Site, scraping: Scraping) -> None:
    async def odd(request: Request, writer: asyncio.StreamWriter) -> None:
        head = Answer(jpeg(1), "image/jpeg", headers={"Connection": "close"}).head()
        writer.write(head.replace(b"\r\n\r\n", b'\r\nETag: "' + etag + b'"\r\n\r\n') + jpeg(1))

    site.raw["/x.jpg"] = odd
    scraping([site.url("/x.jpg")])
    assert scraping.outcome(site.url("/x.jpg")) == ("downloaded", "")
    assert scraping.items()[site.url("/x.jpg")].etag == ""


def test_the_same_picture_is_stored_once(site: Site, scraping: Scraping) -> None:
    urls = [site.photo(f"/{number}.jpg", jpeg(1)) for number in range(3)]
    scraping([*urls, urls[0], urls[0] + "#fragment"])
    outcomes = sorted(scraping.outcome(url) for url in urls)
    assert outcomes == [("downloaded", ""), ("duplicate", "sha256"), ("duplicate", "sha256")]
    kept = next(item for item in scraping.items().values() if item.status == "downloaded")
    assert {item.duplicate_of for item in scraping.items().values()} == {"", kept.sha256}
    assert [path.name for path in scraping.files()] == [f"{kept.sha256}.jpg"]
    assert len(site.paths()) == 3


def test_a_near_duplicate_is_folded(site: Site, scraping: Scraping) -> None:
    picture = image(1, (640, 480))
    first = site.photo("/first.jpg", encoded(picture, quality=95))
    smaller = site.photo("/smaller.jpg", encoded(picture.resize((320, 240)), quality=50))
    other = site.photo("/other.jpg", jpeg(2))
    again = site.photo("/again.jpg", encoded(picture.resize((320, 240)), quality=50))
    scraping([first], per_host=1)
    scraping([smaller, again, other])
    for copy in (smaller, again):
        assert scraping.outcome(copy) == ("duplicate", "phash")
        assert scraping.items()[copy].duplicate_of == scraping.items()[first].sha256
    assert scraping.outcome(other) == ("downloaded", "")


def test_file_names_come_from_the_content_alone(site: Site, scraping: Scraping) -> None:
    named = 'attachment; filename="../../x.sh"'
    evil = site.photo("/..%2F..%2Fetc%2Fcron.d%2Fx.php", jpeg(3), Content_Disposition=named)
    scraping([evil])
    (file,) = scraping.files()
    assert file.read_bytes() == jpeg(3)
    assert file.relative_to(scraping.folder).parts[0] == "images"
    assert file.name == hashlib.sha256(jpeg(3)).hexdigest() + ".jpg"


def test_a_disk_that_takes_no_more_is_one_line_that_names_the_place(
    site: Site, scraping: Scraping, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("indexer.scrape.keeping.save", full)
    with pytest.raises(ScrapeError) as caught:
        scraping([site.photo("/x.jpg", jpeg(1))])
    assert str(caught.value) == (
        f"{scraping.folder}: cannot write (No space left on device); what was downloaded before is kept, "
        "the same command goes on"
    )


def test_a_file_system_without_locks_is_not_another_scrape(
    site: Site, scraping: Scraping, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refused)
    with pytest.raises(
        ScrapeError, match=r"cannot write \(a file cannot be locked there: No locks available\); what was"
    ):
        scraping([site.photo("/x.jpg", jpeg(1))])


def test_a_list_without_lines_is_not_held_in_memory(scraping: Scraping, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"x" * 100_000 + b"\nhttp://127.0.0.1:1/x.jpg\n")
    report = scraping([str(tmp_path / "list")])
    assert max(len(url) for url in scraping.items()) <= 16_384
    assert report.reasons()["skipped", "bad-url"] > 1
    report = scraping([os.devnull])
    assert [progress.detail for progress in report.unanswered] == [f"{os.devnull}: is no ordinary file"]
