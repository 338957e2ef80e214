"""The manifest: survives crashes, resumes, and gives the records to index."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import fields, replace
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.problem import Problem
from indexer.errors import ScrapeError, SourceError
from indexer.scrape.data_set import scraped_photos
from indexer.scrape.items import STATUSES, Item, SearchProgress
from indexer.scrape.manifest import NAME, ManifestWriter, broken_lines, read_manifest
from indexer.scrape.store import _SUFFIXES, ExaminedPhoto, file_name
from tests.conftest import ROOT
from tests.indexer.scrape.conftest import Scraping, timeless
from tests.indexer.scrape.pictures import jpeg
from tests.indexer.scrape.site import Site

_texts = st.text(st.characters(exclude_categories=["Cs"]))


def _hex(digits: int) -> st.SearchStrategy[str]:
    return st.integers(0, 16**digits - 1).map(lambda number: f"{number:0{digits}x}")


_examined = st.builds(
    ExaminedPhoto, sha256=_hex(64), phash=_hex(16), suffix=st.sampled_from([*_SUFFIXES.values()])
)
_own = {"status", "bytes", "file", "sha256", "phash", "duplicate_of"}
_items = st.builds(
    lambda item, photo: replace(item, file=file_name(photo), sha256=photo.sha256, phash=photo.phash),
    st.builds(
        Item,
        status=st.sampled_from(STATUSES),
        bytes=st.integers(0, 10**9),
        duplicate_of=_hex(64),
        **{field.name: _texts for field in fields(Item) if field.name not in _own},
    ),
    _examined,
)


@timeless
@given(_items)
def test_an_item_survives_its_line(item: Item) -> None:
    line = json.dumps(item.as_json(), ensure_ascii=False)
    assert Item.from_json(json.loads(line)) == item
    assert "\n" not in line


@settings(deadline=None, max_examples=20)
@given(st.binary(min_size=1, max_size=80), st.integers(1, 3))
def test_whatever_a_crash_leaves_at_the_end_is_mended(
    tmp_path_factory: pytest.TempPathFactory, torn: bytes, n: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    items = [Item(f"http://a.example/{number}.jpg") for number in range(n)]
    with ManifestWriter(folder) as writer:
        for item in items:
            writer.append(item)
    tail = b'{"line":"item","title":"' + torn.replace(b"\n", b"")
    with (folder / NAME).open("ab") as file:
        file.write(tail)
    assert list(read_manifest(folder)) == items
    with ManifestWriter(folder) as writer:
        writer.append(items[0])
    assert list(read_manifest(folder)) == [*items, items[0]]


def test_a_whole_last_line_without_its_end_is_kept(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"line":"item","url":"http://a.example/1","status":"found"}', "utf-8")
    with ManifestWriter(tmp_path) as writer:
        writer.append(Item("http://a.example/2"))
    assert [item.url for item in read_manifest(tmp_path) if isinstance(item, Item)] == [
        "http://a.example/1",
        "http://a.example/2",
    ]


def test_a_torn_line_longer_than_a_block(tmp_path: Path) -> None:
    with ManifestWriter(tmp_path) as writer:
        writer.append(Item("http://a.example/1"))
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"line":"item","title":"' + b"x" * 200_000)
    with ManifestWriter(tmp_path):
        pass
    assert (tmp_path / NAME).read_bytes().count(b"\n") == 1
    assert (tmp_path / NAME).stat().st_size < 1000


_SHA256 = "ab" * 32
_FILE = f"images/ab/{_SHA256}.jpg"


def _line(kind: str = "item", **changes: object) -> str:
    """A photo's line or a query's, with changes; what is changed to None is left out."""
    kinds: dict[str, Item | SearchProgress] = {
        "item": Item(
            "http://a.example/2", status="downloaded", file=_FILE, sha256=_SHA256, phash="0" * 16, bytes=9
        ),
        "search": SearchProgress("openverse", "cats", cursor="2"),
    }
    said = {**kinds[kind].as_json(), **changes}
    return json.dumps({name: value for name, value in said.items() if value is not None})


_BROKEN = [
    *("{", "[1]", '{"line":"item"}', "[" * 200_000, f'{{"a":{"9" * 5000}}}', '"\xff"'),
    *(_line(url=url) for url in (1, None, "http://a.example/\ud800")),
    *(_line(status=status) for status in ("lost", None, ["found"])),
    *(_line(file=file) for file in ("../private/secret.jpg", "/etc/secret.jpg", "b" * 300, "", None, 1)),
    *(_line(file=file) for file in (f"{_FILE}\0", f"/{_FILE}", f"../{_FILE}", f"{_SHA256}.jpg", _FILE[:-4])),
    *(_line(sha256=text) for text in ("abcd", "g" * 64, "ab " * 32, "AB" * 32, f"{_SHA256}\n", None)),
    *(_line(phash=text) for text in ("0", "g" * 16, "0x" + "0" * 14, "-" + "0" * 15, None)),
    *(_line(status="duplicate", duplicate_of=text) for text in ("abcd", "g" * 64, None)),
    *(_line(bytes=size) for size in (-1, 10**26, 1.5, True, "9")),
    *(_line("search", **{name: {}}) for name in ("provider", "query", "cursor", "used", "exhausted")),
    *(_line("search", **{name: 10**26}) for name in ("used", "taken")),
    *(_line("search", used=-1), _line("search", exhausted=1), _line("search", cursor="\ud800")),
    *(_line("search", provider=None), _line("search", query=None)),
]


@pytest.mark.parametrize("line", _BROKEN, ids=range(len(_BROKEN)))
def test_a_broken_line_is_named_and_the_rest_goes_on(line: str, tmp_path: Path) -> None:
    good = _line(status="found")
    (tmp_path / NAME).write_text(f"{good}\n{line}\n{good}\n", "utf-8")
    before, broken, after = read_manifest(tmp_path)
    assert isinstance(broken, Problem)
    assert str(broken).startswith(f"{tmp_path / NAME}:2: damaged")
    assert before == after == Item.from_json(json.loads(good))
    assert list(broken_lines(tmp_path)) == [broken]


@pytest.mark.parametrize(
    "line",
    ["[" * 200_000, _line(sha256="abcd"), _line("search", cursor={}), _line("search", used=10**26)],
    ids=["brackets", "sha256", "cursor", "used"],
)
def test_a_scrape_does_not_go_on_behind_a_broken_line(line: str, scraping: Scraping) -> None:
    """What it told would be asked for and downloaded again."""
    scraping([])
    before = f"{line}\n"
    (scraping.folder / NAME).write_text(before, "utf-8")
    with pytest.raises(SourceError, match=r"manifest\.jsonl:1: damaged .*; take it out"):
        scraping([])
    assert (scraping.folder / NAME).read_text("utf-8") == before


def test_a_torn_line_of_many_brackets(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("[" * 200_000, "utf-8")
    assert list(read_manifest(tmp_path)) == []
    with ManifestWriter(tmp_path) as writer:
        writer.append(Item("http://a.example/1"))
    assert list(read_manifest(tmp_path)) == [Item("http://a.example/1")]


def test_lines_and_fields_of_later_versions_are_passed_over(tmp_path: Path) -> None:
    lines = ['{"line":"new"}', '{"line":"item","url":"http://a.example/1","status":"found","new":[1]}']
    (tmp_path / NAME).write_text("\n".join(lines) + "\n", "utf-8")
    assert list(read_manifest(tmp_path)) == [Item("http://a.example/1")]


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a scraped folder"):
        list(scraped_photos(tmp_path))


def test_two_scrapes_into_one_folder(tmp_path: Path) -> None:
    with ManifestWriter(tmp_path), pytest.raises(ScrapeError, match="another scrape"):
        ManifestWriter(tmp_path)


def test_a_forked_child_neither_keeps_the_lock_nor_releases_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for closed_by_child in (False, True):
        writer = ManifestWriter(tmp_path)
        other_copy = os.dup(writer._file.fileno())  # forking makes one of each open file
        with monkeypatch.context() as child:
            if closed_by_child:
                child.setattr(os, "getpid", lambda: -1)
            writer.close()
        with pytest.raises(ScrapeError, match="another scrape") if closed_by_child else nullcontext():
            ManifestWriter(tmp_path).close()
        os.close(other_copy)


def test_a_second_run_downloads_nothing_again(site: Site, scraping: Scraping) -> None:
    urls = [site.photo(f"/{number}.jpg", jpeg(number)) for number in range(5)]
    scraping(urls)
    before = (scraping.folder / NAME).read_bytes()
    report = scraping(urls)
    assert len(site.paths()) == 5
    assert report.known == 5
    assert (scraping.folder / NAME).read_bytes() == before


def test_a_run_that_was_killed_is_gone_on_with(site: Site, scraping: Scraping) -> None:
    urls = [site.photo(f"/{number}.jpg", jpeg(number)) for number in range(5)]
    with ManifestWriter(scraping.folder) as writer:
        for url in urls:
            writer.append(Item(url, provider="openverse", query="cats", title="A cat"))
    with (scraping.folder / NAME).open("ab") as file:
        file.write(b'{"line":"item","url":"http')
    report = scraping([])
    assert report.total("downloaded") == 5
    assert {record.query for record in scraped_photos(scraping.folder)} == {"cats"}


def test_a_photo_whose_file_is_lost_or_cut_is_downloaded_again(site: Site, scraping: Scraping) -> None:
    scraping([site.photo(f"/{number}.jpg", jpeg(number)) for number in range(3)])
    lost, cut, _ = files = scraping.files()
    contents = [path.read_bytes() for path in files]
    lost.unlink()
    cut.write_bytes(contents[1][: len(contents[1]) // 2])
    report = scraping([])
    assert report.total("downloaded") == 2
    assert [path.read_bytes() for path in scraping.files()] == contents
    assert len(list(scraped_photos(scraping.folder))) == 3


def test_passing_failures_are_tried_again_by_the_next_run(site: Site, scraping: Scraping) -> None:
    from tests.indexer.scrape.site import Answer, truncated

    site.raw["/cut.jpg"] = truncated(jpeg(1))
    site.pages["/busy.jpg"] = Answer(status=500)
    scraping([site.url("/cut.jpg"), site.url("/busy.jpg"), site.url("/missing.jpg")])
    site.raw.clear()
    site.photo("/cut.jpg", jpeg(1)), site.photo("/busy.jpg", jpeg(2)), site.photo("/missing.jpg", jpeg(3))
    scraping([])
    assert scraping.outcome(site.url("/cut.jpg")) == ("downloaded", "")
    assert scraping.outcome(site.url("/busy.jpg")) == ("downloaded", "")
    assert scraping.outcome(site.url("/missing.jpg")) == ("failed", "not-found")


def test_progress_survives_its_line(tmp_path: Path) -> None:
    progress = SearchProgress("openverse", "cats", cursor="3", used=4, taken=44)
    with ManifestWriter(tmp_path) as writer:
        writer.append(progress)
    assert list(read_manifest(tmp_path)) == [progress]


_KILLED = """
import os, signal, sys
from ipaddress import ip_network
from pathlib import Path
from indexer.scrape.providers.listed import UrlList
from indexer.scrape.scraper import scrape
from indexer.scrape.settings import ScrapeSettings

