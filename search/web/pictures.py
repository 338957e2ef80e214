"""Picture files by what the index says of an image, only from folders named at start; thumbnails of them."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PureWindowsPath

from PIL import Image

from captioner.files import is_file
from captioner.photo import open_photo
from indexer.photo_files.places import leads_nowhere
from indexer.urls import is_url

#: Longest sides that thumbnails come in: few, so that no client can fill the cache with sizes.
SIZES = (160, 320, 640, 1280)

#: How long it may take until a picture that came is noticed, or that another one is meant now.
REMEMBER_SECONDS = 60

_CACHE_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's file, and a digest of its path, time and size, which no other file or content has."""

    path: Path
    version: str

    @classmethod
    def at(cls, path: Path) -> Picture:
        """Raises OSError where there is no file."""
        here = path.stat()
        state = f"{here.st_mtime_ns} {here.st_size} {path}"
        return cls(path, hashlib.sha256(state.encode(errors="surrogateescape")).hexdigest()[:32])


class Pictures:
    """Finds a record's file inside the named folders and makes thumbnails. Safe to use from many threads."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folder.resolve(strict=True) for folder in folders)
        self._thumbnails: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        # To find a picture takes some dozen system calls, and pages show the same ones again.
        self._found = lru_cache(maxsize=1 << 16)(self._look)

    def find(self, image: str) -> Path | None:
        """The file that `image`, a record's path, means; None when no named folder has it.

        An index may have been built elsewhere, so the path's own end counts: of
        /data/coco/val2017/1.jpg a folder may hold coco/val2017/1.jpg, val2017/1.jpg or 1.jpg. The longest
        end that any folder holds is taken; of a path into a named folder that file alone.
        """
        if not self.folders or not image or is_url(image):
            return None
        path = self._found(image, int(time.monotonic() // REMEMBER_SECONDS))
        # A link may have taken its place since. Of a file that came back to its very place nobody shall be
        # told that it is not here.
        return path if path and self._inside(path) == path else self._at_its_place(image)

    def has_gone(self, image: str) -> bool:
        """Whether `image`, a record's path, leads into a named folder that has no such file any more."""
        path = Path(image)
        return leads_nowhere(str(path)) and self._lies_here(path)

    def _at_its_place(self, image: str) -> Path | None:
        path = Path(image)
        is_there = path.is_absolute() and ".." not in path.parts and is_file(path)
        return self._inside(path) if is_there else None

    def _look(self, image: str, period: int) -> Path | None:
        """`find` without the cache. `period` is a part of its key, so that a new period looks anew."""
        parts = [part for part in PureWindowsPath(image).parts if part not in ("/", "\\")]
        if ".." in parts:
            return None
        places = [Path(image)] if Path(image).is_absolute() else []
        # Cameras give the same names again and again: where a file has gone, its end is another photo's.
        if not any(map(self._lies_here, places)):
            tails = [Path(*parts[start:]) for start in range(len(parts))]
            places += [folder / tail for tail in tails for folder in self.folders]
        return next(filter(None, map(self._inside, places)), None)

    def _lies_here(self, path: Path) -> bool:
        """Whether a path leads into a named folder, by whatever links, even if its file has gone."""
        with suppress(OSError, RuntimeError, ValueError):
            path = path.parent.resolve() / path.name
        return any(map(path.is_relative_to, self.folders))

    def _inside(self, path: Path) -> Path | None:
        """`path` with links followed, if that is a file in a named folder."""
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            return None
        return real if any(map(real.is_relative_to, self.folders)) and is_file(real) else None

    def thumbnail(self, picture: Picture, size: int) -> bytes:
        """A JPEG of the picture whose longer side is at most `size` (one of SIZES). Raises PhotoError."""
        key = (picture.version, size)
        with self._lock:
            if key in self._thumbnails:
                self._thumbnails.move_to_end(key)
                return self._thumbnails[key]
        made = _shrink(picture.path, size)
        with self._lock:
            if key not in self._thumbnails:
                self._thumbnails[key] = made
                self._bytes += len(made)
            while self._bytes > _CACHE_BYTES:
                _, old = self._thumbnails.popitem(last=False)
                self._bytes -= len(old)
        return made


def _shrink(path: Path, size: int) -> bytes:
    image = open_photo(path, smallest=size)
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85, optimize=True, progressive=True)
    return out.getvalue()
