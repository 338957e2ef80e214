"""Errors as problem documents (RFC 9457), one line for a person in `detail`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from captioner.errors import CaptionerError, PhotoError, UnreachablePhotoError
from indexer.errors import IndexerError, IndexUnavailableError
from search.errors import QueryError, SearchError
from search.web.failure_log import FailureLog
from search.web.problem_page import problem_page, wants_page

MEDIA_TYPE = "application/problem+json"


class HttpProblem(HTTPException):
    """An error with a stable name (`kind`, the last part of the document's `type`)."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.kind, self.title, self.more = kind, title, more

    def document(self) -> dict[str, Any]:
        return {
            "type": f"urn:caption-search:problem:{self.kind}",
            "title": self.title,
            "status": self.status_code,
            "detail": self.detail,
            **self.more,
        }

    def response(self, asker: Headers) -> Response:
        """The document, or for a browser that opens an address a page; `asker`: the request's headers."""
        if wants_page(asker):
            return HTMLResponse(problem_page(*self._in_words()), self.status_code, self.headers)
        return JSONResponse(self.document(), self.status_code, self.headers, MEDIA_TYPE)

    def _in_words(self) -> tuple[str, str]:
        """Title and detail for a person; of an address without a route HTTP has no more than its phrase."""
        if self.status_code == HTTPStatus.NOT_FOUND and self.detail == HTTPStatus.NOT_FOUND.phrase:
            return "There is nothing at this address", "It may be mistyped, or what was here has gone."
        return self.title, self.detail


def not_found(detail: str) -> HttpProblem:
    return HttpProblem(404, "not-found", "Not found", detail)


def busy(detail: str, seconds: int, headers: Mapping[str, str] | None = None) -> HttpProblem:
    """429: come back in `seconds`."""
    told = {"Retry-After": str(seconds), **(headers or {})}
    return HttpProblem(429, "busy", "Too many photos at once", detail, told)


def overloaded(detail: str) -> HttpProblem:
    return HttpProblem(503, "overloaded", "Too much at once", detail, {"Retry-After": "1"})


def not_ready() -> HttpProblem:
    """For visitors who must not learn where the search engine is and how it is run."""
    return HttpProblem(503, "not-ready", "Not ready", "The server's log says why.", {"Retry-After": "5"})


def stopping() -> HttpProblem:
    """Answered to what is under way when the server stops."""
    detail = "The server stops before this was answered; try again in a moment."
    return HttpProblem(503, "stopping", "The server is stopping", detail, {"Retry-After": "5"})


def too_slow(detail: str) -> HttpProblem:
    return HttpProblem(504, "timeout", "It took too long", detail)


def problem_of(error: Exception) -> HttpProblem:
    """The problem that an error of the three packages is to a client.

    Messages about photos and queries are the client's own; those about engine and model are given
    too (they are one line, without secrets), anything else stays in the log.
    """
    text = " ".join(str(error).split())
    match error:
        case HttpProblem():
            return error
        case UnreachablePhotoError():  # of a picture of this server; its name is a path
            return HttpProblem(
                503, "picture", "The picture cannot be read", _sentence(error.reason), {"Retry-After": "5"}
            )
        case PhotoError():
            return HttpProblem(422, "photo", "The photo cannot be used", _sentence(error.reason))
        case QueryError():
            return HttpProblem(400, "query", "The search cannot be answered", text)
        case IndexUnavailableError():
            return HttpProblem(
                503, "engine-down", "The search engine does not answer", text, {"Retry-After": "5"}
            )
        case IndexerError():
            return HttpProblem(503, "index", "The index cannot be used", text, {"Retry-After": "30"})
        case CaptionerError():
            return HttpProblem(503, "captioner", "The captioner cannot be used", text, {"Retry-After": "30"})
        case _:
            return HttpProblem(500, "fault", "A fault of the program", "The server's log says more.")


def _sentence(text: str) -> str:
    """A photo is not named to a client, so the message begins with what is wrong."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _from_http(error: HTTPException) -> HttpProblem:
    if isinstance(error, HttpProblem):
        return error
    title = HTTPStatus(error.status_code).phrase
    kind = title.lower().replace(" ", "-")
    return HttpProblem(error.status_code, kind, title, str(error.detail), error.headers)


def _from_validation(error: RequestValidationError) -> HttpProblem:
    wrong = [
        {"where": ".".join(str(part) for part in item["loc"]), "what": str(item["msg"])}
        for item in error.errors()
    ]
    detail = "; ".join(f"{item['where']}: {item['what']}" for item in wrong[:5])
    return HttpProblem(422, "parameters", "The request is not as described", detail, errors=wrong)


def install(app: FastAPI, failures: FailureLog) -> None:
    """Answer errors that are messages with a problem document (`security.RequestGuard` answers faults).

    The log has those that the operator could mend, too: visitors cannot.
    """

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == HTTPStatus.GATEWAY_TIMEOUT:
            failures.tell(str(error.detail))
        return _from_http(error).response(request.headers)

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> Response:
        return _from_validation(error).response(request.headers)

    async def known(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            failures.tell(str(error))
        return problem.response(request.headers)

    for kind in (CaptionerError, IndexerError, SearchError):
        app.add_exception_handler(kind, known)
