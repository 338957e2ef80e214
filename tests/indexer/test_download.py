"""Downloads from a server of this test: resumed, checked, unpacked inside the folder."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from indexer import download as downloading
from indexer.download import COCO_VAL2017, Archive, DataSet, check_member, download
from indexer.errors import DownloadError
from tests.serving import LocalServer, Quiet, serving


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def archive(path: str, content: bytes, holds: str) -> Archive:
    return Archive(path, len(content), hashlib.sha256(content).hexdigest(), holds)


ANNOTATIONS = zipped(("annotations/captions_val2017.json", b'{"images": []}'))
IMAGES = zipped(("val2017/1.jpg", b"1" * 3000), ("val2017/2.jpg", b"2" * 3000))


class Server(LocalServer):
    """Serves bytes by path. `cut` ends so many answers early; `status` answers every request so."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(Handler)
        self.files = {"/annotations/a.zip": ANNOTATIONS, "/zips/val2017.zip": IMAGES}
        self.ranges = True
        self.cut = 0
        self.status: list[int] = []
        self.asked: list[tuple[str, str | None]] = []


class Handler(Quiet):
    server: Server

    def do_GET(self) -> None:
        span = self.headers.get("Range")
        self.server.asked.append((self.path, span))
        if self.server.status:
            self.send_error(self.server.status.pop(0))
            return
        if self.path not in self.server.files:
            self.send_error(404)
            return
        whole = self.server.files[self.path]
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span and self.server.ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(whole) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        body = whole[start:]
        if self.server.cut:
            self.server.cut -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


@pytest.fixture
def data_set(server: Server) -> DataSet:
    archives = (
        archive("annotations/a.zip", ANNOTATIONS, "annotations/captions_val2017.json"),
        archive("zips/val2017.zip", IMAGES, "val2017"),
    )
    return DataSet("test", server.url, archives, ())


def test_everything_is_fetched_and_unpacked_and_the_archives_go(data_set: DataSet, tmp_path: Path) -> None:
    places = download(data_set, tmp_path / "coco")
    assert places == [tmp_path / "coco/annotations/captions_val2017.json", tmp_path / "coco/val2017"]
    assert (tmp_path / "coco/val2017/2.jpg").read_bytes() == b"2" * 3000
    assert sorted(path.name for path in (tmp_path / "coco").iterdir()) == ["annotations", "val2017"]


def test_what_is_there_is_not_fetched_again(data_set: DataSet, server: Server, tmp_path: Path) -> None:
    download(data_set, tmp_path)
    server.asked.clear()
    download(data_set, tmp_path)
    assert server.asked == []


def test_a_download_goes_on_from_its_last_byte(data_set: DataSet, server: Server, tmp_path: Path) -> None:
    (tmp_path / "val2017.zip.part").write_bytes(IMAGES[:1000])
    download(data_set, tmp_path)
    assert server.asked[1] == ("/zips/val2017.zip", "bytes=1000-")
    assert (tmp_path / "val2017/1.jpg").read_bytes() == b"1" * 3000


def test_a_broken_connection_is_taken_up_again(data_set: DataSet, server: Server, tmp_path: Path) -> None:
    server.cut = 3
    download(data_set, tmp_path)
    assert (tmp_path / "val2017/2.jpg").read_bytes() == b"2" * 3000


def test_a_server_without_ranges_begins_anew(data_set: DataSet, server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "val2017.zip.part").write_bytes(b"x" * 1000)
    download(data_set, tmp_path)
    assert (tmp_path / "val2017/1.jpg").read_bytes() == b"1" * 3000


def test_an_overloaded_server_is_asked_again(data_set: DataSet, server: Server, tmp_path: Path) -> None:
    server.status = [503, 429, 500]
    pauses: list[float] = []
    download(data_set, tmp_path, pause=pauses.append)
    assert pauses == [2.0, 4.0, 8.0]
    assert (tmp_path / "val2017").is_dir()


def test_a_server_that_stays_down_is_told_of_and_nothing_is_lost(
    data_set: DataSet, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "a.zip.part").write_bytes(ANNOTATIONS[:100])
    server.status = [503] * downloading.TRIES
    with pytest.raises(DownloadError, match=r"a\.zip: the server answers 503.*same command"):
        download(data_set, tmp_path, pause=lambda seconds: None)
    assert (tmp_path / "a.zip.part").read_bytes() == ANNOTATIONS[:100]


def test_what_is_not_there_is_told_of_at_once(data_set: DataSet, server: Server, tmp_path: Path) -> None:
    del server.files["/annotations/a.zip"]
    with pytest.raises(DownloadError, match=r"a\.zip: the server answers 404"):
        download(data_set, tmp_path)
    assert len(server.asked) == 1


def test_another_size_or_content_is_refused(data_set: DataSet, server: Server, tmp_path: Path) -> None:
    server.files["/annotations/a.zip"] = ANNOTATIONS + b"more"
    with pytest.raises(DownloadError, match="bytes where"):
        download(data_set, tmp_path)
    server.files["/annotations/a.zip"] = ANNOTATIONS[:-1] + b"?"
    with pytest.raises(DownloadError, match="SHA-256"):
        download(data_set, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_web_addresses(data_set: DataSet, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="only http"):
        download(data_set, tmp_path, address="file:///etc")


@pytest.mark.parametrize("name", ["../evil.jpg", "/etc/evil", "a/../../evil", "..\\evil", "C:/evil"])
def test_a_member_that_leads_out_is_refused(
    data_set: DataSet, server: Server, tmp_path: Path, name: str
) -> None:
    content = zipped(("annotations/captions_val2017.json", b"{}"), (name, b"evil"))
    server.files["/annotations/a.zip"] = content
    evil = replace(data_set, archives=(archive("annotations/a.zip", content, "annotations/x.json"),))
    with pytest.raises(DownloadError, match="leads out"):
        download(evil, tmp_path / "coco")
    assert not (tmp_path / "coco" / "annotations").exists()
    assert [path.name for path in tmp_path.rglob("evil*")] == []


def test_a_link_is_refused() -> None:
    member = zipfile.ZipInfo("val2017/link")
    member.external_attr = 0o120777 << 16
    with pytest.raises(DownloadError, match="is a link"):
        check_member(member)


def test_no_room_is_told_of_before_anything_is_fetched(
    data_set: DataSet, server: Server, tmp_path: Path
) -> None:
    huge = replace(data_set, archives=(replace(data_set.archives[0], bytes=1 << 60),))
    with pytest.raises(DownloadError, match="MB are needed"):
        download(huge, tmp_path)
    assert server.asked == []


def test_coco_val2017_is_what_was_published() -> None:
    assert [(one.bytes, len(one.sha256)) for one in COCO_VAL2017.archives] == [
        (252_907_541, 64),
        (815_585_330, 64),
    ]
    assert COCO_VAL2017.address == "http://images.cocodataset.org"
