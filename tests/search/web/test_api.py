"""The REST API's answers, against the searcher's own."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image

from captioner.tokens import DEFAULT, analyzer
from indexer.errors import IndexNotFoundError, IndexUnavailableError
from indexer.records import Candidates, CaptionRecord, Document, Filters, Query
from search.searcher import Searcher
from search.web import failure_log, service
from search.web.parameters import TextParameters
from search.web.pictures import Pictures
from search.web.service import Recent
from search.web.settings import Settings
from tests.indexer.memory import MemoryIndex
from tests.search.web.conftest import PLAIN, Serve
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.gallery import crowd

V1 = "/api/v1"


def ok(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem(answer: Any, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"urn:caption-search:problem:{kind}"
    assert document["status"] == status
    assert document["title"] and document["detail"] and "\n" not in document["detail"]
    return document


@pytest.fixture
def searcher(records: list[CaptionRecord]) -> Iterator[Searcher]:
    def no_captioner() -> Any:
        raise AssertionError("not needed")

    yield Searcher(MemoryIndex(records, PLAIN), no_captioner)


def same(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    """All that the command line says is said here too; only the time differs, and the page adds to it."""
    for name in ("exact", "examined", "captions"):
        assert answer[name] == expected[name]
    assert {"caption", "tokens"} <= answer["query"].keys()
    assert answer["query"]["tokens"] == expected["query"]["tokens"]
    assert answer["query"]["caption"] == expected["query"]["caption"]
    assert len(answer["hits"]) == len(expected["hits"])
    for hit, wanted in zip(answer["hits"], expected["hits"], strict=True):
        assert hit | wanted == hit


@pytest.mark.parametrize("root", ["/api/v1", "/api"])
def test_text_is_the_command_lines_answer(client: TestClient, searcher: Searcher, root: str) -> None:
    q = "an orange cat looks at the camera"
    answer = ok(client.get(f"{root}/text", params={"q": q, "k": 5}))
    same(answer, searcher.text(q, 5).as_json())
    assert answer["hits"][0]["image_id"] == "skimage/chelsea.jpg"
    assert answer["query"]["words"]["look"] == "looks"


def test_shared_words_are_marked_where_they_stand(client: TestClient) -> None:
    best = ok(client.get(f"{V1}/text", params={"q": "a cat looks"}))["hits"][0]
    marked = [best["caption"][start:end] for start, end in best["spans"]]
    assert marked == ["cat", "looking"]


def test_filters_and_threshold(client: TestClient, searcher: Searcher) -> None:
    asked: dict[str, Any] = {
        "q": "a man with a camera",
        "kind": "generated",
        "min_score": 0.2,
        "source": ["folder", "coco"],
    }
    answer = ok(client.get(f"{V1}/text", params=asked))
    only = Filters({"kind": ("generated",), "source": ("folder", "coco")})
    same(answer, searcher.text("a man with a camera", filters=only, min_score=0.2).as_json())
    assert {hit["kind"] for hit in answer["hits"]} == {"generated"}


def test_words_to_do_without(client: TestClient, searcher: Searcher) -> None:
    asked: dict[str, Any] = {"q": "a man with a camera", "without": ["grass", "black"], "k": 50}
    answer = ok(client.get(f"{V1}/text", params=asked))
    expected = searcher.text("a man with a camera", 50, without=["grass", "black"])
    same(answer, expected.as_json())
    assert answer["query"]["without"] == ["black", "grass"]
    counted = {"q": asked["q"], "without": asked["without"], "min_score": 0.01}
    assert ok(client.get(f"{V1}/count", params=counted))["images"] == len(expected.hits)
    found = ok(client.get(f"{V1}/images/skimage%2Fcamera.jpg/similar", params={"without": "field", "k": 50}))
    assert found["hits"] and not any("field" in hit["caption"] for hit in found["hits"])
    drawn = ok(client.get(f"{V1}/random", params={"without": "white", "size": 100}))["images"]
    assert drawn and not any("white" in image["caption"] for image in drawn)


def test_pages_follow_each_other_without_gap_or_repetition(serve: Serve) -> None:
    client = serve(MemoryIndex(crowd(23)))
    asked: dict[str, Any] = {"q": "a penguin walks over the ice", "k": 5}
    seen, ranks = [], []
    while True:
        page = ok(client.get(f"{V1}/text", params=asked))
        assert page["exact"] is True
        seen += [hit["image_id"] for hit in page["hits"]]
        ranks += [hit["rank"] for hit in page["hits"]]
        if "cursor" not in page:
            break
        asked["after"] = page["cursor"]
    assert sorted(seen) == [f"crowd-{number:04}" for number in range(23)]
    assert ranks == list(range(1, 24))


def test_a_cursor_of_the_command_line_goes_on_here(client: TestClient, searcher: Searcher) -> None:
    first = searcher.text("a close up of a cat", 3)
    asked: dict[str, Any] = {"q": "a close up of a cat", "k": 3, "after": first.cursor}
    same(
        ok(client.get(f"{V1}/text", params=asked)), searcher.text(asked["q"], 3, after=first.cursor).as_json()
    )


def test_a_photos_first_page_goes_on_as_text(serve: Serve, photos: Path) -> None:
    client = serve(MemoryIndex(crowd(9)), captioner=FakeCaptioner("a penguin walks"))
    photo = (photos / "rocket.jpg").read_bytes()
    first = ok(client.post(f"{V1}/similar", params={"k": 4}, files={"photo": photo}))
    assert first["query"]["caption"] == "a penguin walks"
    second = ok(client.get(f"{V1}/text", params={"q": "a penguin walks", "k": 4, "after": first["cursor"]}))
    shown = [hit["image_id"] for hit in first["hits"] + second["hits"]]
    assert len(set(shown)) == 8


@pytest.fixture
def penguins(serve: Serve) -> TestClient:
    """A server whose captioner says three things of a photo, the last two the same to the index."""
    says = FakeCaptioner("a penguin walks", others=("the ice", "ice", "a rocket"))
    return serve(MemoryIndex([*crowd(9), CaptionRecord("r", "on the ice")], PLAIN), captioner=says)


def test_a_photo_is_searched_for_by_several_captions(penguins: TestClient, photos: Path) -> None:
    photo = (photos / "rocket.jpg").read_bytes()
    first = ok(penguins.post(f"{V1}/similar", params={"k": 4, "captions": 2}, files={"photo": photo}))
    assert first["query"]["captions"] == [
        {"caption": "a penguin walks", "tokens": ["penguin", "walk"]},
        {"caption": "the ice", "tokens": ["ice"]},
    ]
    assert first["query"]["words"] == {"penguin": "penguin", "walk": "walks", "ice": "ice"}
    assert {(hit["image_id"], hit["query_caption"]) for hit in first["hits"]} >= {("r", "the ice")}
    asked = {"q": "a penguin walks", "also": ["the ice"]}
    second = ok(penguins.get(f"{V1}/text", params={**asked, "k": 50, "after": first["cursor"]}))
    shown = [hit["image_id"] for hit in first["hits"] + second["hits"]]
    assert sorted(shown) == sorted({"r", *(f"crowd-{number:04}" for number in range(9))})
    counted = ok(penguins.get(f"{V1}/count", params={**asked, "min_score": 0.5}))
    assert counted["images"] == sum(hit["jaccard"] >= 0.5 for hit in first["hits"] + second["hits"])


@pytest.mark.parametrize(("captions", "asked"), [(1, 1), (2, 2), (4, 3)])
def test_a_client_may_say_how_many_captions(
    penguins: TestClient, photos: Path, captions: int, asked: int
) -> None:
    photo = {"photo": (photos / "rocket.jpg").read_bytes()}
    answer = ok(penguins.post(f"{V1}/similar", params={"captions": captions}, files=photo))
    assert len(answer["query"].get("captions", ["one"])) == asked
    assert all(("query_caption" in hit) == (asked > 1) for hit in answer["hits"])


@pytest.mark.parametrize("captions", [0, 6, "x"])
def test_too_many_captions_are_refused(penguins: TestClient, photos: Path, captions: int | str) -> None:
    photo = {"photo": (photos / "rocket.jpg").read_bytes()}
    problem(penguins.post(f"{V1}/similar", params={"captions": captions}, files=photo), 422, "parameters")


def test_words_are_dropped_from_every_caption(penguins: TestClient) -> None:
    asked = {"q": "a penguin walks", "also": ["walks on ice"], "drop": ["walk"], "add": ["number3"]}
    answer = ok(penguins.get(f"{V1}/text", params=asked))
    assert [one["tokens"] for one in answer["query"]["captions"]] == [
        ["number3", "penguin"],
        ["ice", "number3"],
    ]


def test_words_dropped_and_added(client: TestClient, searcher: Searcher) -> None:
    asked = {"q": "a dog on the moon", "drop": ["dog"], "add": ["large craters", "grey"]}
    answer = ok(client.get(f"{V1}/text", params=asked))
    assert answer["query"]["tokens"] == ["crater", "grey", "larg", "moon"]
    assert answer["query"]["words"] == {
        "crater": "craters", "grey": "grey", "larg": "large", "moon": "moon", "dog": "dog",
    }  # fmt: skip
    assert answer["query"]["caption"] == "a dog on the moon"
    expected = searcher.tokens(["crater", "grey", "larg", "moon"]).as_json()
    assert [hit["image_id"] for hit in answer["hits"]] == [hit["image_id"] for hit in expected["hits"]]


def test_a_telling_word_is_dropped_as_a_whole(serve: Serve) -> None:
    client = serve(MemoryIndex([CaptionRecord("x", "a zebra on grass")], "english/2"))
    whole = ok(client.get(f"{V1}/text", params={"q": "a zebra on grass"}))["query"]
    assert {"zebra", "zebra*2", "grass"} <= set(whole["tokens"]) and whole["words"]["zebra"] == "zebra"
    less = ok(client.get(f"{V1}/text", params={"q": "a zebra on grass", "drop": "zebra"}))["query"]
    assert not [token for token in less["tokens"] if token.startswith("zebra")] and "grass" in less["tokens"]


def test_every_word_dropped_finds_nothing(client: TestClient) -> None:
    answer = ok(client.get(f"{V1}/text", params={"q": "a moon", "drop": ["moon"]}))
    assert answer["hits"] == [] and answer["query"]["tokens"] == []


def test_similar_to_an_indexed_image(client: TestClient, searcher: Searcher) -> None:
    answer = ok(client.get(f"{V1}/images/skimage%2Frocket.jpg/similar"))
    same(answer, searcher.image("skimage/rocket.jpg").as_json())
    assert answer["query"]["image_id"] == "skimage/rocket.jpg"
    assert "skimage/rocket.jpg" not in [hit["image_id"] for hit in answer["hits"]]
    plain = ok(client.get(f"{V1}/images/skimage/rocket.jpg/similar"))
    assert plain["hits"] == answer["hits"], "a slash need not be encoded where the id is not ambiguous"


@pytest.mark.parametrize("image_id", ["a/file", "a b/similar", "100%/x?.jpg", "é/ü.jpg", "x%2Fy", "<b>"])
def test_ids_of_every_shape_reach_their_image(serve: Serve, image_id: str) -> None:
    client = serve(MemoryIndex([CaptionRecord(image_id, "a dog"), CaptionRecord("a", "a dog")]))
    answer = ok(client.get(f"{V1}/images/{quote(image_id, safe='')}"))
    assert answer["image_id"] == image_id


def test_an_image_with_all_its_captions(client: TestClient) -> None:
    asked = {"token": ["astronaut", "shuttl"]}
    answer = ok(client.get(f"{V1}/images/skimage%2Fastronaut.jpg", params=asked))
    assert len(answer["captions"]) == 3
    best = answer["captions"][0]
    assert best["shared"] == ["astronaut", "shuttl"]
    assert best["jaccard"] == pytest.approx(2 / len(best["tokens"]))
    assert [best["caption"][a:b] for a, b in best["spans"]] == ["astronaut", "shuttle"]
    assert answer["attribution"] == "scikit-image, see its data/README"
    problem(client.get(f"{V1}/images/nowhere"), 404, "not-found")
    problem(client.get(f"{V1}/images/nowhere/similar"), 404, "not-found")


def test_what_is_wrong_with_a_search_by_an_image_is_known_by_one_look_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = MemoryIndex([CaptionRecord("x", "a dog")])
    client, asked, captions = serve(index), list[str](), index.captions

    def noted(image_ids: Iterable[str]) -> Mapping[str, Sequence[Document]]:
        asked.extend(image_ids)
        return captions(asked[-1:])

    monkeypatch.setattr(index, "captions", noted)
    problem(client.get(f"{V1}/images/x/similar", params={"after": "nonsense"}), 400, "query")
    problem(client.get(f"{V1}/images/y/similar"), 404, "not-found")
    assert asked == ["x", "y"]


def test_a_picture_that_has_gone_is_not_found(serve: Serve, photos: Path, tmp_path: Path) -> None:
    picture = tmp_path / "x.jpg"
    picture.write_bytes((photos / "rocket.jpg").read_bytes())
    client = serve(MemoryIndex([CaptionRecord("x", "a dog", image="x.jpg")]), Settings(images=(tmp_path,)))
    parts = [f"{V1}/images/x/file", f"{V1}/images/x/thumbnail"]
    assert [client.get(part).status_code for part in parts] == [200, 200]
    picture.unlink()
    for part in parts:
        problem(client.get(part), 404, "not-found")
    picture.write_text("no picture")
    for part in parts:
        assert str(tmp_path) not in problem(client.get(part), 422, "photo")["detail"]


LONG = " ".join(f"word{number}" for number in range(400))  # more than a sentence's 2,000 characters


def test_an_image_is_compared_with_a_search(serve: Serve) -> None:
    client = serve(MemoryIndex([CaptionRecord("x", "a dog on a beach"), CaptionRecord("long", LONG)], PLAIN))
    q = " ".join(f"w{number}" for number in range(300)) + " dogs"
    for asked in ({"q": q}, {"token": ok(client.get(f"{V1}/text", params={"q": q}))["query"]["tokens"]}):
        [caption] = ok(client.get(f"{V1}/images/x", params=asked))["captions"]
        assert caption["shared"] == ["dog"] and caption["jaccard"] == pytest.approx(1 / 302)
    edited = {"q": "dogs swim", "drop": "swim", "add": "beaches"}
    [caption] = ok(client.get(f"{V1}/images/x", params=edited))["captions"]
    assert caption["jaccard"] == 1.0
    [caption] = ok(client.get(f"{V1}/images/long", params={"like": "long"}))["captions"]
    assert caption["jaccard"] == 1.0


def test_words_of_an_images_caption_are_dropped_however_long_it_is(serve: Serve) -> None:
    client = serve(MemoryIndex([CaptionRecord("x", "word7 word8"), CaptionRecord("long", LONG)], PLAIN))
    asked = {"like": "long", "drop": [f"word{number}" for number in range(400) if number != 7]}
    answer = ok(client.get(f"{V1}/text", params=asked))
    assert answer["query"]["tokens"] == ["word7"] and answer["query"]["image_id"] == "long"
    assert answer["hits"][0]["image_id"] == "x"
    counted = ok(client.get(f"{V1}/count", params={**asked, "min_score": 0.5, "exclude": "long"}))
    assert counted["images"] == 1
    for path in ("text", "count", "images/x"):
        least = {"min_score": 0.5} if path == "count" else {}
        problem(client.get(f"{V1}/{path}", params={"like": "nosuch", **least}), 404, "not-found")


@examples(deadline=None)
@given(st.text(max_size=2_000))
def test_the_tokens_of_every_sentence_may_come_back(q: str) -> None:
    tokens = sorted(analyzer(DEFAULT)(q))
    assert TextParameters(q=q, token=tokens, drop=tokens).token == tokens


def test_the_count_is_the_number_of_hits(client: TestClient) -> None:
    q = "a close up of a cat"
    asked: dict[str, Any]
    for least in (0.000001, 0.2, 0.5, 1.0):
        asked = {"q": q, "min_score": least}
        hits = ok(client.get(f"{V1}/text", params=asked | {"k": 100}))["hits"]
        assert ok(client.get(f"{V1}/count", params=asked)) == {"images": len(hits), "min_score": least}
    found = ok(client.get(f"{V1}/images/skimage%2Frocket.jpg/similar", params={"k": 100}))
    asked = {"q": found["query"]["caption"], "exclude": "skimage/rocket.jpg", "min_score": 0.000001}
    assert ok(client.get(f"{V1}/count", params=asked))["images"] == len(found["hits"])
    one = asked | {"image_id": found["hits"][0]["image_id"]}
    assert ok(client.get(f"{V1}/count", params=one))["images"] == 1


def test_random_images_by_seed(client: TestClient) -> None:
    drawn = [ok(client.get(f"{V1}/random", params={"size": 5, "seed": 7}))["images"] for _ in range(2)]
    assert drawn[0] == drawn[1] and len({image["image_id"] for image in drawn[0]}) == 5
    [only] = ok(client.get(f"{V1}/random", params={"image_id": "skimage/rocket.jpg"}))["images"]
    assert only["image_id"] == "skimage/rocket.jpg"


def test_pictures_and_thumbnails(client: TestClient, pictures: Path) -> None:
    hit = ok(client.get(f"{V1}/text", params={"q": "a rocket"}))["hits"][0]
    whole = client.get(hit["file"])
    assert whole.content == (pictures / "rocket.jpg").read_bytes()
    assert whole.headers["content-type"] == "image/jpeg"
    assert "sandbox" in whole.headers["content-security-policy"]
    small = client.get(hit["thumbnail"], params={"size": 100})
    assert small.headers["content-type"] == "image/jpeg" and len(small.content) < len(whole.content)
    problem(client.get(f"{V1}/images/nowhere/file"), 404, "not-found")


PARTS = ["file", "thumbnail?size=100", "thumbnail?size=600"]


@pytest.mark.parametrize("part", PARTS)
def test_a_browser_asks_whether_its_picture_is_current(
    client: TestClient, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{V1}/images/skimage%2Frocket.jpg/{part}"
    first = client.get(url)
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    monkeypatch.setattr(service, "media_type", None)
    monkeypatch.setattr(Pictures, "thumbnail", None)  # to say that a copy is current, no file is opened
    for known in (tag, f"W/{tag}", f'"another", {tag}'):
        again = client.get(url, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        for name in ("etag", "cache-control", "content-security-policy"):  # the copy gets them
            assert again.headers[name] == first.headers[name]


@pytest.mark.parametrize("part", PARTS)
def test_another_picture_of_the_same_id_is_no_copy_of_the_first(
    serve: Serve, tmp_path: Path, part: str
) -> None:
    """Cameras repeat names, and the port may be another index's tomorrow."""
    shelves = [tmp_path / name for name in ("a", "b")]
    for shelf, colour in zip(shelves, ("red", "blue"), strict=True):
        shelf.mkdir()
        Image.new("RGB", (700, 700), colour).save(shelf / "IMG_1.bmp")
        os.utime(shelf / "IMG_1.bmp", (1, 1))
    index = MemoryIndex([CaptionRecord("IMG_1.bmp", "a wall", image="IMG_1.bmp")])
    first, second = (
        serve(index, Settings(images=(shelf,))).get(f"{V1}/images/IMG_1.bmp/{part}") for shelf in shelves
    )
    assert first.content != second.content and first.headers["etag"] != second.headers["etag"]


