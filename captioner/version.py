"""The program's own version, for the sites that it asks and for people who ask it."""

from __future__ import annotations


def program_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow, and few commands ask

    try:
        return version("caption-search")
    except PackageNotFoundError:
        return "development"
