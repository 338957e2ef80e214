"""The page's captions are the default model's own, however many photos come at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fastapi.testclient import TestClient

from captioner.finding import open_captioner
from indexer.records import CaptionRecord
from search.web.app import create_app
from tests.indexer.memory import MemoryIndex
from tests.search.web.conftest import BASE
from tests.search.web.test_api import V1, ok


def test_photos_are_captioned_as_on_the_command_line(photos: Path) -> None:
    files = sorted(photos.iterdir())
    expected = [found.captions[0].text for found in open_captioner("default").stream(files, beam=3)]
    index = MemoryIndex(
        [CaptionRecord(path.name, caption) for path, caption in zip(files, expected, strict=True)]
    )
    with TestClient(create_app(index, lambda: open_captioner("default")), base_url=BASE) as client:

        def ask(path: Path) -> tuple[str, float]:
            answer = ok(client.post(f"{V1}/similar", files={"photo": path.read_bytes()}))
            return answer["query"]["caption"], answer["hits"][0]["jaccard"]

        with ThreadPoolExecutor(8) as crowd:
            answers = list(crowd.map(ask, files * 2))
    assert answers == [(caption, 1.0) for caption in expected] * 2