@pytest.mark.parametrize("part", PARTS)
def test_a_picture_that_was_replaced_is_shown(serve: Serve, tmp_path: Path, part: str) -> None:
    client = serve(MemoryIndex([CaptionRecord("x", "a wall", image="x.bmp")]), Settings(images=(tmp_path,)))
    found: list[Any] = []
    for at, colour in enumerate(("red", "blue")):
        Image.new("RGB", (700, 700), colour).save(tmp_path / "x.bmp")
        os.utime(tmp_path / "x.bmp", (at, at))
        known = {"If-None-Match": found[0].headers["etag"]} if found else {}
        found.append(client.get(f"{V1}/images/x/{part}", headers=known))
    assert [one.status_code for one in found] == [200, 200] and found[0].content != found[1].content


def test_a_caption_without_a_place_leaves_the_picture_where_it_is(serve: Serve, pictures: Path) -> None:
    place = str(pictures / "rocket.jpg")
    records = [CaptionRecord("x", "grandma at her birthday party"), CaptionRecord("x", "a dog", image=place)]
    client = serve(MemoryIndex(records))
    for _ in range(2):
        for q in ("a grandma", "a dog"):
            hit = ok(client.get(f"{V1}/text", params={"q": q}))["hits"][0]
            assert hit["image"] == place and hit["thumbnail"]
            assert client.get(hit["thumbnail"]).status_code == client.get(hit["file"]).status_code == 200
    assert ok(client.get(f"{V1}/random"))["images"][0]["thumbnail"]


