"""Copies that browsers keep: before each use they ask whether theirs is current, and mostly it is.

They must ask, since what an address shows may change at any moment: with the version of the page, with a
picture's file, and with the index that is served on the port.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response


def caching_headers(etag: str) -> dict[str, str]:
    """Headers by which the reader's browser, and no proxy, keeps an answer and asks before each use of it."""
    return {"ETag": f'"{etag}"', "Cache-Control": "private, no-cache"}


def not_modified(request: Request, headers: Mapping[str, str]) -> Response | None:
    """The answer (304) to a browser whose copy is current; None to any other.

    `headers` are those of the whole answer, since the browser updates its copy's headers by these. Proxies
    that compress an answer mark its tag as weak; the content is the same.
    """
    known = request.headers.get("if-none-match", "").split(",")
    if headers["ETag"] not in (tag.strip().removeprefix("W/") for tag in known):
        return None
    return Response(status_code=304, headers=headers)
