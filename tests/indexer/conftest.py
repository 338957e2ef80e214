"""A fresh place on the real Elasticsearch, removed afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.conftest import remove_indices


@pytest.fixture
def elastic_where(elasticsearch_url: str) -> Iterator[str]:
    """URL of an index that does not exist yet."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield f"{elasticsearch_url}/{name}"
    remove_indices(elasticsearch_url, name)