def test_what_cannot_be_searched_is_said(client: TestClient) -> None:
    for nothing in ({}, {"q": " "}, {"also": "a dog"}):
        problem(client.get(f"{V1}/text", params=nothing), 400, "query")
        problem(client.get(f"{V1}/count", params={**nothing, "min_score": 0.5}), 400, "query")
    for path in "text?without=dog", "count?without=dog&min_score=.5":
        said = problem(client.get(f"{V1}/{path}"), 400, "query")
        assert said["detail"] == (
            "nothing to search for: give a word to look for besides those to do without"
        )
    problem(client.get(f"{V1}/text", params={"q": "a dog", "after": "nonsense"}), 400, "query")
    wrong = problem(client.get(f"{V1}/text", params={"q": "x", "k": 0, "colour": "red"}), 422, "parameters")
    assert {error["where"] for error in wrong["errors"]} == {"query.k", "query.colour"}
    problem(client.get("/api/v1/nothing"), 404, "not-found")
    posted = client.post("/api/v1/text")
    problem(posted, 405, "method-not-allowed")
    assert posted.headers["allow"] == "GET"


def test_a_filter_of_which_nothing_can_come_is_told_where_nothing_answers(client: TestClient) -> None:
    for path in "text?q=a+cat", "images/skimage%2Frocket.jpg/similar?":
        remark = ok(client.get(f"{V1}/{path}&kind=zzz"))["remarks"]
        assert remark == ["no caption has the kind 'zzz'; there is 'reference' and 'generated'"]
        assert "remarks" not in ok(client.get(f"{V1}/{path}&kind=reference"))
    assert "remarks" not in ok(client.get(f"{V1}/text?q=a+zebra&kind=reference"))


