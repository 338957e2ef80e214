"""The small modules of scraping: addresses, texts, what has been seen, what waits, what is told."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
import unicodedata
from collections.abc import Mapping
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from captioner.photo import hash_distance, perceptual_hash
from indexer.scrape import keeping, transport
from indexer.scrape.addresses import AddressGuard, AddressRefusedError, is_public
from indexer.scrape.frontier import WAITING_PER_HOST, Frontier
from indexer.scrape.items import Item, Status
from indexer.scrape.keeping import WAITING, WAITING_BYTES, Keeper
from indexer.scrape.ledger import NEAR, Ledger, _KeptPhotos
from indexer.scrape.report import ScrapeReport
from indexer.scrape.store import save
from indexer.scrape.text import HtmlReader, plain_text, read_html
from indexer.scrape.transport import Limits, Response
from indexer.scrape.waiting import Waiters
from tests.indexer.scrape.conftest import timeless
from tests.indexer.scrape.pictures import image, jpeg
from tests.indexer.test_hashes import any_hashes, near_hashes
from tests.indexer.test_hashes import near as near_hash


@pytest.mark.parametrize(
    "address",
    """127.0.0.1 0.0.0.0 10.1.2.3 172.16.0.1 192.168.0.1 169.254.169.254 100.64.0.1 198.18.0.1 224.0.0.1
    255.255.255.255 240.0.0.1 192.0.2.1 :: ::1 fe80::1 fc00::1 fec0::1 ff02::1 2001:db8::1
    ::ffff:127.0.0.1 ::ffff:0:127.0.0.1 ::127.0.0.1 2002:7f00:1:: 64:ff9b::7f00:1 64:ff9b:1::a00:1
    2001:0:0:0:0:0:80ff:fffe 2001:0:101:101:0:0:80ff:fffe 2001:0:101:101::fefe:fefe""".split(),
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", "1.1.1.1 208.80.154.224 2620:0:861:ed1a::1 64:ff9b::101:101".split())
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@timeless
@given(st.ip_addresses(v=4))
def test_an_address_wrapped_in_ipv6_is_no_more_public_than_it_is(address: IPv4Address) -> None:
    high, low = divmod(int(address), 1 << 16)
    carriers = ("::ffff:", "::ffff:0:", "64:ff9b::")
    wrapped = [f"2002:{high:x}:{low:x}::", *(f"{carrier}{address}" for carrier in carriers)]
    assert {is_public(ip_address(text)) for text in wrapped} == {is_public(address)}


def test_allowed_networks_are_exempt_and_no_others() -> None:
    guard = AddressGuard((ip_network("127.0.0.1/32"), ip_network("fd00::/8")))
    assert guard.permits("127.0.0.1")
    assert guard.permits("fd00::1%eth0")
    assert not guard.permits("127.0.0.2")
    with pytest.raises(AddressRefusedError):
        guard.socket((2, 1, 6, "", ("127.0.0.2", 80)))


@timeless
@given(st.text())
def test_any_text_becomes_one_clean_line(text: str) -> None:
    clean = plain_text(text)
    assert clean == " ".join(clean.split())
    assert len(clean) <= 500
    assert unicodedata.is_normalized("NFC", clean)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in clean)


@timeless
@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=100))
def test_words_of_any_script_stay_as_they_are(text: str) -> None:
    assert plain_text(f"<i class=x>{text}</i><!-- no -->") == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Scan <![archive[12]]>", "Scan"),
        ("<![foo[x]]>", ""),
        ("I <3 dogs", "I <3 dogs"),
        ("<b>x</b><y", "x<y"),
        ("if a&lt;b then", "if a<b then"),
        ("<b>a</b> <b>b</b><br>c", "a b c"),
        ("<!-- never ended", ""),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("<?xml version='1.0' encoding='latin-1'?>\xe9", "\xe9"),
    ],
)
def test_odd_markup_is_no_text_and_no_error(text: str, clean: str) -> None:
    assert plain_text(text) == clean


@timeless
@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"], exclude_characters=">&!")))
def test_without_an_end_of_a_tag_nothing_is_markup(text: str) -> None:
    assert plain_text(text) == " ".join(text.split())[:500].rstrip()


class _Links(HtmlReader):
    """A reader of HTML that counts links."""

    def __init__(self) -> None:
        self.count = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.count += tag == "a"


@pytest.mark.parametrize("part", ["<a ", "<!-- >", "<![CDATA[ >", '<a "', "</ >", "&#x"])
def test_markup_without_end_is_read_in_one_pass(part: str) -> None:
    """A reader that looks for the end of each tag anew needs hours for this."""
    links = _Links()
    read_html("<a href=x>first</a>" + part * 300_000, links)
    assert links.count in (1, 2)


@pytest.mark.parametrize("value", [None, 3, ["a"], {"a": "b"}])
def test_what_is_no_text_is_nothing(value: object) -> None:
    assert plain_text(value) == ""


@timeless
@given(st.lists(any_hashes | near_hashes, min_size=1, max_size=30), any_hashes | near_hashes)
def test_near_duplicates_are_those_within_some_bits(known: list[str], asked: str) -> None:
    ledger = Ledger()
    kept: dict[str, str] = {}
    for number, phash in enumerate(known):
        content = f"{number:064x}"
        if ledger.claim(content, phash) == ("", ""):
            kept[content] = phash
    reason, content = ledger.claim("f" * 64, asked)
    near = [key for key, phash in kept.items() if near_hash(phash, asked, NEAR)]
    assert (reason, content) == (("phash", near[0]) if near else ("", ""))
    ledger.close()


def test_pictures_of_light_alone_are_duplicates_only_if_their_files_are_the_same() -> None:
    ledger, blank = Ledger(), "0" * 16
    assert [ledger.claim(content * 64, blank) for content in "abab"] == [
        ("", ""),
        ("", ""),
        ("sha256", "a" * 64),
        ("sha256", "b" * 64),
    ]
    ledger.close()


def test_many_hashes_are_kept_as_the_table_grows() -> None:
    ledger = Ledger()
    chance = np.random.default_rng(1)
    hashes = [f"{number:016x}" for number in chance.integers(0, 2**63, 3000, dtype=np.uint64)]
    claims = [ledger.claim(f"{number:064x}", phash) for number, phash in enumerate(hashes)]
    assert claims == [("", "")] * 3000
    assert ledger.claim("e" * 64, hashes[1500]) == ("phash", f"{1500:064x}")
    assert ledger.claim(f"{7:064x}", "0" * 16) == ("sha256", f"{7:064x}")
    ledger.close()


def test_a_content_stays_as_long_as_one_address_gives_it() -> None:
    ledger, (old, new) = Ledger(), (("a" * 64, "0" * 16), ("b" * 64, "f" * 16))
    for url, (content, phash) in (("/a", old), ("/b", old), ("/a", new)):
        ledger.note(Item(f"http://a.example{url}", status="downloaded", sha256=content, phash=phash))
    assert ledger.claim(*old) == ("sha256", old[0])
    ledger.note(Item("http://a.example/b", status="failed"))
    assert ledger.claim(*old) == ("", "")
    ledger.close()


def test_a_content_that_was_claimed_goes_with_the_address_that_gave_it() -> None:
    ledger, (old, new) = Ledger(), (("a" * 64, "0" * 16), ("b" * 64, "f" * 16))
    url = "http://a.example/a"
    for content, phash in (old, new):
        assert ledger.claim(content, phash, url) == ("", "")
        assert ledger.claim(content, phash, url) == ("sha256", content)  # it is being stored
        ledger.note(Item(url, status="downloaded", sha256=content, phash=phash), ledger.last(url))
        assert ledger.claim(content, phash, url) == ("same", content)
    assert ledger.claim(*old) == ("", "")
    ledger.close()


def test_one_who_waits_no_more_is_passed_over() -> None:
    async def run() -> list[bool]:
        waiters = Waiters()
        tasks = [asyncio.create_task(waiters.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        waiters.wake_one()
        await asyncio.wait(tasks[:2])
        woken = [task.done() and not task.cancelled() for task in tasks]
        waiters.wake_all()
        await tasks[2]
        return woken

    assert asyncio.run(run()) == [False, True, False]


def test_a_picture_and_its_smaller_copy_are_near_and_others_are_not() -> None:
    hashes = [perceptual_hash(image(number, (320, 240))) for number in range(24)]
    smaller = [perceptual_hash(image(number, (320, 240)).resize((200, 150))) for number in range(24)]
    assert all(hash_distance(one, other) <= NEAR for one, other in zip(hashes, smaller, strict=True))
    others = [hash_distance(a, b) for n, a in enumerate(hashes) for b in hashes[:n]]
    assert min(others) > NEAR


def _item(host: str, number: int) -> Item:
    return Item(f"http://{host}/{number}.jpg")


def test_a_busy_host_does_not_hold_up_the_others() -> None:
    async def run() -> list[str]:
        frontier = Frontier(per_host=2)
        for number in range(10):
            await frontier.put(_item("slow.example", number))
        await frontier.put(_item("fast.example", 0))
        taken = [await frontier.take() for _ in range(3)]
        return [item.url for item in taken if item]

    assert sorted(asyncio.run(run())) == [
        "http://fast.example/0.jpg",
        "http://slow.example/0.jpg",
        "http://slow.example/1.jpg",
    ]


@timeless
@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=300), st.integers(1, 3), st.integers(1, 8))
def test_everything_put_is_taken_once_and_no_host_is_overrun(
    hosts: list[str], per_host: int, workers: int
) -> None:
    taken: list[str] = []
    under_way = dict.fromkeys("abc", 0)

    async def work(frontier: Frontier) -> None:
        while (item := await frontier.take()) is not None:
            host = item.url[7]
            under_way[host] += 1
            assert under_way[host] <= per_host
            await asyncio.sleep(0)
            under_way[host] -= 1
            taken.append(item.url)
            frontier.done(item)

    async def run() -> None:
        frontier = Frontier(per_host)
        tasks = [asyncio.create_task(work(frontier)) for _ in range(workers)]
        for number, host in enumerate(hosts):
            await frontier.put(_item(host, number))
        frontier.close()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert sorted(taken) == sorted(_item(host, number).url for number, host in enumerate(hosts))


def test_what_waits_is_bounded() -> None:
    async def run() -> bool:
        frontier = Frontier(per_host=1)
        for number in range(WAITING_PER_HOST):
            await frontier.put(_item("a.example", number))
        more = asyncio.create_task(frontier.put(_item("a.example", 0)))
        other = asyncio.create_task(frontier.put(_item("b.example", 0)))
        await other
        waits = not more.done()
        await frontier.take()
        await more
        return waits

    assert asyncio.run(run())


@pytest.mark.parametrize(("number", "padding"), [(WAITING, 0), (WAITING_BYTES // 1_000_000 + 1, 1_000_000)])
def test_downloads_wait_for_a_keeper_that_is_behind(number: int, padding: int, tmp_path: Path) -> None:
    ended: list[Item] = []

    def response(seed: int) -> Response:
        return Response(URL("http://a.example/"), 200, {}, jpeg(seed % 20) + bytes(padding))

    async def run() -> bool:
        ledger = Ledger()
        keeper = Keeper(tmp_path, ledger, 32)
        for seed in range(number):
            await keeper.put(_item("a.example", seed), response(seed))
        more = asyncio.create_task(keeper.put(_item("a.example", number), response(number)))
        await asyncio.sleep(0)
        waits = not more.done()
        keepers = [asyncio.create_task(keeper.run(ended.extend)) for _ in range(3)]
        await more
        keeper.close()
        await asyncio.gather(*keepers)
        keeper.shut_down()
        ledger.close()
        return waits

    assert asyncio.run(run())
    assert sorted(item.url for item in ended) == sorted(_item("a.example", n).url for n in range(number + 1))
    assert sum(item.status == "downloaded" for item in ended) == len(list(tmp_path.rglob("*.jpg"))) == 20
    assert {item.status for item in ended} == {"downloaded", "duplicate"}


def test_what_is_being_written_when_a_run_is_interrupted_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on, ended = threading.Event(), threading.Event(), list[Item]()

    def slow(folder: Path, file: str, body: bytes) -> None:
        writing.set()
        assert go_on.wait(60)
        save(folder, file, body)

    monkeypatch.setattr(keeping, "save", slow)

    async def run() -> None:
        ledger = Ledger()
        keeper = Keeper(tmp_path, ledger, 32)
        for seed in range(3):
            await keeper.put(
                _item("a.example", seed), Response(URL("http://a.example/"), 200, {}, jpeg(seed))
            )
        task = asyncio.create_task(keeper.run(ended.extend))
        await asyncio.get_running_loop().run_in_executor(None, writing.wait)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        keeper.shut_down()
        ledger.close()

    asyncio.run(run())
    assert [item.status for item in ended] == ["downloaded"] * 3
    assert all((tmp_path / item.file).exists() for item in ended)


def test_what_was_seen_is_not_held_in_memory() -> None:
    """The ledger's addresses spill to disk; only 40 bytes a photo stay, for its hash and content."""
    ledger, chance = Ledger(), np.random.default_rng(2)

    def note(start: int, end: int) -> None:
        for number in range(start, end):
            phash, content = f"{int(chance.integers(0, 2**63)):016x}", f"{number:064x}"
            ledger.note(Item(f"http://a.example/{number}", status="downloaded", sha256=content, phash=phash))

    note(0, 1_000)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    note(1_000, 6_000)
    gc.collect()  # also Python's own store of tuples for further use
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert not ledger.discover(Item("http://a.example/5999"))
    ledger.close()
    assert after - before < 8_192 * 40 + 200_000


