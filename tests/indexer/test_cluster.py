"""A build on a real Ray cluster of this machine: the same documents as in one process, whatever dies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from captioner.errors import PhotoError
from captioner.photo import open_photo
from captioner.photo_captioner import PhotoCaptioner
from indexer.build import Captioning, build
from indexer.cli import main
from indexer.cluster import AddressedSource, ClusterCaptioner
from indexer.cluster.photos import UnreadableError, read_photo
from indexer.errors import SourceError
from indexer.records import CaptionRecord
from indexer.sources import FolderSource
from tests.indexer.fakes import DraftingIndex, captioning
from tests.indexer.files import write_photo
from tests.indexer.pixels import PixelCaptioner

# Ray leaves sockets and processes to its own end, and warns of what comes in its next version.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

COLOURS = ("red", "green", "blue", "white", "black", "yellow", "orange", "purple")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One small cluster for all tests of this file."""
    ray = pytest.importorskip("ray")  # the extra `ray`, which the test command installs
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=200_000_000,
    )
    yield
    ray.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """80 photos in folders, one that is none, and one that is empty."""
    place = tmp_path / "photos"
    for number in range(80):
        write_photo(
            place / f"{number % 4}" / f"{number:03}.png", COLOURS[number % len(COLOURS)], (8 + number, 8)
        )
    (place / "broken.jpg").write_bytes(b"no photo")
    (place / "empty.jpg").write_bytes(b"")
    return place


def documents(
    folder: Path, captioner: PhotoCaptioner, captions: int = 1
) -> tuple[set[CaptionRecord], set[str]]:
    """What a build puts into an index, and the problems that it tells."""
    index = DraftingIndex()
    report = build(index, [FolderSource(folder)], captioning(captioner, captions))
    assert report.added == len(index.held)
    return set(index.held), {str(problem) for problem in report.problems}


def test_a_build_on_a_cluster_makes_the_documents_that_one_process_makes(folder: Path) -> None:
    alone, broken = documents(folder, PixelCaptioner(), captions=2)
    # Windows of 50, so that a build of several of them is seen.
    together, broken_there = documents(folder, ClusterCaptioner(PixelCaptioner, window=50), captions=2)
    assert len(alone) == 160
    assert together == alone
    assert broken_there == broken
    assert len(broken) == 2


