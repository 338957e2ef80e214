"""The report of captions that an index refused: JSON lines, which `JsonlSource` reads to try them again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from captioner.caption_files import MAX_LINE
from captioner.files import written_whole
from indexer.records import Rejected

#: Fields by which a line of a report is recognised.
_REPORTED = {"reason", "image_id", "caption"}


def write_rejects(file: Path, rejected: Sequence[Rejected], *, append: bool = False) -> None:
    """Write the refused captions and the reasons. The earlier file stays complete until it is replaced.

    With `append`, its lines are kept: a run that was interrupted may not have read all of them.
    """
    before = file.read_text(encoding="utf-8") if append and file.exists() else ""
    lines = (json.dumps({"reason": item.reason, **asdict(item.record)}) + "\n" for item in rejected)
    with written_whole(file) as stream:
        stream.write((before + "".join(lines)).encode())


def is_report(file: Path) -> bool:
    """Whether a file is empty, or a report by its first line."""
    with file.open("rb") as opened:
        first = opened.readline(MAX_LINE)
    try:
        return not first or json.loads(first).keys() >= _REPORTED
    except (ValueError, AttributeError, RecursionError):
        return False