@timeless
@given(st.lists(st.integers(0, 4), max_size=12), st.integers(0, 4))
def test_what_is_removed_is_gone_and_the_rest_stays(contents: list[int], gone: int) -> None:
    kept = _KeptPhotos()
    for number in contents:
        kept.add(f"{0xFF << 12 * number ^ 0xF0F0:016x}", bytes([number]) * 32)
    kept.remove(bytes([gone]) * 32)
    found = {number for number in range(5) if kept.near(f"{0xFF << 12 * number ^ 0xF0F0:016x}", NEAR)}
    assert found == {*contents} - {gone}


def test_a_server_may_be_silent_as_long_as_the_whole_download_may_take() -> None:
    times = transport._times(Limits(seconds=60.0))
    assert (times.total, times.sock_read) == (60.0, None)


def test_the_report_counts_by_provider_and_reason() -> None:
    report = ScrapeReport()
    rows: list[tuple[str, Status, str]] = [
        ("openverse", "downloaded", ""),
        ("openverse", "skipped", "robots"),
        ("openverse", "skipped", "robots"),
        ("google", "failed", "timeout"),
    ]
    for provider, status, reason in rows:
        report.found[provider] += 1
        report.count(Item("x", provider=provider, status=status, reason=reason, bytes=2_000_000))
    report.seconds = 0.5
    assert report.rows() == [
        ("provider", "found", "downloaded", "duplicate", "skipped", "failed"),
        ("google", "1", "0", "0", "0", "1"),
        ("openverse", "3", "1", "0", "2", "0"),
        ("all", "4", "1", "0", "2", "1"),
    ]
    assert report.text().splitlines()[5:] == [
        "        2  skipped: robots",
        "        1  failed: timeout",
        "",
        "2.0 MB in 0.5 s, 2.0 photos/s",
    ]