def test_the_batch_of_a_worker_that_is_killed_is_done_again(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "killed"
    cluster_captioner = ClusterCaptioner(partial(PixelCaptioner, mark))
    alone, _ = documents(folder, PixelCaptioner())
    survived, _ = documents(folder, cluster_captioner)
    assert int(mark.read_text()) != os.getpid()
    assert survived == alone


def test_results_come_in_the_order_of_the_photos(folder: Path) -> None:
    paths = [str(path) for path in sorted(folder.rglob("*.png"), reverse=True)]
    results = list(ClusterCaptioner(PixelCaptioner).stream(paths))
    assert [result.image for result in results] == paths
    assert all(result.phash and result.captions for result in results)


def test_the_command_makes_the_same_index_with_the_real_model(photos: Path, tmp_path: Path) -> None:
    reports = []
    for engine in ("process", "ray"):
        where = str(tmp_path / engine)
        options = ["build", "--folder", str(photos), "--index", where, "--engine", engine, "--json"]
        result = CliRunner().invoke(main, options)
        assert result.exit_code == 0, result.output
        reports.append(json.loads(result.stdout))
    assert [report["photos_captioned"] for report in reports] == [4, 4]
    from captioner.finding import open_captioner
    from indexer import open_index

    names = [path.name for path in photos.iterdir()]
    found = []
    for engine in ("process", "ray"):
        with open_index(str(tmp_path / engine)) as index:
            held = index.captions(names)
            found.append({name: [document.record for document in held[name]] for name in names})
    assert found[0] == found[1]
    assert {record.model for records in found[1].values() for record in records} == {
        open_captioner("default").identity
    }


# --- addresses


def test_photos_below_an_address(folder: Path) -> None:
    import fsspec

    here, there = AddressedSource(str(folder)), FolderSource(folder)
    assert set(here.photos()) == set(there.photos())
    assert set(AddressedSource(f"{folder}/0/..").photos()) == set(there.photos())
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/a/1.png", (folder / "0/000.png").read_bytes())
    memory.pipe("/bucket/.hidden/2.png", b"x")
    memory.pipe("/bucket/notes.md", b"x")
    source = AddressedSource("memory://bucket")
    assert source.photo_count() == 1
    (item,) = source.photos()
    assert item == CaptionRecord(
        "a/1.png", "", image="memory:///bucket/a/1.png", source="folder", kind="generated"
    )
    assert read_photo(item.image) == (folder / "0/000.png").read_bytes()


@pytest.mark.parametrize("first", ["", "# of the museum\n"])
def test_a_list_of_addresses(first: str, tmp_path: Path) -> None:
    listed = tmp_path / "photos.txt"
    addresses = "https://host/1.jpg\n\nhttps://host/2.jpg\nhttps://host/1.jpg\n"
    listed.write_text(first + addresses, "utf-8-sig")  # with a byte order mark
    source = AddressedSource(str(listed))
    assert [item.image_id for item in source.photos() if isinstance(item, CaptionRecord)] == [
        "https://host/1.jpg",
        "https://host/2.jpg",
    ]
    before = source.fingerprint()
    listed.write_text("https://host/1.jpg\n")
    assert AddressedSource(str(listed)).fingerprint() != before


def test_a_list_of_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, listed = tmp_path / "photos" / "1.jpg", tmp_path / "photos.txt"
    monkeypatch.chdir(tmp_path)
    for named in (str(photo), f"{tmp_path}/other/../photos/1.jpg", photo.as_uri(), "photos/1.jpg"):
        listed.write_text(named)
        (item,) = AddressedSource(str(listed)).photos()
        assert item == CaptionRecord(named, "", image=str(photo), source="folder", kind="generated")


@pytest.mark.parametrize("address", ["/nowhere/at/all", "unknown://bucket/photos", "/nowhere.txt"])
def test_addresses_without_photos_are_told_in_one_line(address: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=address) as caught:
        AddressedSource(address)
    assert "\n" not in str(caught.value)
    with pytest.raises(SourceError, match="has no photos"):
        AddressedSource(str(tmp_path))


def test_pictures_in_other_formats_are_counted_as_in_a_folder(tmp_path: Path) -> None:
    for name in ("a.nef", "below/b.nef", "below/c.jxl", ".hidden/d.nef", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no photo")
    address = f"file://{tmp_path}"
    refused = []
    for open_source in (lambda: FolderSource(tmp_path), lambda: AddressedSource(address)):
        with pytest.raises(SourceError) as caught:
            open_source()
        refused.append(str(caught.value).removeprefix("file://"))
    assert refused[0] == refused[1] and "passed over 3 pictures" in refused[0]
    write_photo(tmp_path / "e.jpg")
    source = AddressedSource(address)
    assert source.unread == FolderSource(tmp_path).unread == {".nef": 2, ".jxl": 1}
    report = build(DraftingIndex(), [source], Captioning(PixelCaptioner))
    assert report.unread == source.unread


def test_what_cannot_be_read_says_why(folder: Path) -> None:
    for address, reason in (
        (folder / "gone.jpg", "no such file"),
        (folder / "empty.jpg", "the file is empty"),
        (folder, "is a folder"),
        ("http://127.0.0.1:9/1.jpg", "cannot be read"),
    ):
        with pytest.raises(UnreadableError, match=reason):
            read_photo(str(address))


def test_a_file_that_cannot_be_read_is_told_as_it_is_to_one_process(folder: Path) -> None:
    for path in (folder / "gone.jpg", folder / "empty.jpg", folder, folder / "link.jpg"):
        if path.name == "link.jpg":
            path.symlink_to(path)
        with pytest.raises(PhotoError) as here:
            open_photo(path)
        with pytest.raises(UnreadableError) as there:
            read_photo(str(path))
        assert str(there.value) == here.value.reason


def test_addresses_and_a_cluster_need_the_engine_ray() -> None:
    for options in (["--photos", "s3://bucket/photos"], ["--ray-address", "auto", "--folder", "."]):
        result = CliRunner().invoke(main, ["build", *options])
        assert result.exit_code == 2
        assert "--engine ray" in result.output
