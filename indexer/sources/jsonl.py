"""Captions as JSON lines: one caption a line, `{"image_id", "caption"}` and more fields where known."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from indexer.records import RECORD_FIELDS, CaptionRecord, unfit
from indexer.sources.source import Item, Problem, Source, existing_file, stamp

#: Longer lines are not read: a caption of 10,000 words has 60,000 bytes.
MAX_LINE = 4 << 20


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

    def captions(self) -> Iterator[Item]:
        with self._file.open("rb") as stream:
            for number, line in enumerate(_lines(stream), start=1):
                if line is None:
                    yield Problem(f"{self.name}: line {number}", f"is longer than {MAX_LINE:,} bytes")
                elif line.strip():
                    yield self._read(line.rstrip(), number)

    def caption_count(self) -> int:
        with self._file.open("rb") as stream:
            return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b"")) + 1

    def _read(self, line: bytes, number: int) -> Item:
        try:
            return record(json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8")))
        except json.JSONDecodeError as error:
            reason = f"is not valid JSON ({error.msg} at column {error.pos + 1})"
        except UnicodeDecodeError as error:
            reason = f"is not UTF-8 (byte {error.start + 1})"
        except RecursionError:
            reason = "is nested too deeply"
        except ValueError as error:
            reason = str(error)
        return Problem(f"{self.name}: line {number}", reason)


def record(values: Any) -> CaptionRecord:
    """A caption from a decoded line. Raises ValueError with the reason where it is none."""
    if not isinstance(values, dict):
        raise ValueError("is not a JSON object")
    given = {name: value for name, value in values.items() if name in RECORD_FIELDS and value is not None}
    if type(given.get("image_id")) is int:
        given["image_id"] = str(given["image_id"])
    for name in ("image_id", "caption"):
        if name not in given:
            raise ValueError(f"has no {name}")
    made = CaptionRecord(**given)
    if reason := unfit(made) or ("" if made.image_id else "image_id is empty"):
        raise ValueError(reason)
    return made


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """The lines of a file; None for one of more than MAX_LINE bytes, which is never held in memory."""
    while line := stream.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield None
        else:
            yield line
