"""What is deleted: images by name, and captions by what their fields say."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from click.testing import CliRunner, Result

from indexer import deletion, open_index
from indexer.cli import main
from indexer.contract import CaptionIndex
from indexer.deletion import delete, delete_passing
from indexer.errors import IndexerError
from indexer.records import AddReport, CaptionRecord, Document, Filters
from tests.indexer.fakes import DraftingIndex
from tests.indexer.oracle import RECORDS

MODEL = "default@12345678"


def test_images_that_were_not_there_are_named() -> None:
    index = DraftingIndex(
        [CaptionRecord("a", "A dog."), CaptionRecord("a", "A cat."), CaptionRecord("b", "X.")]
    )
    assert delete(index, ["a", "none"]) == (2, ["none"])
    assert [record.image_id for record in index.held] == ["b"]


class TestDeletePassing:
    @pytest.mark.parametrize(
        ("where", "images"),
        [
            ({"model": MODEL}, 2),
            ({"source": ("coco", "scraped")}, 7),
            ({"source": "coco", "image_id": ("1", "2")}, 1),
            ({"kind": ("reference", "generated")}, 8),
            ({"model": "unknown"}, 0),
            ({"source": ()}, 0),
        ],
    )
    def test_captions_that_pass_go_and_others_of_the_image_stay(
        self,
        filled: CaptionIndex,
        monkeypatch: pytest.MonkeyPatch,
        where: dict[str, Iterable[str]],
        images: int,
    ) -> None:
        monkeypatch.setattr(deletion, "_BATCH_CAPTIONS", 2)
        passing = set(filter(Filters(where).matches, RECORDS))
        gone = delete_passing(filled, where)
        assert (gone.captions, gone.images) == (len(passing), images)
        assert set(filled.records()) == set(RECORDS) - passing
        assert filled.status().captions == len(RECORDS) - len(passing)
        assert delete_passing(filled, where).captions == 0

    @pytest.mark.parametrize("everything", [{}, Filters()])
    def test_no_filter_deletes_nothing(self, filled: CaptionIndex, everything: dict[str, str]) -> None:
        with pytest.raises(IndexerError, match=r"^say which captions to delete"):
            delete_passing(filled, everything)
        assert filled.caption_count() == len(RECORDS)

    def test_interrupted_it_has_deleted_whole_batches_and_goes_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Stops(DraftingIndex):
            turns = 2

            def replace(self, old: Iterable[Document], records: Iterable[CaptionRecord]) -> AddReport:
                self.turns -= 1
                if self.turns < 0:
                    raise KeyboardInterrupt
                return super().replace(old, records)

        monkeypatch.setattr(deletion, "_BATCH_CAPTIONS", 2)
        index = Stops(RECORDS)
        with pytest.raises(KeyboardInterrupt):
            delete_passing(index, {"source": "coco"})
        assert len(index.held) == len(RECORDS) - 4
        index.turns = 9
        assert delete_passing(index, {"source": "coco"}).captions == 1
        assert {record.source for record in index.held} == {"folder", "scraped"}


class TestCommand:
    @pytest.fixture
    def where(self, filled: CaptionIndex) -> str:
        filled.close()
        return filled.where

    @staticmethod
    def run(where: str, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["delete", *arguments, "--index", where])

    def test_conditions_of_one_field_are_alternatives_and_of_several_all_hold(self, where: str) -> None:
        result = self.run(where, "--where", "source=coco", "--where", "kind=generated")
        assert (result.exit_code, result.output) == (0, "deleted 1 caption of 1 image\n")
        result = self.run(where, "--where", "source=folder", "--where", "source =scraped")
        assert (result.exit_code, result.output) == (0, "deleted 4 captions of 4 images\n")
        with open_index(where) as index:
            assert {record.image_id for record in index.records()} == {"1", "3", "7", "8"}

    def test_nothing_found_is_one_line(self, where: str) -> None:
        result = self.run(where, "--where", "model=none", "--where", "kind=title")
        assert (result.exit_code, result.stdout) == (1, "deleted 0 captions of 0 images\n")
        assert result.stderr == f"model=none kind=title: no such caption in {where}\n"

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (["1", "--where", "source=coco"], 2, "--where cannot be combined with image ids"),
            (["--from", "-", "--where", "source=coco"], 2, "--where cannot be combined with image ids"),
            (["--gone", ".", "--where", "source=coco"], 2, "--where cannot be combined with image ids"),
            (["--where", "model="], 2, "--where model= has no value; it would delete all that have no model"),
            (["--where", "source=coco", "--where", " license ="], 2, "--where license= has no value"),
            ([], 2, "or give --from FILE, --gone DIR or --where"),
            (["--where", "source"], 2, "a condition is written field=value, not 'source'"),
            (["--where", "colour=red"], 1, "no field 'colour' to filter by"),
        ],
    )
    def test_what_cannot_be_meant_deletes_nothing(
        self, where: str, arguments: list[str], code: int, message: str
    ) -> None:
        result = self.run(where, *arguments)
        assert (result.exit_code, result.stdout) == (code, "")
        assert message in result.stderr
        with open_index(where) as index:
            assert index.caption_count() == len(RECORDS)
