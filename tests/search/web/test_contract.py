"""The OpenAPI description, tried out by schemathesis: what it promises is what comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from indexer.records import CaptionRecord
from search.web.app import create_app
from search.web.settings import Settings
from tests.indexer.memory import MemoryIndex
from tests.search.web.conftest import listening
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.gallery import crowd

OPERATIONS = [
    (method, path)
    for path, methods in create_app(MemoryIndex(), FakeCaptioner).openapi()["paths"].items()
    for method in methods
]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def api(records: list[CaptionRecord], pictures: Path) -> Any:
    served = Settings(images=(pictures,), hosts=frozenset())
    app = create_app(MemoryIndex(records + crowd(3)), FakeCaptioner, served)
    with listening(app) as url:
        yield schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_described(api: Any, method: str, path: str) -> None:
    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=api[path][method.upper()].as_strategy())
    def holds(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    holds()


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/text", {"q": "a cat", "k": 3}),
        ("/api/v1/text", {"q": "penguins walk", "k": 2, "add": "ice", "drop": "walk"}),
        ("/api/v1/count", {"q": "a cat", "min_score": 0.1}),
        ("/api/v1/random", {"size": 3}),
        ("/api/v1/images/{image_id}", {"token": "rocket"}),
        ("/api/v1/images/{image_id}/similar", {}),
        ("/api/v1/images/{image_id}/file", {}),
        ("/api/v1/images/{image_id}/thumbnail", {"size": 300}),
    ],
)
def test_a_full_answer_is_as_described(api: Any, path: str, query: dict[str, Any]) -> None:
    image = {"image_id": "skimage/rocket.jpg"} if "{image_id}" in path else {}
    answer = api[path]["GET"].Case(path_parameters=image, query=query).call_and_validate(checks=CHECKS)
    assert answer.status_code == 200


def test_the_description_names_every_route() -> None:
    paths = {path for _, path in OPERATIONS}
    image = "/api/v1/images/{image_id}"
    assert paths >= {
        "/api/v1/similar",
        "/api/v1/text",
        image,
        f"{image}/similar",
        f"{image}/file",
        f"{image}/thumbnail",
        "/api/v1/random",
        "/api/v1/status",
        "/health/live",
        "/health/ready",
        "/metrics",
    }
