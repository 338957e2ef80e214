"""What is given for a place: told from a folder, and refused where it carries a password."""

from __future__ import annotations

from indexer.errors import IndexerError


def is_url(where: str) -> bool:
    return where.lstrip().lower().startswith(("http://", "https://"))


def refuse_password(where: str, whose: str = "the index URL") -> None:
    """Raises IndexerError, repeating nothing, for an address with an `@`, wherever it stands.

    It is not parsed first: a password with `#`, `/` or `?` in it would end the host before the `@`.
    """
    if "://" in where and "@" in where:
        raise IndexerError(
            f"{whose} carries a user or password; give them in the environment instead: "
            "ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD (or *_FILE)"
        )
