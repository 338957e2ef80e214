"""What one request may ask for: more of anything is refused, for a server has many visitors."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from indexer.given import HIGHEST_SEED
from search.web.settings import Settings
from tests.search.web.conftest import Serve
from tests.search.web.test_api import V1, ok, problem

TEXT, COUNT, RANDOM = f"{V1}/text", f"{V1}/count", f"{V1}/random"
IMAGE = f"{V1}/images/skimage%2Frocket.jpg"
PHOTO = ("dog.jpg", b"a photo")


@pytest.mark.parametrize(
    ("path", "most", "more"),
    [
        (TEXT, {"k": 200}, {"k": 201}),
        (TEXT, {"q": "x" * 2_000}, {"q": "x" * 2_001}),
        (TEXT, {"also": ["x"] * 4}, {"also": ["x"] * 5}),
        (TEXT, {"also": "x" * 2_000}, {"also": "x" * 2_001}),
        (TEXT, {"add": ["x"] * 200}, {"add": ["x"] * 201}),
        (TEXT, {"add": "x" * 200}, {"add": "x" * 201}),
        (TEXT, {"without": ["x"] * 200}, {"without": ["x"] * 201}),
        (RANDOM, {"without": "x" * 200}, {"without": "x" * 201}),
        (TEXT, {"license": ["x"] * 50}, {"license": ["x"] * 51}),
        (TEXT, {"license": "x" * 500}, {"license": "x" * 501}),
        (TEXT, {"min_score": 1}, {"min_score": 1.1}),
        (TEXT, {"min_score": 0}, {"min_score": -0.1}),
        (TEXT, {"min_score": 0}, {"min_score": "nan"}),
        (COUNT, {"min_score": 1}, {"min_score": 1.1}),
        (COUNT, {"min_score": 0.1}, {"min_score": 0}),
        (COUNT, {"min_score": 1, "exclude": ["x"] * 50}, {"min_score": 1, "exclude": ["x"] * 51}),
        (RANDOM, {"size": 100}, {"size": 101}),
        (RANDOM, {"seed": HIGHEST_SEED}, {"seed": HIGHEST_SEED + 1}),
        (RANDOM, {"seed": 0}, {"seed": -1}),
        (IMAGE, {"add": "x"}, {"ad": "x"}),
        (f"{IMAGE}/thumbnail", {"size": 4096}, {"size": 4097}),
        (f"{IMAGE}/thumbnail", {"size": 1}, {"sizes": 1}),
    ],
)
def test_what_a_request_may_ask_for(
    client: TestClient, path: str, most: dict[str, Any], more: dict[str, Any]
) -> None:
    query = {} if path in (RANDOM, IMAGE, f"{IMAGE}/thumbnail") else {"q": "a dog"}
    assert client.get(path, params=query | most).status_code == 200
    problem(client.get(path, params=query | more), 422, "parameters")


@pytest.mark.parametrize(
    ("path", "asked", "twice"),
    [
        (TEXT, {"q": "a dog"}, {"q": ["a dog", "a cat"]}),
        (TEXT, {"q": "a dog", "k": 3, "also": ["x", "y"]}, {"q": "a dog", "k": [3, 3]}),
        (COUNT, {"q": "a dog", "min_score": 0.5}, {"q": "a dog", "min_score": [0.5, 1]}),
        (RANDOM, {"size": 3, "kind": ["title", "reference"]}, {"size": [3, 4]}),
        (IMAGE, {"add": ["x", "y"]}, {"like": ["a", "b"]}),
        (f"{IMAGE}/thumbnail", {"size": 80}, {"size": [80, 90]}),
        (f"{IMAGE}/similar", {"fold_duplicates": True}, {"fold_duplicates": [True, False]}),
    ],
)
def test_what_takes_one_value_is_given_once(
    client: TestClient, path: str, asked: dict[str, Any], twice: dict[str, Any]
) -> None:
    assert client.get(path, params=asked).status_code == 200
    wrong = problem(client.get(path, params=twice), 422, "parameters")
    [name] = (name for name, value in twice.items() if isinstance(value, list))
    assert wrong["detail"] == f"query.{name}: give it once"


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ({"files": [("photo", PHOTO), ("photo", PHOTO)]}, "photo"),
        ({"files": [("photo", PHOTO)], "data": {"photo": "dog.jpg"}}, "photo"),
        ({"data": {"url": ["http://photos.example/1.jpg", "http://photos.example/2.jpg"]}}, "url"),
    ],
)
def test_a_forms_field_is_given_once(client: TestClient, sent: dict[str, Any], name: str) -> None:
    wrong = problem(client.post(f"{V1}/similar", **sent), 422, "parameters")
    assert wrong["detail"] == f"body.{name}: give it once"


@pytest.mark.parametrize(
    ("method", "path", "sent", "name"),
    [
        ("GET", TEXT, {"params": {"q": "a dog", "limt": 5}}, "query.limt"),
        ("GET", f"{V1}/status", {"params": {"k": 5}}, "query.k"),
        ("GET", f"{IMAGE}/file", {"params": {"size": 5}}, "query.size"),
        ("GET", f"{IMAGE}/similar", {"params": {"q": "a dog"}}, "query.q"),
        ("POST", f"{V1}/similar", {"files": {"photo": PHOTO}, "params": {"limt": 5}}, "query.limt"),
        ("POST", f"{V1}/similar", {"files": {"photo": PHOTO}, "data": {"k": 5}}, "body.k"),
        ("POST", f"{V1}/similar", {"files": {"photo": PHOTO, "image": PHOTO}}, "body.image"),
        ("POST", f"{V1}/session", {"data": {"token": "x", "password": "y"}}, "body.password"),
        ("POST", f"{V1}/session", {"data": {"token": "x"}, "params": {"token": "x"}}, "query.token"),
    ],
)
def test_what_no_route_reads_is_refused_by_its_name(
    client: TestClient, method: str, path: str, sent: dict[str, Any], name: str
) -> None:
    wrong = problem(client.request(method, path, **sent), 422, "parameters")
    assert wrong["detail"] == f"{name}: Extra inputs are not permitted"


def test_a_token_is_given_once(serve: Serve) -> None:
    served = serve(settings=Settings(token="secret"))
    wrong = problem(served.post(f"{V1}/session", data={"token": ["guess", "secret"]}), 422, "parameters")
    assert wrong["detail"] == "body.token: give it once"
    assert served.post(f"{V1}/session", data={"token": "secret"}).status_code == 204


def test_tokens_that_may_be_given(client: TestClient) -> None:
    """Too many for the first line of a request; but what stands before the server may allow longer ones."""
    for name in ("token", "drop"):
        ok(client.get(TEXT, params={"q": "a dog", name: ["x"] * 6_000}))
        problem(client.get(TEXT, params={"q": "a dog", name: ["x"] * 6_001}), 422, "parameters")


@pytest.mark.parametrize("asked", [{"token": "dog"}, {"add": "dog"}, {"drop": "dog"}, {"q": "dog"}])
def test_words_in_any_way_are_a_search(client: TestClient, asked: dict[str, str]) -> None:
    ok(client.get(TEXT, params=asked))
