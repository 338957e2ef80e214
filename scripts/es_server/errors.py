"""Why no server could be had, in words for people."""

from __future__ import annotations

#: Lines of a program's output that are shown.
_LINES = 25


class ServerError(Exception):
    """No server could be had; the message says why and what to do."""


def tail(text: str) -> str:
    """The end of a program's output, where the reason usually stands."""
    return "\n".join(text.rstrip().splitlines()[-_LINES:])
