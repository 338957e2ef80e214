"""A server whose index is built anew with another analyzer while it answers."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from indexer.index import open_index
from indexer.records import CaptionRecord
from tests.search.web.conftest import Serve
from tests.search.web.test_api import V1, ok, problem

RECORDS = [CaptionRecord("i0", "a zebra on grass"), CaptionRecord("i1", "a zebra")]


def build(where: str, analyzer: str) -> None:
    with open_index(where, create=True) as index, index.draft(analyzer, analyzer) as draft:
        draft.add(RECORDS)
        draft.publish()


@pytest.fixture
def client(serve: Serve, fresh_where: str) -> TestClient:
    """A visitor of a server that has answered by the first analyzer."""
    build(fresh_where, "english/2")
    client = serve(open_index(fresh_where))
    assert "zebra*3" in ok(client.get(f"{V1}/text", params={"q": "a zebra"}))["query"]["tokens"]
    return client


@pytest.mark.parametrize("looked_at", [False, True], ids=["asked", "looked at before"])
def test_searches_go_on_by_the_new_analyzer(client: TestClient, fresh_where: str, looked_at: bool) -> None:
    build(fresh_where, "words/1")
    if looked_at:
        ok(client.get(f"{V1}/status"))
    answer = client.get(f"{V1}/text", params={"q": "a zebra"})
    if "://" in fresh_where and not looked_at:  # an answer of other documents is what tells this engine
        assert "built anew" in problem(answer, 503, "index")["detail"]
        answer = client.get(f"{V1}/text", params={"q": "a zebra"})
    found = ok(answer)
    assert (found["query"]["tokens"], found["exact"]) == (["a", "zebra"], True)
    assert [(hit["image_id"], hit["jaccard"]) for hit in found["hits"]] == [("i1", 1.0), ("i0", 0.5)]


def test_no_image_is_counted_by_the_old_analyzer(client: TestClient, fresh_where: str) -> None:
    build(fresh_where, "words/1")
    asked = {"q": "a zebra", "min_score": "1.0"}
    answer = client.get(f"{V1}/count", params=asked)
    if "://" in fresh_where:
        problem(answer, 503, "index")
        answer = client.get(f"{V1}/count", params=asked)
    assert ok(answer)["images"] == 1


def test_an_images_caption_is_searched_for_by_the_new_analyzer(client: TestClient, fresh_where: str) -> None:
    """Both engines: looking the caption up tells of the index built anew, and tokens are made after it."""
    build(fresh_where, "words/1")
    found = ok(client.get(f"{V1}/text", params={"like": "i1"}))
    assert (found["query"]["tokens"], found["exact"]) == (["a", "zebra"], True)
    assert [(hit["image_id"], hit["jaccard"]) for hit in found["hits"]] == [("i1", 1.0), ("i0", 0.5)]


def test_images_like_one_are_counted_by_the_new_analyzer(client: TestClient, fresh_where: str) -> None:
    build(fresh_where, "words/1")
    assert ok(client.get(f"{V1}/count", params={"like": "i1", "min_score": "1.0"}))["images"] == 1


@pytest.mark.parametrize(
    ("path", "asked", "expected"),
    [
        ("count", {"q": "a zebra", "exclude": "i0", "min_score": "1.0"}, {"images": 1}),
        ("count", {"q": "a zebra", "exclude": "i1", "min_score": "1.0"}, {"images": 0}),
        ("images/i1", {"q": "a zebra"}, {"image_id": "i1"}),
    ],
    ids=["count but another", "count but itself", "image"],
)
def test_tokens_that_an_image_looked_up_later_makes_old_have_no_answer(
    client: TestClient, fresh_where: str, path: str, asked: dict[str, str], expected: dict[str, object]
) -> None:
    build(fresh_where, "words/1")
    answer = client.get(f"{V1}/{path}", params=asked)
    if "://" in fresh_where:
        assert "built anew" in problem(answer, 503, "index")["detail"]
        answer = client.get(f"{V1}/{path}", params=asked)
    found = ok(answer)
    assert {name: found[name] for name in expected} == expected
    assert [one["jaccard"] for one in found.get("captions", [])] == [1.0] * len(found.get("captions", []))
