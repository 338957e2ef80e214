"""Downloads of published data sets: resumed where they stopped, checked, and unpacked into one folder."""

from __future__ import annotations

import shutil
import stat
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath

from captioner.digest import file_digest
from indexer.errors import DownloadError
from indexer.progress import Bar, Progress, no_progress

#: Bytes read at a time.
BLOCK = 1 << 20
#: After so many seconds without data the connection is closed, and the server asked again.
TIMEOUT = 60.0
#: So many attempts in a row without a new byte end the download.
TRIES = 5


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip file as it was published."""

    path: str  # relative to the address of the data set
    bytes: int
    sha256: str
    holds: str  # a file or folder that unpacking it gives


@dataclass(frozen=True, slots=True)
class DataSet:
    name: str
    address: str
    archives: tuple[Archive, ...]
    usage: tuple[str, ...]  # the command that indexes it; {folder} stands for where it was downloaded to


#: By http, since the publisher's https certificate is for another name; the digests reveal changed data.
COCO_VAL2017 = DataSet(
    "coco-val2017",
    "http://images.cocodataset.org",
    (
        Archive(
            "annotations/annotations_trainval2017.zip",
            252_907_541,
            "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            "annotations/captions_val2017.json",
        ),
        Archive(
            "zips/val2017.zip",
            815_585_330,
            "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            "val2017",
        ),
    ),
    (
        *("indexer", "build", "--coco", "{folder}/annotations/captions_val2017.json"),
        *("--images", "{folder}/val2017"),
    ),
)

DATA_SETS = {COCO_VAL2017.name: COCO_VAL2017}


def download(
    data_set: DataSet,
    folder: Path,
    *,
    address: str | None = None,
    progress: Progress = no_progress,
    pause: Callable[[float], None] = time.sleep,
) -> Sequence[Path]:
    """Fetch and unpack the archives that are not there yet; gives the paths of what they hold.

    Every archive is checked by size and SHA-256 before it is unpacked, and removed afterwards. An interrupted
    download continues after its last byte. `address` names another server with the same paths. Raises
    DownloadError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = (address or data_set.address).rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise DownloadError(f"{base}: only http and https addresses can be downloaded from")
    for archive in data_set.archives:
        if not (folder / archive.holds).exists():
            _download_archive(archive, f"{base}/{archive.path}", folder, progress, pause)
    return [folder / archive.holds for archive in data_set.archives]


def _download_archive(
    archive: Archive, url: str, folder: Path, progress: Progress, pause: Callable[[float], None]
) -> None:
    file = folder / f"{PurePosixPath(archive.path).name}.part"
    _check_space(folder, archive.bytes - _size(file))
    bar = progress(archive.bytes, "B", file.name.removesuffix(".part"))
    try:
        bar.update(_size(file))
        _fetch(archive, url, file, bar, pause)
    finally:
        bar.close()
    if file_digest(file) != archive.sha256:
        file.unlink()
        raise DownloadError(f"{url}: is not what was published (SHA-256 differs); it was removed, try again")
    _unpack(file, folder, archive.holds)
    file.unlink()


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DownloadError(f"{folder}: {needed >> 20:,} MB are needed and {free >> 20:,} MB are free")


def _fetch(archive: Archive, url: str, file: Path, bar: Bar, pause: Callable[[float], None]) -> None:
    """Append to `file` until it has all bytes; a broken connection is opened again."""
    failures = 0
    while (before := _size(file)) < archive.bytes:
        reason = _try_rest(url, file, before, archive.bytes, bar)
        failures = 0 if _size(file) > before else failures + 1
        if failures >= TRIES:
            raise DownloadError(f"{url}: {reason}; run the same command again to go on")
        if failures:
            pause(2.0**failures)
    if _size(file) > archive.bytes:
        file.unlink()
        raise DownloadError(f"{url}: is longer than what was published; it was removed, try again")


def _try_rest(url: str, file: Path, start: int, total: int, bar: Bar) -> str:
    """Fetch the rest; gives the reason if that ended early. Raises DownloadError if a retry is no use."""
    try:
        _fetch_rest(url, file, start, total, bar)
    except urllib.error.HTTPError as error:
        reason = f"the server answers {error.code} {error.reason}"
        if error.code < 500 and error.code != 429:
            raise DownloadError(f"{url}: {reason}") from None
        return reason
    except (OSError, HTTPException) as error:
        return str(getattr(error, "reason", error))
    return "the connection ended early"


def _fetch_rest(url: str, file: Path, start: int, total: int, bar: Bar) -> None:
    headers = {"User-Agent": "caption-search (indexer download)"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  (http or https: checked above)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        resumed = _resumes(answer, total, url)
        with file.open("ab" if resumed else "wb") as out:
            if not resumed:
                bar.update(-start)
            while block := answer.read(min(BLOCK, total - out.tell() + 1)):
                out.write(block)
                bar.update(len(block))
                if out.tell() > total:
                    return


def _resumes(answer: HTTPResponse, total: int, url: str) -> bool:
    """Whether the answer begins where asked for; a server without ranges sends all again. Checks the size."""
    if answer.status == 206:
        length = answer.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        length = answer.headers.get("Content-Length", "")
    if length.isdigit() and int(length) != total:
        raise DownloadError(f"{url}: has {int(length):,} bytes where {total:,} were published")
    return answer.status == 206


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _unpack(file: Path, folder: Path, holds: str) -> None:
    """Unpack into a folder beside, then move: so what `holds` names is there completely or not at all."""
    beside = folder / f".{file.name}.unpacked"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                check_member(member)
            _check_space(folder, sum(member.file_size for member in archive.infolist()))
            archive.extractall(beside)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DownloadError(f"{file}: cannot be unpacked ({error})") from None
    _move(beside, folder, PurePosixPath(holds).parts[0])
    shutil.rmtree(beside, ignore_errors=True)


def _move(beside: Path, folder: Path, name: str) -> None:
    target = folder / name
    if target.is_dir():
        shutil.copytree(beside / name, target, dirs_exist_ok=True)
    else:
        (beside / name).replace(target)


def check_member(member: zipfile.ZipInfo) -> None:
    """Raises DownloadError for a member that is a link, or whose path leads out of the folder."""
    name = member.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or (parts and ":" in parts[0]):
        raise DownloadError(f"{member.filename!r} in the archive leads out of the folder; not unpacked")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DownloadError(f"{member.filename!r} in the archive is a link; not unpacked")
