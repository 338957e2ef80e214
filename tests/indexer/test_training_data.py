"""From the web to what a captioner learns from: a scraped folder, its index, its captions as JSON lines."""

from __future__ import annotations

from pathlib import Path

from captioner.datasets import CaptionedPhoto
from captioner.jsonl import jsonl
from indexer.build import build
from indexer.export import export
from indexer.index import open_index
from indexer.sources import ScrapedSource
from tests.indexer.fakes import ColourCaptioner, captioning
from tests.indexer.files import write_scraped


def test_titles_are_learnt_from_and_what_the_captioner_wrote_is_not(tmp_path: Path) -> None:
    write_scraped(tmp_path / "scraped")
    (photo,) = (tmp_path / "scraped").rglob("*.jpg")
    file = tmp_path / "elsewhere" / "mine.jsonl"
    file.parent.mkdir()
    with open_index(str(tmp_path / "index"), create=True) as index, file.open("wb") as stream:
        build(index, [ScrapedSource(tmp_path / "scraped")], captioning(ColourCaptioner()))
        export(index, stream)
    found = jsonl(file)
    assert found.of("train") == [CaptionedPhoto(photo, ("Seen by scraped",), str(photo))]
    assert found.remarks == (f"{file}: 1 caption that a captioner wrote: passed over",)
