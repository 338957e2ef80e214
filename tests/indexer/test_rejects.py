"""Captions that the index refuses: reported, and tried again from that report."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from captioner.files import beside
from captioner.problem import Problem
from indexer import loading
from indexer.build import add, build
from indexer.records import AddReport, CaptionRecord, Rejected
from indexer.rejects import write_rejects
from indexer.sources import JsonlSource
from tests.indexer.fakes import DraftingIndex
from tests.indexer.files import captions_file, write_jsonl


class TestRejects:
    def test_refused_captions_are_reported_whole_and_can_be_tried_again(self, tmp_path: Path) -> None:
        rejects = tmp_path / "rejected.jsonl"
        row = {"image_id": "r.jpg", "caption": "A refused dog.", "license": "CC BY 2.0", "title": "Rex"}
        file = write_jsonl(tmp_path / "c.jsonl", {"image_id": "a.jpg", "caption": "A cat."}, row)
        told: list[Problem] = []
        report = build(DraftingIndex(), [JsonlSource(file)], rejects=rejects, tell=told.append)
        assert (report.added, len(report.rejected), report.whole) == (1, 1, False)
        assert "r.jpg" in str(told[0]) and "the mapping refuses it" in str(told[0])
        line = json.loads(rejects.read_text())
        assert line["reason"] == "the mapping refuses it"
        assert row.items() <= line.items()
        assert list(JsonlSource(rejects).captions()) == [report.rejected[0].record]

    def test_trying_again_may_write_to_the_report_it_reads(self, tmp_path: Path) -> None:
        rejects = captions_file(tmp_path, "A refused dog.", "A cat.", name="rejected.jsonl")
        report = add(DraftingIndex(), [JsonlSource(rejects)], rejects=rejects)
        assert (report.added, len(report.rejected)) == (1, 1)
        assert [json.loads(line)["caption"] for line in rejects.read_text().splitlines()] == [
            "A refused dog."
        ]

    def test_a_device_stays_one(self) -> None:
        device = Path(os.devnull)
        assert beside(device) == device  # first: root may put a file in its place
        write_rejects(device, [Rejected(CaptionRecord("a.jpg", "A dog."), "refused")])
        assert device.is_char_device()

    def test_a_run_that_does_not_end_adds_to_the_report(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loading, "BATCH", 1)
        rejects = captions_file(tmp_path, "A refused dog.", "A stop.", "A cat.", name="rejected.jsonl")

        class Stops(DraftingIndex):
            def add(self, records: Iterable[CaptionRecord]) -> AddReport:
                given = list(records)
                if any("stop" in record.caption for record in given):
                    raise KeyboardInterrupt
                return super().add(given)

        with pytest.raises(KeyboardInterrupt):
            add(Stops(), [JsonlSource(rejects)], rejects=rejects)
        captions = [json.loads(line)["caption"] for line in rejects.read_text().splitlines()]
        assert captions == ["A refused dog.", "A stop.", "A cat.", "A refused dog."]
