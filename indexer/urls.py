"""What is given for a place: a folder or a URL. Other addresses, and URLs with a password, are refused."""

from __future__ import annotations

import os
import re

from indexer.errors import IndexerError

#: How addresses begin: `ftp://x/y`, `http:/x` (which a Path makes of a URL), `localhost:9200/x`. A drive has
#: one letter only.
_ADDRESS = re.compile(r"\s*(?:[a-z][a-z0-9+.-]+:/|[^/\\]+:[0-9]+/)", re.IGNORECASE)


def index_place(where: str | os.PathLike[str]) -> str:
    """Where an index is, or is to be: a folder, or a URL.

    Raises IndexerError for any other address, which would become a folder of that name, and for a password;
    a folder that is there may be named like either.
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
    return os.path.isdir(where)  # noqa: PTH112 - pathlib raises for what is too long a name


def refuse_password(where: str, whose: str = "the index URL") -> None:
    """Raises IndexerError, repeating nothing, for an address with an `@`, wherever it stands.

    It is not parsed first: a password with `#`, `/` or `?` in it would end the host before the `@`.
    """
    if "@" in where and ("://" in where or _ADDRESS.match(where)):
        raise IndexerError(
            f"{whose} carries a user or password; give them in the environment instead: "
            "ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD (or *_FILE)"
        )
