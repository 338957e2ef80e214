"""The application: its routes, its page, and what stands before them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from captioner.photo_captioner import PhotoCaptioner
from captioner.version import program_version
from indexer.contract import CaptionIndex
from search.web import api, operation, problems
from search.web.answers import ProblemAnswer
from search.web.api_paths import API, UNVERSIONED_API
from search.web.metrics import Metrics
from search.web.page import page_routes
from search.web.security import RequestGuard
from search.web.service import Service
from search.web.settings import Settings


def create_app(
    index: CaptionIndex,
    load: Callable[[], PhotoCaptioner],
    settings: Settings | None = None,
    *,
    model: str = "default",
    beam: int | None = None,
) -> FastAPI:
    """The web application over an open index, which it closes when it stops.

    `load` gives the captioner; it is called once, in the captioning thread, when the server starts.
    """
    settings = settings or Settings()
    service = Service(index, load, settings, model, beam)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        # In a thread: meanwhile those are answered whose requests were cut off.
        await asyncio.to_thread(service.close)
        index.close()

    app = _described_app(lifespan)
    app.state.service = service
    problems.install(app, service.failures)
    _add_routes(app)
    _describe_problems(app)
    app.add_middleware(RequestGuard, settings=settings)
    app.add_middleware(RequestMeter, metrics=service.metrics)
    app.add_middleware(HeadAsGet)
    return app


def _described_app(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    return FastAPI(
        title="Caption Search",
        version=program_version(),
        summary="Similar photos by the words of their captions, in provably exact order.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # the usual documentation pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )


def _add_routes(app: FastAPI) -> None:
    app.include_router(api.router, prefix=API, tags=["search"])
    app.include_router(api.router, prefix=UNVERSIONED_API, include_in_schema=False)
    app.include_router(operation.router, tags=["operation"])
    app.router.routes.extend(page_routes())


def _describe_problems(app: FastAPI) -> None:
    """Put the problem document into the OpenAPI description, which the routes' answers refer to."""
    plain = app.openapi

    def described() -> dict[str, object]:
        schema = plain()
        parts = schema["components"]["schemas"]
        if "ProblemAnswer" not in parts:
            template = "#/components/schemas/{model}"
            own = ProblemAnswer.model_json_schema(ref_template=template)
            parts |= own.pop("$defs") | {"ProblemAnswer": own}
            for unused in ("HTTPValidationError", "ValidationError"):
                parts.pop(unused, None)
        return schema

    app.openapi = described  # type: ignore[method-assign]


class HeadAsGet:
    """ASGI middleware, outermost: HEAD is answered as GET is (monitors and `curl -I` ask by it).

    Routes of both methods would stand in the OpenAPI description twice.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # a copy: in its own the server sees that no body is wanted
        await self._app(scope, receive, send)


class RequestMeter:
    """ASGI middleware: counts and times every request, and notes when it began."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        scope.setdefault("state", {})["began"] = began
        status = 500

        async def send_and_look(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_look)
        finally:
            route = _route_name(scope, status)
            method = scope["method"] if scope["method"] in ("GET", "POST") else "other"
            self._metrics.request(method, route, status, time.perf_counter() - began)


def _route_name(scope: Scope, status: int) -> str:
    """A route's path as declared: few labels, whatever paths clients make up."""
    declared: str | None = getattr(scope.get("route"), "path", None)
    if declared is not None:
        return declared.removeprefix(API).removeprefix(UNVERSIONED_API) or "/"
    return "page" if status < 400 else "other"
