"""What a browser is shown where a program gets a problem document: a page in the house's look."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from search.web.settings import Settings
from tests.search.web.conftest import Serve
from tests.search.web.test_api import V1, problem

#: What browsers send when an address is opened.
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}

TOKEN = "correct horse battery"


@pytest.mark.parametrize("path", ["/nothing", "/static/nothing.js", f"{V1}/images/nowhere/file"])
def test_a_browser_gets_a_page_and_a_program_the_document(client: TestClient, path: str) -> None:
    page = client.get(path, headers=BROWSER)
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<a class="button primary" href="/">' in page.text
    for accept in "*/*", "application/json", "image/avif,image/webp,*/*;q=0.8", "application/json, text/html":
        document = client.get(path, headers={"Accept": accept})
        problem(document, 404, "not-found")
        assert page.headers["content-security-policy"] == document.headers["content-security-policy"]
        assert page.headers["x-frame-options"] == document.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == document.headers["cache-control"] == "no-store"
    assert client.head(path, headers=BROWSER).headers["content-type"] == page.headers["content-type"]


def test_what_was_asked_is_no_markup(client: TestClient) -> None:
    page = client.get(f"{V1}/images/%3Cscript%3Ealert(1)%3C%2Fscript%3E", headers=BROWSER).text
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_what_stands_before_the_routes_answers_a_browser_by_a_page_too(serve: Serve) -> None:
    client = serve(settings=Settings(token=TOKEN))
    page = client.get("/nothing", headers=BROWSER)
    assert page.status_code == 401 and page.headers["www-authenticate"] == "Bearer"
    assert "Token needed" in page.text and page.headers["content-type"].startswith("text/html")
    problem(client.get("/nothing"), 401, "token")
