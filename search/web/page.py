"""The page and its parts: a handful of files, read once at start; no request names a path."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from search.web.browser_copies import caching_headers, not_modified

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


@cache
def _files() -> dict[str, tuple[bytes, str, str]]:
    """Name -> content, media type, ETag."""
    found = {}
    for item in files("search.web").joinpath("static").iterdir():
        suffix = item.name[item.name.rfind(".") :]
        if suffix in _TYPES:
            content = item.read_bytes()
            found[item.name] = (content, _TYPES[suffix], hashlib.sha256(content).hexdigest()[:16])
    return found


def _serve(name: str) -> Callable[[Request], Awaitable[Response]]:
    content, kind, etag = _files()[name]
    headers = caching_headers(etag)

    async def serve(request: Request) -> Response:
        return not_modified(request, headers) or Response(content, media_type=kind, headers=headers)

    return serve


def page_routes() -> list[Route]:
    """Routes of the page (`/`) and of every file in `static` (`/static/NAME`)."""
    routes = [Route("/", _serve("index.html"), name="page"), Route("/favicon.ico", _serve("icon.svg"))]
    return routes + [Route(f"/static/{name}", _serve(name)) for name in sorted(_files())]
