"""The manifest of a scraped folder: JSON lines, only ever appended to; the last line of a URL counts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from captioner.problem import Problem
from indexer.errors import IndexerError, ScrapeError, SourceError
from indexer.file_lock import lock_file
from indexer.scrape.excluded import NAME as EXCLUDED
from indexer.scrape.items import Item, SearchProgress

NAME = "manifest.jsonl"

#: What `json.loads` raises for a line: the last for one that is nested too deeply.
_NOT_JSON = (ValueError, RecursionError)
#: Bytes read at a time, from the end, to find where the last line begins.
_BLOCK = 1 << 16


def read_manifest(folder: Path, end: int = sys.maxsize) -> Iterator[Item | SearchProgress | Problem]:
    """Every line before byte `end`, in order, one at a time; a broken one as a Problem with its number.

    A torn last line, left by a crash, is passed over. Raises SourceError where there is no manifest.
    """
    path = folder / NAME
    try:
        with path.open("rb") as lines:
            for number, raw in enumerate(lines, 1):
                end -= len(raw)
                if end < 0:
                    return
                parsed = _parse(raw, path, number)
                if parsed is not None:
                    yield parsed
    except FileNotFoundError:
        raise SourceError(f"{folder}: not a scraped folder (no {NAME} in it)") from None


def _parse(raw: bytes, path: Path, number: int) -> Item | SearchProgress | Problem | None:
    try:
        line = json.loads(raw)
        if not isinstance(line, dict):
            raise ValueError("not an object")
        kind = line.get("line")
        if kind == "item":
            return Item.from_json(line)
        return SearchProgress.from_json(line) if kind == "search" else None
    except _NOT_JSON as error:
        if not raw.endswith(b"\n"):
            return None
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        return Problem(f"{path}:{number}", f"damaged manifest line ({reason})")


def sound_manifest(folder: Path) -> Iterator[Item | SearchProgress]:
    """Every line, for a scrape that goes on. Raises SourceError for a broken one.

    A scrape that passed it over would download again what that line noted.
    """
    for line in read_manifest(folder):
        if isinstance(line, Problem):
            raise SourceError(f"{line}; take it out, and the scrape goes on")
        yield line


def broken_lines(folder: Path, end: int = sys.maxsize) -> Iterator[Problem]:
    """What is wrong with the manifest; the rest of it can be used."""
    return (line for line in read_manifest(folder, end) if isinstance(line, Problem))


def manifest_size(folder: Path) -> int:
    """Bytes of the manifest: up to there it stays as it is, while a scrape goes on."""
    return (folder / NAME).stat().st_size


def _check_new_place(folder: Path) -> None:
    """Raises ScrapeError for a folder of other files, among which no manifest and photos are to come.

    A scrape whose manifest was lost may begin anew among its photos.
    """
    names = (path.name for path in folder.iterdir() if not path.name.startswith("."))
    if name := next((name for name in names if name not in (EXCLUDED, "images")), None):
        raise ScrapeError(
            f"{folder}: holds other files ({name}) and no {NAME} of a scrape; name a new or an empty folder"
        )


class ManifestWriter:
    """Appends lines, many in one write, so that a crash can tear only the last. One writer a folder."""

    def __init__(self, folder: Path) -> None:
        """Raises ScrapeError where another process is writing to this folder, or it is one of other files;
        OSError where the manifest cannot be opened or locked.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        if not self.path.exists():
            _check_new_place(folder)
        self._file: BinaryIO = self.path.open("ab+", buffering=0)
        try:
            lock = lock_file(self._file.fileno())
            # `remove_empty` of another process may have removed it since it was opened here.
            if lock is None or not _is_open_at(self.path, self._file):
                raise ScrapeError(f"{folder}: another scrape is writing to this folder; wait for it")
            self._lock = lock
            _mend_last_line(self._file)
        except BaseException:
            self._file.close()
            raise

    def append(self, *lines: Item | SearchProgress) -> None:
        """Add lines at the end; they outlive the process from here on.

        What does not fit on the disk is taken back, so that a later line does not follow half a line.
        """
        text = memoryview(b"".join(map(_as_line, lines)))
        size = self._file.seek(0, os.SEEK_END)
        try:
            while text:
                text = text[self._file.write(text) :]
        except OSError:
            self._file.truncate(size)
            raise

    def close(self) -> None:
        """Let others write. A child that was forked meanwhile lets go of its copy only."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._lock.release()
            self._file.close()

    def __enter__(self) -> ManifestWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def remove_empty(folder: Path) -> None:
    """Remove a manifest that tells of no picture, and its folder, where nothing else is in that.

    It is locked meanwhile, so that no scrape goes on with it. Where it cannot be removed, it does no harm.
    """
    with suppress(OSError, IndexerError), ManifestWriter(folder) as manifest:
        if not any(isinstance(line, (Item, Problem)) for line in read_manifest(folder)):
            manifest.path.unlink()
            folder.rmdir()


def _is_open_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _as_line(line: Item | SearchProgress) -> bytes:
    return _ENCODER.encode(line.as_json()).encode("utf-8", "replace") + b"\n"


def _mend_last_line(file: BinaryIO) -> None:
    """Cut a last line that a crash has torn, or give a whole one its missing end of line."""
    size = file.seek(0, os.SEEK_END)
    start, tail = _last_line(file, size)
    if not tail:
        return
    try:
        whole: Any = json.loads(tail)
    except _NOT_JSON:
        whole = None
    if isinstance(whole, dict):
        file.write(b"\n")
    else:
        file.truncate(start)


def _last_line(file: BinaryIO, size: int) -> tuple[int, bytes]:
    """Start and text of what follows the last end of line."""
    tail = b""
    start = size
    while start > 0 and b"\n" not in tail:
        step = min(_BLOCK, start)
        start -= step
        file.seek(start)
        tail = file.read(step) + tail
    cut = tail.rfind(b"\n") + 1
    return start + cut, tail[cut:]
