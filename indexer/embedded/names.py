"""What the files of an index are called, and which files with these names a writer made.

Whatever else is in the folder is somebody else's: it is neither replaced nor removed.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

MANIFEST = "manifest.json"
DRAFT_MANIFEST = "draft.json"
LOCK = "write.lock"

_DRAFT = "draft-[0-9a-f]{8}"
_ARRAYS = r"(?:segment|deleted)-([0-9]{6,18})\.arrays"
_DRAFT_FOLDER, _ARRAYS_FILE = re.compile(_DRAFT), re.compile(rf"{_ARRAYS}(?:\.tmp)?")
#: The paths that a manifest may name. Another one could lead outside of the folder.
ARRAYS_PATH = re.compile(rf"(?:{_DRAFT}/)?{_ARRAYS}")
#: A lock holds the number of a process, or nothing yet.
_HOLDER = re.compile(rb"[0-9]*\n?")
#: So every manifest begins.
MANIFEST_BEGINNING = '{"checksum": '


def new_draft() -> str:
    """A random name, so that a reader of an older manifest never takes a new file for one of its own."""
    return f"draft-{secrets.token_hex(4)}"


def arrays_name(kind: str, number: int) -> str:
    return f"{kind}-{number:06d}.arrays"


def arrays_number(name: str) -> int | None:
    """The number of a file of arrays, finished or not; None for a name that no writer gives to one."""
    match = _ARRAYS_FILE.fullmatch(name)
    return match and int(match[1])


def is_draft_folder(path: Path) -> bool:
    return bool(_DRAFT_FOLDER.fullmatch(path.name)) and path.is_dir()


def is_manifest(path: Path) -> bool:
    """Whether this is a manifest, or the beginning of one."""
    head = _head(path, len(MANIFEST_BEGINNING))
    return head is not None and MANIFEST_BEGINNING.encode().startswith(head)


def _is_lock(path: Path) -> bool:
    head = _head(path, 20)
    return head is not None and _HOLDER.fullmatch(head) is not None


def _head(path: Path, length: int) -> bytes | None:
    """How a file begins, without the zeros that a power cut may leave; None where there is no such file.

    One that cannot be read counts as empty: who opens it then tells why.
    """
    try:
        if not path.is_file():  # to open a pipe would wait for who writes to it
            return None
        with path.open("rb") as file:
            return file.read(length).rstrip(b"\0")
    except FileNotFoundError:
        return None
    except OSError:
        return b""


def is_of_draft(path: Path) -> bool:
    """Whether a writer made this file in the folder of a draft."""
    return _is_made(path, DRAFT_MANIFEST)


def _is_of_root(path: Path) -> bool:
    return is_draft_folder(path) or _is_made(path, MANIFEST) or (path.name == LOCK and _is_lock(path))


def _is_made(path: Path, manifest: str) -> bool:
    if path.name in (manifest, f"{manifest}.tmp"):
        return is_manifest(path)
    return arrays_number(path.name) is not None and path.is_file()


def foreign_files(folder: Path) -> Iterator[Path]:
    """What no writer made in the folder of an index and in its drafts; hidden files may be anywhere."""
    paths = sorted(folder.iterdir())
    yield from _not_made(paths, _is_of_root)
    for draft in filter(is_draft_folder, paths):
        yield from _not_made(draft.iterdir(), is_of_draft)


def _not_made(paths: Iterable[Path], is_made: Callable[[Path], bool]) -> Iterator[Path]:
    for path in paths:
        # What a writer, who may be at work, has just renamed is not there any more.
        if not path.name.startswith(".") and not is_made(path) and os.path.lexists(path):
            yield path
