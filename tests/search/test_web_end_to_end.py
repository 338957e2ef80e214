"""The student project's 30 queries: scrape -> caption -> index on Elasticsearch -> similar, and the web."""

from __future__ import annotations

import csv
import heapq
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from captioner.captioner import Captioner, PhotoCaptioner
from captioner.finding import MODELS
from captioner.tokens import analyzer
from indexer.build import Captioning
from indexer.scrape.indexing import index_scraped
from indexer.scrape.providers import Provider
from indexer.scrape.providers.openverse import Openverse
from indexer.scrape.providers.wikimedia import Wikimedia
from indexer.scrape.scraper import scrape
from search.searcher import Searcher
from search.web_search import search_web, web_queries
from tests.conftest import remove_indices
from tests.indexer.scrape.apis import Apis, Picture
from tests.indexer.scrape.conftest import SETTINGS, site  # noqa: F401 - a fixture
from tests.indexer.scrape.site import Site
from tests.jaccard import jaccard
from tests.search.test_web_search import Knowing

PER_QUERY = 4


@pytest.fixture(scope="module")
def queries(shared_data: Path) -> list[str]:
    return (shared_data / "seed" / "target_queries.txt").read_text("utf-8").split("\n")


@pytest.fixture(scope="module")
def flickr8k(shared_data: Path) -> dict[str, list[str]]:
    """Image name -> its captions."""
    captions: dict[str, list[str]] = {}
    with (shared_data / "flickr8k" / "captions.txt").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            captions.setdefault(row["image"], []).append(row["caption"])
    return captions


@pytest.fixture(scope="module")
def captioner(shared_data: Path, flickr8k: dict[str, list[str]]) -> PhotoCaptioner:
    """The model that comes with the package; where none has been built yet, people's captions."""
    if (MODELS / "default").is_dir():
        return Captioner.load("default")
    folder = shared_data / "flickr8k" / "images"
    return Knowing({(folder / name).read_bytes(): texts[0] for name, texts in flickr8k.items()})


@pytest.fixture
def web(
    site: Site,  # noqa: F811
    queries: list[str],
    flickr8k: dict[str, list[str]],
    shared_data: Path,
) -> Apis:
    """A web whose search engines answer each query with the photos that people described most like it."""
    apis = Apis(site)
    analyze = analyzer()
    described = [(name, analyze(text), text) for name, texts in flickr8k.items() for text in texts[:1]]
    for query in queries:
        words = analyze(query)
        best = heapq.nlargest(PER_QUERY, described, key=lambda one: (jaccard(words, one[1]), one[0]))
        apis.pictures[query.strip()] = [_picture(apis, shared_data, name, text) for name, _, text in best]
    return apis


def _picture(apis: Apis, shared_data: Path, name: str, title: str) -> Picture:
    body = (shared_data / "flickr8k" / "images" / name).read_bytes()
    return Picture(apis.site.photo(f"/photos/{name}", body), title)


@pytest.fixture
def providers(web: Apis) -> list[Provider]:
    at = web.environment()
    return [Openverse(at["OPENVERSE_ENDPOINT"], delay=0.0), Wikimedia(at["WIKIMEDIA_ENDPOINT"], delay=0.0)]


@pytest.fixture
def where(elasticsearch_url: str) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield f"{elasticsearch_url}/{name}"
    remove_indices(elasticsearch_url, name)


@pytest.mark.elasticsearch
def test_thirty_queries_become_an_index_that_finds_their_photos(
    queries: list[str],
    web: Apis,
    providers: list[Provider],
    captioner: PhotoCaptioner,
    where: str,
    tmp_path: Path,
) -> None:
    wanted = [query.strip() for query in queries if query.strip()]
    assert len(wanted) == 30
    folder = tmp_path / "scraped"
    report = scrape(wanted, providers, folder, replace(SETTINGS, per_query=PER_QUERY))
    assert (report.total("failed"), report.total("skipped"), report.unanswered) == (0, 0, [])
    photos = report.total("downloaded")
    assert photos >= 60

    built = index_scraped(folder, where, Captioning(lambda: captioner))
    assert built.whole
    assert built.captioned == photos
    assert built.status.images == photos
    assert built.status.kinds == {"title": photos, "generated": photos}

    photo = min(folder.glob("images/*/*.jpg"))
    with Searcher.open(where) as searcher:
        [captioned] = captioner.stream([photo])
        similar = searcher.text(captioned.captions[0].text, k=5)
    assert similar.exact
    assert similar.hits[0].jaccard == 1.0
    assert photo.stem[:32] in {hit.image_id.removeprefix("scraped/") for hit in similar.hits} or (
        similar.hits[-1].jaccard == 1.0  # as many other photos have the very same caption
    )
    assert similar.hits[0].record.license in ("CC BY-SA 2.0", "CC BY 4.0")

    caption = captioned.captions[0].text
    web.pictures[web_queries(caption)[-1]] = [one for query in wanted for one in web.pictures[query]][:40]
    settings = replace(SETTINGS, per_query=30)
    found = search_web(caption, captioner, providers[:1], tmp_path / "web", settings, k=5)
    assert found.results.exact
    assert found.results.hits
    assert {hit.kind for hit in found.results.hits} == {"generated"}
    scores = [hit.jaccard for hit in found.results.hits]
    assert scores == sorted(scores, reverse=True)
