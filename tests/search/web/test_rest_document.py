"""docs/rest.md has the parameters, limits and fields of the OpenAPI description."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from search.web.app import create_app
from search.web.problems import MEDIA_TYPE
from tests.conftest import ROOT
from tests.indexer.memory import MemoryIndex
from tests.search.web.fakes import FakeCaptioner

DOCUMENT = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")
OPENAPI: Mapping[str, Any] = create_app(MemoryIndex(), FakeCaptioner).openapi()
SCHEMAS: Mapping[str, Any] = OPENAPI["components"]["schemas"]
ROUTES = [(method.upper(), path) for path, methods in OPENAPI["paths"].items() for method in methods]


def section(heading: str) -> str:
    """The text under the heading that ends in these words, up to the next heading."""
    (text,) = re.findall(
        rf"^#+ (?:.*: )?{re.escape(heading)}\n(.*?)(?=^#|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL
    )
    return str(text)


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def documented_routes() -> dict[tuple[str, str], list[str]]:
    """(method, path) -> the groups of its parameters."""
    return {
        (method, path): [group for group in groups.split(", ") if group]
        for route, _, groups in rows(section("Routes"))
        for method, path in re.findall(r"`(\w+) (\S+)`", route)
    }


def documented_parameters(group: str) -> dict[str, str]:
    return {name.strip("`"): limit for name, limit, _ in rows(section(group))}


def limit_of(schema: Mapping[str, Any], required: bool) -> str:
    """Type and limit of a parameter, in the words of the document."""
    kind = next((one for one in schema.get("anyOf", ()) if one["type"] != "null"), schema)
    text = _type_of(kind)
    if required:
        return f"{text}; required"
    default = schema.get("default")
    has_default = isinstance(default, (int, float)) and kind["type"] in ("integer", "number", "boolean")
    return f"{text} (default {str(default).lower().removesuffix('.0')})" if has_default else text


def _type_of(kind: Mapping[str, Any]) -> str:
    match kind["type"]:
        case "array":
            return f"{_type_of(kind['items'])}; up to {kind['maxItems']:,} times"
        case "string":
            least = kind.get("minLength", 0)
            return f"text, {f'{least} to' if least else 'at most'} {kind['maxLength']:,} characters"
        case "boolean":
            return "true or false"
    least = f"above {kind['exclusiveMinimum']:g}" if "exclusiveMinimum" in kind else f"{kind['minimum']:g}"
    return f"{kind['type']}, {least} to {kind['maximum']:,.0f}"


def fields_in(text: str, column: int = 0) -> set[str]:
    return {name for cells in rows(text) for name in re.findall(r"`(\w+)`", cells[column])}


def test_all_routes_are_documented() -> None:
    assert set(documented_routes()) == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_has_the_parameters_and_limits_that_are_documented(method: str, path: str) -> None:
    described = {
        one["name"]: limit_of(one["schema"], one["required"])
        for one in OPENAPI["paths"][path][method.lower()].get("parameters", ())
        if one["in"] == "query"
    }
    documented: dict[str, str] = {}
    for group in documented_routes()[method, path]:
        documented |= documented_parameters(group)
    assert documented == described


@pytest.mark.parametrize(("path", "fields"), [("similar", {"photo", "url"}), ("session", {"token"})])
def test_the_fields_of_forms_are_documented(path: str, fields: set[str]) -> None:
    (content,) = OPENAPI["paths"][f"/api/v1/{path}"]["post"]["requestBody"]["content"].values()
    schema = content["schema"]
    schema = SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    documented = {
        name.strip("`"): limit for route, name, limit, _ in rows(section("Forms")) if route == f"`/{path}`"
    }
    assert set(documented) == set(schema["properties"]) == fields
    for name, limit in documented.items():
        if not limit.startswith("file"):
            assert limit == limit_of(schema["properties"][name], required=False)


@pytest.mark.parametrize(
    "answer", ["SearchAnswer", "QueryAnswer", "HitAnswer", "ImageAnswer", "CaptionAnswer"]
)
def test_an_answers_fields_are_documented(answer: str) -> None:
    assert fields_in(section(f"`{answer}`")) == set(SCHEMAS[answer]["properties"])


@pytest.mark.parametrize("answer", ["CountAnswer", "StatusAnswer"])
def test_the_fields_of_small_answers_are_documented(answer: str) -> None:
    (fields,) = (cells[1] for cells in rows(section("Other answers")) if cells[0] == f"`{answer}`")
    outside_brackets = re.sub(r"\(.*?\)", "", fields)
    assert set(re.findall(r"`(\w+)`", outside_brackets)) == set(SCHEMAS[answer]["properties"])


def test_a_status_that_a_route_may_answer_is_documented() -> None:
    problems = {
        status
        for methods in OPENAPI["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if MEDIA_TYPE in response.get("content", {})
    }
    assert len(problems) > 8
    assert problems <= {cells[0] for cells in rows(section("Errors"))}
