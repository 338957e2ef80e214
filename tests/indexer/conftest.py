"""A fresh place on the real Elasticsearch, removed afterwards; small indices on each engine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.contract import CaptionIndex
from indexer.elastic.connection import parse
from indexer.index import open_index
from indexer.records import AddReport
from tests.conftest import remove_indices
from tests.indexer.oracle import ANALYZER, RECORDS, record
from tests.indexer.proxy import Proxy
from tests.indexer.three_images import make_index


@pytest.fixture
def elastic_where(elasticsearch_url: str) -> Iterator[str]:
    """URL of an index that does not exist yet."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield f"{elasticsearch_url}/{name}"
    remove_indices(elasticsearch_url, name)


@pytest.fixture
def index(fresh_where: str) -> Iterator[CaptionIndex]:
    """A new place, where nothing is yet."""
    with open_index(fresh_where, create=True) as opened:
        yield opened


@pytest.fixture
def empty(index: CaptionIndex) -> CaptionIndex:
    """An index of the pinned analyzer without captions."""
    with index.draft("empty", ANALYZER) as draft:
        draft.add([record("gone", "gone")])
        draft.publish()
    index.delete(["gone"])
    return index


@pytest.fixture
def filled(empty: CaptionIndex) -> CaptionIndex:
    assert empty.add(RECORDS) == AddReport(len(RECORDS))
    return empty


@pytest.fixture
def proxied(proxy: Proxy, elastic_where: str) -> str:
    """The fresh place, through the proxy."""
    return f"{proxy.url}/{parse(elastic_where).name}"


@pytest.fixture
def small_index(tmp_path: Path) -> Path:
    """The folder of an embedded index of three images."""
    folder = tmp_path / "index"
    make_index(folder)
    return folder
