"""A server whose index can be read no more, as after a nightly `indexer add` of another user."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.index import open_index
from tests.indexer.three_images import make_index
from tests.search.web.conftest import Serve
from tests.search.web.test_api import V1, ok, problem


@pytest.mark.parametrize(
    "path", ["text?q=a+dog", "text?like=1", "count?q=a+dog&min_score=0.5", "random", "status"]
)
def test_it_says_so_and_answers_again_once_it_can(serve: Serve, tmp_path: Path, path: str) -> None:
    make_index(tmp_path)
    client = serve(open_index(tmp_path))
    manifest, aside = tmp_path / "manifest.json", tmp_path / "aside"
    manifest.rename(aside)
    manifest.mkdir()
    detail = problem(client.get(f"{V1}/{path}"), 503, "engine-down")["detail"]
    assert detail == f"{manifest}: cannot be read (Is a directory); see to it that this process can"
    manifest.rmdir()
    aside.rename(manifest)
    ok(client.get(f"{V1}/{path}"))