def test_slips_of_the_pen_and_negations_are_told(client: TestClient) -> None:
    plain = ok(client.get(f"{V1}/text?q=an+orange+cat"))["query"]
    assert not plain.keys() & {"corrections", "negated"}
    slip = ok(client.get(f"{V1}/text?q=an+ornage+cat"))["query"]
    assert (slip["unknown"], slip["corrections"]) == (["ornag"], {"ornag": ["orange"]})
    assert ok(client.get(f"{V1}/text?q=a+cat,+not+orange"))["query"]["negated"] == ["orange"]
    assert "negated" not in ok(client.get(f"{V1}/text?q=a+cat,+not+orange&drop=orang"))["query"]


def test_a_word_to_do_without_that_does_not_count_is_left_out(client: TestClient) -> None:
    for path in "text?q=a+cat&k=50", "images/skimage%2Frocket.jpg/similar?k=50":
        plain, said = (ok(client.get(f"{V1}/{path}{without}")) for without in ("", "&without=the"))
        assert said["hits"] == plain["hits"] != []
        assert said["query"] == plain["query"] | {"idle_without": ["the"]}
    for path in "count?q=a+cat&min_score=.1", "random?seed=1":
        assert ok(client.get(f"{V1}/{path}&without=the")) == ok(client.get(f"{V1}/{path}"))
    problem(client.get(f"{V1}/text?without=the"), 400, "query")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello", "Not a photo in a known format"),
        (b"", "There are no bytes in it"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "Not a photo in a known format"),
    ],
)
def test_what_is_no_photo_is_refused(client: TestClient, content: bytes, says: str) -> None:
    refused = problem(client.post(f"{V1}/similar", files={"photo": content}), 422, "photo")
    assert refused["detail"].startswith(says)


