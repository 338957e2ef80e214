"""What a source of captions is: ready captions, photos that still want one, and what is wrong with it."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from captioner.problem import Problem
from indexer import origins
from indexer.errors import SourceError
from indexer.photo_files.stored_paths import without_detours
from indexer.records import CaptionRecord

SourceItem = CaptionRecord | Problem


class Source(ABC):
    """Where captions come from. Opening one raises SourceError where nothing of it can be used.

    By default a source has neither captions nor photos, and has passed over no picture.
    """

    #: Pictures in formats that are not read, by suffix.
    unread: Mapping[str, int] = {}

    @property
    @abstractmethod
    def name(self) -> str:
        """What to call it in messages, for example the file's name."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when the content does, so that a draft is only gone on with from the same content."""

    def captions(self) -> Iterator[SourceItem]:
        """The captions that are written already, in a stable order. May hold empty ones."""
        return iter(())

    def photos(self) -> Iterator[SourceItem]:
        """Records without a caption, whose `image` is the path of a photo for the captioner."""
        return iter(())

    def caption_count(self) -> int:
        """How many captions there are at most, for the progress bar."""
        return 0

    def photo_count(self) -> int:
        """How many photos there are at most; where it is 0, no captioner is loaded."""
        return 0


def stamp(paths: Iterable[Path]) -> str:
    """Digest of the names, sizes and times of change of these files."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            state = path.stat()
            line = f"{path}\x1f{state.st_size}\x1f{state.st_mtime_ns}\n"
        except OSError:
            line = f"{path}\x1f?\n"
        digest.update(line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def photo_of_folder(image_id: str, place: str) -> CaptionRecord:
    """A photo of which a caption is still to be written."""
    return CaptionRecord(image_id, "", image=place, source=origins.FOLDER, kind=origins.GENERATED)


def existing_file(path: str | os.PathLike[str], what: str) -> Path:
    """The path of a readable file, without detours. Raises SourceError that says what is the matter.

    Sources are read more than once, which a pipe cannot be, and to their end, which a device need not have.
    """
    file = Path(path)
    if file.is_dir():
        raise SourceError(f"{path}: is a folder, not a file ({what})")
    if not file.exists() and file.name != "-":
        raise SourceError(f"{path}: no such file ({what})")
    if not file.is_file():  # nor is "-", as which other programs read a pipe
        raise SourceError(f"{path}: is a pipe or a device; write {what} into a file first")
    if not os.access(file, os.R_OK):
        raise SourceError(f"{path}: no permission to read it")
    return without_detours(file)


def existing_folder(path: str | os.PathLike[str], what: str) -> Path:
    """The path of a readable folder, without detours. Raises SourceError that says what is the matter."""
    folder = Path(path)
    if not folder.exists():
        raise SourceError(f"{path}: no such folder ({what})")
    if not folder.is_dir():
        raise SourceError(f"{path}: is a file, not a folder ({what})")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise SourceError(f"{path}: no permission to read it")
    return without_detours(folder)
