"""Photos at addresses (a path, s3://, https://, gs://, ...): which there are, and their bytes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from captioner.extras import how_to_install
from captioner.folders import no_photos
from captioner.formats import SUFFIXES, UNREAD
from captioner.outside import error_text
from captioner.unreachable import EMPTY, why_unreachable
from indexer.errors import IndexerError, SourceError
from indexer.photo_files.stored_paths import without_detours
from indexer.sources import Source, SourceItem
from indexer.sources.source import photo_of_folder

try:
    import fsspec
except ModuleNotFoundError:
    raise IndexerError(f"--engine ray needs fsspec: {how_to_install('ray')}") from None

#: Larger files are no photos (the sky is the limit for what an address can give).
MOST_BYTES = 200_000_000


class UnreadableError(Exception):
    """An address whose photo cannot be had; the message is the reason alone."""


def read_photo(address: str) -> bytes:
    """The file at an address. Raises UnreadableError with the words that a local file would get."""
    try:
        with fsspec.open(address, "rb") as file:
            content: bytes = file.read(MOST_BYTES + 1)
    except Exception as error:  # every file system behind fsspec has errors of its own
        # Over HTTP, fsspec says "not found" of a server that does not answer as well; the cause tells.
        cause = error.__cause__ if isinstance(error, FileNotFoundError) else None
        raise UnreadableError(why_unreachable(cause or error)) from None
    if not content:
        raise UnreadableError(EMPTY)
    if len(content) > MOST_BYTES:
        raise UnreadableError(f"is larger than {MOST_BYTES:,} bytes")
    return content


class AddressedSource(Source):
    """Photos below an address, or those that a text file (`.txt`, an address a line) names.

    `image_id` is the path from the address, or the address itself where a list names it. Raises
    SourceError where there is nothing. Reading is left to the workers of the cluster.
    """

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self.unread: Counter[str] = Counter()
        if not self._photos:
            raise SourceError(f"{address}: {no_photos(self.unread)}")

    @property
    def name(self) -> str:
        return PurePosixPath(self._address).name or self._address

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for address, _, state in self._photos:
            digest.update(f"{address}\x1f{state}\n".encode("utf-8", "surrogatepass"))
        return f"addresses {digest.hexdigest()}"

    def photos(self) -> Iterator[SourceItem]:
        for address, image_id, _ in self._photos:
            yield photo_of_folder(image_id, address)

    def photo_count(self) -> int:
        return len(self._photos)

    @cached_property
    def _photos(self) -> list[tuple[str, str, str]]:
        """(address, image id, what tells whether it changed), in order of address."""
        try:
            if self._address.endswith(".txt"):
                return list(self._photos_listed())
            return sorted(self._photos_below())
        except FileNotFoundError:
            raise SourceError(f"{self._address}: no such place") from None
        except ImportError as error:
            raise SourceError(f"{self._address}: {error_text(error)}") from None
        except Exception as error:
            raise SourceError(f"{self._address}: cannot be listed ({error_text(error)})") from None

    def _photos_listed(self) -> Iterator[tuple[str, str, str]]:
        with fsspec.open(self._address, "rt", encoding="utf-8-sig") as lines:
            for address in dict.fromkeys(line.strip() for line in lines):
                if address and not address.startswith("#"):
                    yield _place_of(address), address, ""

    def _photos_below(self) -> Iterator[tuple[str, str, str]]:
        system, root = fsspec.core.url_to_fs(self._address)
        root = str(without_detours(root)) if "file" in system.protocol else root.rstrip("/")
        if not system.isdir(root):
            raise FileNotFoundError(root)
        for path, state in system.find(root, detail=True).items():
            inner = PurePosixPath(path[len(root) :].lstrip("/"))
            if any(part.startswith(".") for part in inner.parts):
                continue
            if (suffix := inner.suffix.lower()) in SUFFIXES:
                yield _address_of(system, path), str(inner), _state(state)
            elif suffix in UNREAD:
                self.unread[suffix] += 1


def _place_of(address: str) -> str:
    """Where a listed photo is, as sources store it: a local file's path without detours, or the address."""
    is_local = fsspec.utils.get_protocol(address) in ("file", "local")
    return str(without_detours(fsspec.core.strip_protocol(address))) if is_local else address


def _address_of(system: Any, path: str) -> str:
    """A local file by its path, as `--folder` names it, so that both make the same documents."""
    return path if "file" in system.protocol else str(system.unstrip_protocol(path))


def _state(state: dict[str, Any]) -> str:
    changed = next((state[name] for name in ("ETag", "etag", "mtime", "LastModified") if name in state), "")
    return f"{state.get('size')} {changed}"