def test_a_photo_that_breaks_off_is_refused(client: TestClient, photos: Path) -> None:
    half = (photos / "rocket.jpg").read_bytes()[:20_000]
    refused = problem(client.post(f"{V1}/similar", files={"photo": half}), 422, "photo")
    assert "Damaged or incomplete" in refused["detail"]
    problem(client.post(f"{V1}/similar"), 422, "parameters")


def test_a_photos_name_is_no_photo(client: TestClient) -> None:
    """What curl sends without the @."""
    named = problem(client.post(f"{V1}/similar", data={"photo": "dog.jpg"}), 422, "parameters")
    assert named["detail"] == "body.photo: send a photo's file, not text; with curl: -F photo=@FILE"


def test_markup_stays_text(serve: Serve) -> None:
    client = serve(MemoryIndex([CaptionRecord("x", "<script>alert(1)</script> dog")]))
    answer = client.get(f"{V1}/text", params={"q": "dog"})
    assert ok(answer)["hits"][0]["caption"] == "<script>alert(1)</script> dog"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


class Down(MemoryIndex):
    """An engine that has gone."""

    def candidates_many(self, queries: Any, limit: int) -> list[Candidates]:
        raise IndexUnavailableError("http://search:9200/photos: connection refused")

    def status(self) -> Any:
        raise IndexUnavailableError("http://search:9200/photos: connection refused")


