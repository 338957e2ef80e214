"""Where an index is: a folder or a URL. Other addresses, and URLs with a password, are refused."""

from __future__ import annotations

import os
import re

from indexer.errors import IndexerError

#: The beginning of an address: `ftp://x/y`, `http:/x` (a URL that was made a Path), `localhost:9200/x`. One
#: letter before the colon is not an address, but a drive of Windows.
_ADDRESS = re.compile(r"\s*(?:[a-z][a-z0-9+.-]+:/|[^/\\]+:[0-9]+/)", re.IGNORECASE)


def index_place(where: str | os.PathLike[str]) -> str:
    """The place of an index, checked: a folder, or a URL.

    Raises IndexerError for any other address, since a folder of that name would be made, and for a password.
    The name of a folder that exists may look like either.
    """
    where = os.fspath(where)
    if not is_url(where) and _is_folder(where):
        return where
    refuse_password(where)
    if _ADDRESS.match(where) and not is_url(where):
        raise IndexerError(
            f"{where}: neither an index URL nor a folder that is there; write http[s]://HOST:9200/NAME for "
            f"Elasticsearch, or ./{where} for a new folder"
        )
    return where


def is_url(where: str) -> bool:
    return where.lstrip().lower().startswith(("http://", "https://"))


def _is_folder(where: str) -> bool:
    return os.path.isdir(where)  # noqa: PTH112 - pathlib raises for a name that is too long


def refuse_password(where: str, whose: str = "the index URL") -> None:
    """Raises IndexerError for an address with an `@` in any place. The message repeats nothing of it.

    The address is not parsed for that: with `#`, `/` or `?` in a password, the host would end before the `@`.
    """
    if "@" in where and ("://" in where or _ADDRESS.match(where)):
        raise IndexerError(
            f"{whose} carries a user or password; give them in the environment instead: "
            "ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD (or *_FILE)"
        )