ended = []

def end(item):
    ended.append(item)
    if len(ended) == 25:
        os.kill(os.getpid(), signal.SIGKILL)

local = (ip_network("127.0.0.1/32"),)
settings = ScrapeSettings(contact="mailto:a@b.example", delay=0.0, per_host=8, allowed_networks=local)
scrape([sys.argv[1]], [UrlList()], Path(sys.argv[2]), settings, on_item=end)
"""


def test_a_run_killed_in_the_middle_loses_nothing(site: Site, scraping: Scraping, tmp_path: Path) -> None:
    """What the manifest claims is there, and the next run downloads the rest."""
    urls = [site.photo(f"/{number}.jpg", jpeg(number)) for number in range(80)]
    listed = tmp_path / "urls.txt"
    listed.write_text("\n".join(urls), encoding="utf-8")
    command = [sys.executable, "-c", _KILLED, str(listed), str(scraping.folder)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    claimed = [item for item in scraping.items().values() if item.status == "downloaded"]
    assert 25 <= len(claimed) < 80
    for item in claimed:
        content = (scraping.folder / item.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == item.sha256
    report = scraping([str(listed)])
    assert report.total("downloaded") == 80 - len(claimed)
    assert {item.status for item in scraping.items().values()} == {"downloaded"}
    assert len(scraping.files()) == 80


def test_a_disk_that_fills_up_leaves_no_half_line(tmp_path: Path) -> None:
    class Full(FileIO):
        """The manifest's file, on a disk with room for 100 bytes more."""

        room = 100

        def write(self, text: Any) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, "no space left")
            self.room -= (written := super().write(text[: self.room]))
            return written

    first, second = Item("http://a.example/1"), Item("http://a.example/2")
    with ManifestWriter(tmp_path) as writer:
        writer.append(first)
        file, full = writer._file, Full(writer._file.fileno(), "ab+", closefd=False)
        writer._file = full
        with pytest.raises(OSError, match="no space"):
            writer.append(second, second, second)
        assert (tmp_path / NAME).read_bytes().count(b"\n") == 1
        full.room = 1000
        writer.append(second)
        writer._file = file
    assert list(read_manifest(tmp_path)) == [first, second]
