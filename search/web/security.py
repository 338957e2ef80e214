"""What stands before every route: who may ask, how much may be sent, and what browsers are told."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.web.api_paths import API, UNVERSIONED_API
from search.web.captioning import MAX_WAITING_BYTES
from search.web.problems import HttpProblem, busy, problem_of, stopping
from search.web.settings import Settings

_log = logging.getLogger("search.web")

#: Where visitors sign in, before anything is known of them.
_SIGN_IN_PATHS = frozenset({f"{API}/session", f"{UNVERSIONED_API}/session"})

#: Bytes of a sign-in: a token of 1,000 characters, each 12 bytes at most in a form.
_SIGN_IN_BYTES = 16_384

#: Open to everybody: signs of life, and what the page needs to ask for the token.
_OPEN_PREFIXES = ("/health/", "/static/")
_OPEN_PATHS = _SIGN_IN_PATHS | {"/", "/favicon.ico"}

_FORM = "application/x-www-form-urlencoded"

_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def content_security_policy(remote_images: bool) -> str:
    """Nothing but this server's own files; no inline script or style; never inside a frame."""
    pictures = "'self' blob: data:" + (" https: http:" if remote_images else "")
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; manifest-src 'self'; "
        f"img-src {pictures}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def security_headers(settings: Settings) -> dict[str, str]:
    return {
        "Content-Security-Policy": content_security_policy(settings.remote_images),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def session_cookie(token: str) -> tuple[str, str]:
    """Name and value of the cookie: proof of the token without the token.

    Browsers send the cookies of a host to all its ports, so servers of different tokens need different names.
    """
    proof = hmac.new(token.encode(), b"caption-search session", hashlib.sha256).hexdigest()
    return f"caption-search-session-{proof[:8]}", proof[8:]


def is_token(settings: Settings, given: bytes) -> bool:
    """Whether this is the server's token.

    Letters beyond ASCII come in headers as UTF-8 (from curl) or Latin-1 (from browsers and Python).
    """
    spellings = (given, given.decode("latin-1").encode())
    return any(hmac.compare_digest(spelling, settings.token.encode()) for spelling in spellings)


def signed_in(settings: Settings, headers: Headers) -> bool:
    """Whether a request brings the token, or the cookie that stands for it; True if the server has none."""
    if not settings.token:
        return True
    # Stripped as bytes: the second byte of a letter in UTF-8 may be a blank in Latin-1.
    scheme, _, given = headers.get("authorization", "").encode("latin-1").partition(b" ")
    if scheme.lower() == b"bearer" and is_token(settings, given.strip()):
        return True
    name, value = session_cookie(settings.token)
    cookie = cookie_parser(headers.get("cookie", "")).get(name, "")
    return hmac.compare_digest(cookie.encode("utf-8", "replace"), value.encode())


@dataclass
class _Body:
    """What came of a request's body."""

    size: int = 0


class RequestGuard:
    """ASGI middleware: checks, limits and headers, for every answer (errors too)."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._bodies = 0  # bytes of all that are being received or answered
        self._headers = security_headers(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(f"{UNVERSIONED_API}/"):
            # An image id may hold slashes, sent as %2F: routes see the path undecoded, handlers decode it.
            scope["path"] = scope.get("raw_path", scope["path"].encode()).decode("latin-1")

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        asker = Headers(scope=scope)
        if problem := self._refusal(scope, asker):
            await problem.response(asker)(scope, receive, send_with_headers)
            return
        body = _Body()
        try:
            await self._app(scope, self._with_limits(scope, receive, body), send_with_headers)
        except asyncio.CancelledError:  # the server stops, and cancels what is under way
            if not started:
                await stopping().response(asker)(scope, receive, send_with_headers)
        except Exception as error:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise
            await problem_of(error).response(asker)(scope, receive, send_with_headers)
        finally:
            self._bodies -= body.size

    def _refusal(self, scope: Scope, headers: Headers) -> HttpProblem | None:
        return (
            self._wrong_host(headers)
            or self._without_token(scope, headers)
            or self._cross_site(scope, headers)
            or self._multipart_sign_in(scope, headers)
            or self._too_large(scope, headers)
        )

    def _wrong_host(self, headers: Headers) -> HttpProblem | None:
        if not self._settings.hosts:
            return None
        try:
            name = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        except ValueError:
            name = ""
        if name in self._settings.hosts:
            return None
        detail = "This server does not answer to that name; its operator can allow it with --allowed-host."
        return HttpProblem(421, "host", "Wrong host", detail)

    def _without_token(self, scope: Scope, headers: Headers) -> HttpProblem | None:
        path: str = scope["path"]
        if path in _OPEN_PATHS or path.startswith(_OPEN_PREFIXES) or signed_in(self._settings, headers):
            return None
        detail = "This server asks for its token: send it as `Authorization: Bearer TOKEN`."
        return HttpProblem(401, "token", "Token needed", detail, {"WWW-Authenticate": "Bearer"})

    def _cross_site(self, scope: Scope, headers: Headers) -> HttpProblem | None:
        """Another site's page must not make a visitor's browser post here."""
        if scope["method"] not in _METHODS_WITH_BODY:
            return None
        if headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none"):
            return None
        return HttpProblem(403, "cross-site", "Refused", "Requests from other sites' pages are refused.")

    def _multipart_sign_in(self, scope: Scope, headers: Headers) -> HttpProblem | None:
        """A form of several parts may hold files, which are stored before anybody looks at the token."""
        if scope["path"] not in _SIGN_IN_PATHS or scope["method"] not in _METHODS_WITH_BODY:
            return None
        if headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
            return None
        return HttpProblem(415, "media-type", "Unsupported media type", f"Send the token as {_FORM}.")

    def _too_large(self, scope: Scope, headers: Headers) -> HttpProblem | None:
        """Refuse by the announced length, before a byte of the body is read."""
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            return HttpProblem(400, "length", "Bad request", "Content-Length is not a number.")
        return self._too_long(scope, int(length))

    def _too_long(self, scope: Scope, length: int) -> HttpProblem | None:
        """The problem of a body of so many bytes; None where it is not too long."""
        if scope["path"] not in _SIGN_IN_PATHS:
            return too_large(self._settings) if length > self._settings.form_bytes else None
        if length <= _SIGN_IN_BYTES:
            return None
        detail = f"A sign-in is the token and no more, up to {_SIGN_IN_BYTES} bytes."
        return HttpProblem(413, "too-large", "The request is too large", detail, {"Connection": "close"})

    def _no_room(self, size: int) -> HttpProblem | None:
        """The problem of a body of so many bytes where all together are too many; a sign-in has room always.

        What came counts, not what is announced: else a few slow visitors would shut out all others.
        """
        if size <= _SIGN_IN_BYTES or self._bodies <= MAX_WAITING_BYTES:
            return None
        return busy("Many photos are being sent; try again in 5 s.", 5, {"Connection": "close"})

    def _with_limits(self, scope: Scope, receive: Receive, body: _Body) -> Receive:
        """The request's body, stopped when it gets too long or takes too long."""
        if scope["method"] not in _METHODS_WITH_BODY:
            return receive
        settings = self._settings
        until, whole = time.monotonic() + settings.upload_seconds, False

        async def limited() -> Message:
            nonlocal whole
            if whole:  # what comes now is only the news that the client has gone
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
            except asyncio.TimeoutError:
                detail = f"The upload took more than {settings.upload_seconds:.0f} s."
                raise HttpProblem(408, "slow-upload", "Too slow", detail, {"Connection": "close"}) from None
            came = len(message.get("body", b""))
            body.size, self._bodies = body.size + came, self._bodies + came
            if problem := self._too_long(scope, body.size) or self._no_room(body.size):
                raise problem
            whole = not message.get("more_body", False)
            return message

        return limited


def too_large(settings: Settings) -> HttpProblem:
    limit = f"{settings.upload_bytes / 1e6:.3g} MB"
    return HttpProblem(
        413,
        "too-large",
        "The photo is too large",
        f"The photo is larger than this server takes ({limit}).",
        {"Connection": "close"},
    )