def test_an_engine_that_is_down(serve: Serve) -> None:
    client = serve(Down())
    answer = client.get(f"{V1}/text", params={"q": "a dog"})
    assert problem(answer, 503, "engine-down")["detail"].endswith("connection refused")
    assert answer.headers["retry-after"] == "5"
    problem(client.get("/health/ready"), 503, "engine-down")
    assert ok(client.get("/health/live")) == {"status": "live"}


def test_the_log_tells_of_an_outage_but_not_at_every_search(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(Down())
    monkeypatch.setattr(failure_log, "_SECONDS", math.inf)
    for q in ("a dog", "a cat"):
        problem(client.get(f"{V1}/text", params={"q": q}), 503, "engine-down")
    problem(client.get(f"{V1}/text"), 400, "query")
    assert caplog.messages == ["http://search:9200/photos: connection refused"]


class Uncounted(MemoryIndex):
    """An engine whose status takes longer than a probe waits."""

    gone = False

    def status(self) -> Any:
        raise AssertionError("the distinct images were counted")

    def caption_count(self) -> int:
        if self.gone:
            raise IndexNotFoundError("http://search:9200/photos: no such index")
        return 1


def test_readiness_does_not_count_images_and_notices_an_index_that_is_gone(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "READY_SECONDS", -1.0)
    index = Uncounted()
    client = serve(index)
    assert ok(client.get("/health/ready")) == {"status": "ready"}
    index.gone = True
    assert "no such index" in problem(client.get("/health/ready"), 503, "index")["detail"]


def test_a_server_is_ready_when_it_makes_tokens(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes them is imported for the first caption, which takes seconds."""
    made: list[str] = []

    def recording(caption: str) -> frozenset[str]:
        made.append(caption)
        return frozenset()

    monkeypatch.setattr("search.asked.known_analyzer", lambda where, name: recording)
    ok(serve().get("/health/ready"))
    assert made


@pytest.mark.parametrize(("seconds", "asked"), [(3600.0, 1), (-1.0, 3)])
def test_what_is_recent_is_not_asked_again(seconds: float, asked: int) -> None:
    questions = count(1)

    async def ask() -> int:
        return next(questions)

    async def three() -> list[int]:
        recent = Recent(seconds, ask)
        return [await recent() for _ in range(3)]

    assert max(asyncio.run(three())) == asked


class Asking:
    """A question that is answered, or not, when `told` says so; counts how often it was asked."""

    def __init__(self) -> None:
        self.times, self.told = 0, asyncio.Event()
        self.fault: Exception | None = None

    async def __call__(self) -> int:
        self.times += 1
        await self.told.wait()
        if self.fault is not None:
            raise self.fault
        return self.times


def test_who_wait_at_once_share_the_answer_and_the_failure() -> None:
    """An engine that hangs would cost each of them the whole time-out, one after the other."""

    async def crowd() -> None:
        ask = Asking()
        recent, ask.fault = Recent(3600.0, ask), IndexUnavailableError("no answer")
        waiting = [asyncio.create_task(recent()) for _ in range(8)]
        await asyncio.sleep(0)
        ask.told.set()
        assert await asyncio.gather(*waiting, return_exceptions=True) == [ask.fault] * 8
        assert ask.times == 1
        ask.fault = None
        assert (await asyncio.gather(*(recent() for _ in range(8))), ask.times) == ([2] * 8, 2)

    asyncio.run(crowd())


def test_who_no_longer_waits_takes_the_answer_from_nobody() -> None:
    async def two() -> None:
        ask = Asking()
        recent = Recent(3600.0, ask)
        first, second = asyncio.create_task(recent()), asyncio.create_task(recent())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        ask.told.set()
        assert (await second, ask.times, first.cancelled()) == (1, 1, True)

    asyncio.run(two())


class Broken(MemoryIndex):
    """An engine with a fault whose text must not get out."""

    def candidates_many(self, queries: Any, limit: int) -> list[Candidates]:
        raise RuntimeError("secret of the inside")


def test_a_fault_tells_nothing_of_the_inside(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    client = serve(Broken())
    answer = client.get(f"{V1}/text", params={"q": "a dog"})
    problem(answer, 500, "fault")
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers
    assert "secret of the inside" in caplog.text, "the operator's log has it"


def test_status_and_health(client: TestClient) -> None:
    status = ok(client.get(f"{V1}/status"))
    assert status["captions"] == 40 and status["images"] == 22
    assert status["analyzer"] == PLAIN
    assert "where" not in status, "where the index lies is the operator's affair"
    assert ok(client.get("/health/ready")) == {"status": "ready"}


def test_metrics_count_every_step(client: TestClient, photos: Path) -> None:
    photo = (photos / "chelsea.png").read_bytes()
    ok(client.post(f"{V1}/similar", files={"photo": photo}))
    client.get(f"{V1}/images/nowhere")
    text = client.get("/metrics").text
    for step in ("read", "caption", "candidates", "ranking"):
        assert f'search_step_seconds_count{{step="{step}"}} 1.0' in text
    assert 'search_requests_total{method="POST",route="/similar",status="200"} 1.0' in text
    assert 'route="/images/{image_id:path}",status="404"' in text, "no client can make new labels"
    assert 'search_results_total{exact="true"} 1.0' in text


def test_the_page_and_its_parts(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    script = client.get("/static/page.js")
    assert script.headers["content-type"].startswith("text/javascript")
    for path in ("/static/", "/static/../api.py", "/static/%2e%2e/api.py", "/static//etc/passwd"):
        problem(client.get(path), 404, "not-found")


def test_the_query_reaches_the_engine_as_it_was_meant(serve: Serve) -> None:
    asked: list[Query] = []

    class Listening(MemoryIndex):
        def candidates_many(self, queries: Any, limit: int) -> list[Candidates]:
            asked.extend(queries)
            return super().candidates_many(queries, limit)

    client = serve(Listening([CaptionRecord("x", "a dog")]))
    client.get(f"{V1}/text", params={"q": "dogs", "license": "by", "min_score": 0.5})
    assert asked[0] == Query(
        frozenset({"dog"}), Filters({"license": ("by",)}), 0.5, None, images=asked[0].images
    )
    assert asked[0].images  # the engine may stop when it has enough images
