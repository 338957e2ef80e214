"""The report of captions that an index refused: JSON lines that `JsonlSource` reads again."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from indexer.records import Rejected


def write_rejects(file: Path, rejected: Sequence[Rejected], *, append: bool = False) -> None:
    """Write the refused captions and why, in one step: the file that was there is whole until then.

    With `append` they go behind what the file holds (a run that did not end may not have read it all).
    """
    before = file.read_text(encoding="utf-8") if append and file.exists() else ""
    lines = (json.dumps({"reason": item.reason, **asdict(item.record)}) + "\n" for item in rejected)
    new = beside(file)
    new.write_text(before + "".join(lines), encoding="utf-8")
    new.replace(file)


def beside(file: Path) -> Path:
    """Where the report is written before it takes its place."""
    return file.with_name(f".{file.name}.{os.getpid()}")
