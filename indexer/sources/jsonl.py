"""Captions as JSON lines: one caption a line, `{"image_id", "caption"}` and more fields where known."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from captioner.caption_files import json_lines
from captioner.problem import Problem
from indexer.photo_files.stored_paths import as_stored
from indexer.records import RECORD_FIELDS, CaptionRecord, unfit
from indexer.sources.source import Source, SourceItem, existing_file, stamp


class JsonlSource(Source):
    """Captions from a file of JSON lines.

    Any field of a CaptionRecord may be given; others are ignored, so that a report of rejected
    captions (see `indexer.build`) is itself such a source. A broken line is named and left out.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self._file = existing_file(file, "captions as JSON lines")

    @property
    def name(self) -> str:
        return self._file.name

    def fingerprint(self) -> str:
        return f"jsonl {stamp([self._file])}"

    def captions(self) -> Iterator[SourceItem]:
        with self._file.open("rb") as stream:
            for found in json_lines(stream, self.name):
                yield found if isinstance(found, Problem) else _record(*found)

    def caption_count(self) -> int:
        with self._file.open("rb") as stream:
            return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b"")) + 1


def _record(where: str, known: Mapping[str, Any]) -> SourceItem:
    """The caption of a line, or what is wrong with it."""
    missing = [name for name in ("image_id", "caption") if name not in known]
    if missing:
        return Problem(where, f"has no {missing[0]}")
    made = CaptionRecord(**{name: value for name, value in known.items() if name in RECORD_FIELDS})
    if reason := unfit(made):
        return Problem(where, reason)
    place = as_stored(made.image)
    return made if place == made.image else replace(made, image=place)
