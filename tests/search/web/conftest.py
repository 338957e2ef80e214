"""An application over the reference index and a captioner that is under the test's command."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, sync_playwright

from indexer.contract import CaptionIndex
from indexer.records import CaptionRecord
from search.web.app import create_app
from search.web.server import HEAD_SECONDS, Server, server_of, socket_on
from search.web.settings import Settings
from tests.indexer.memory import MemoryIndex
from tests.search.web.browser import Visit, launch, visit
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.gallery import Gallery, gallery

#: A server on loopback answers to its own names only.
BASE = "http://127.0.0.1"

#: Analyzer without weights, for tokens and scores that can be counted in the head.
PLAIN = "english/1"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the gallery's pictures; only to be read."""
    return tmp_path_factory.mktemp("gallery").resolve()


@pytest.fixture(scope="session")
def records(pictures: Path) -> list[CaptionRecord]:
    return gallery(pictures)


Serve = Callable[..., TestClient]
Visitor = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture
def serve(records: list[CaptionRecord], pictures: Path) -> Iterator[Serve]:
    """Start an application; by default over the gallery, with its pictures and a captioner that is fast."""
    with ExitStack() as stack:

        def start(
            index: CaptionIndex | None = None,
            settings: Settings | None = None,
            captioner: FakeCaptioner | None = None,
            **client: Any,
        ) -> TestClient:
            settings = settings or Settings(images=(pictures,))
            answers = captioner or FakeCaptioner()
            app = create_app(index or MemoryIndex(records, PLAIN), lambda: answers, settings)
            served = TestClient(app, base_url=BASE, **client)
            stack.enter_context(served)
            return served

        yield start


@contextmanager
def running(server: Server) -> Iterator[str]:
    """The server on a real socket; gives its address."""
    with socket_on("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            # The socket queues what comes before the server is ready, so nothing needs to be waited for.
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def listening(app: FastAPI, head_seconds: float = HEAD_SECONDS) -> AbstractContextManager[str]:
    """The application on a real socket; gives its address."""
    return running(server_of(app, head_seconds))


@pytest.fixture
def client(serve: Serve) -> TestClient:
    return serve()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launch(playwright) as chromium:
        yield chromium


@pytest.fixture(scope="module")
def captioner() -> FakeCaptioner:
    return FakeCaptioner("a ginger cat looking at the camera")


@pytest.fixture(scope="module")
def site(records: list[CaptionRecord], pictures: Path, captioner: FakeCaptioner) -> Iterator[str]:
    with listening(
        create_app(Gallery(records, PLAIN), lambda: captioner, Settings(images=(pictures,)))
    ) as url:
        yield url


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of what a page looks like are asked at both sizes, those of what it does at one."""
    if "size" in metafunc.fixturenames:
        sizes = getattr(metafunc.module, "SIZES", ("desktop",))
        metafunc.parametrize("size", sizes)


@pytest.fixture
def visitor(browser: Browser, site: str, size: str) -> Iterator[Visit]:
    with visit(browser, site, size) as one:
        yield one


@pytest.fixture
def at(browser: Browser, size: str) -> Visitor:
    """Visitors of other sites."""
    return lambda url, **options: visit(browser, url, size, **options)
