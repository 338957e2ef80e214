"""The reports of the command `indexer`: what a build or an addition did, and what an index holds."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from captioner.commands.bars import tell
from captioner.counted import counted
from captioner.folders import passed_over
from captioner.outside import printable
from indexer.build import BuildReport
from indexer.photo_files.replacing import Replaced
from indexer.records import IndexStatus


def finish(report: BuildReport, rejects: Path, as_json: bool = False) -> None:
    """Print the report of a build or an addition; exit with code 1 if not all of it is in the index now."""
    if as_json:
        click.echo(json.dumps(report_as_json(report)))
    else:
        for line in report_lines(report):
            click.echo(printable(line))
    if report.unread:
        tell(passed_over(report.unread))
    if report.rejected:
        again = next_command("indexer", "add", "--retry", str(rejects), "--index", report.status.where)
        refused = ("caption was refused; to try it again", "captions were refused; to try them again")
        tell(f"{counted(len(report.rejected), *refused)}: {again}")
    if not report.whole:
        raise click.exceptions.Exit(1)


def report_lines(report: BuildReport) -> Iterator[str]:
    """The report of a build or an addition, for people."""
    yield _caption_line(report)
    yield from _photo_lines(report)
    for folder, photos in (report.gone or {}).items():
        command = next_command("indexer", "delete", "--gone", folder, "--index", report.status.where)
        one = f"photo of {folder} is gone and still in the index; to take it out"
        many = f"photos of {folder} are gone and still in the index; to take them out"
        yield f"{counted(photos, one, many)}: {command}"
    left_out = {
        "empty": report.empty,
        "broken": len(report.problems),
        "refused by the index": len(report.rejected),
    }
    if any(left_out.values()):
        yield "left out: " + ", ".join(f"{count:,} {what}" for what, count in left_out.items() if count)
    if report.replaced:
        yield _replaced(report.replaced)
    held = report.status
    yield f"{held.where} holds {_captions(held)} ({held.analyzer})"


def _caption_line(report: BuildReport) -> str:
    """What was stored, and how fast.

    Where photos had their captions already, these are not stored again, and so are not "stored already"; and
    what was taken over was not made in this time. A caption that is updated is not one more.
    """
    stored, photos = report.added + report.unchanged, counted(report.taken_over, "photo")
    tells = report.unchanged or not report.known or (stored and not report.taken_over)
    already = f", {report.unchanged:,} stored already" if tells else ""
    rate = f" ({stored / report.seconds:,.0f} a second)" if stored and report.seconds else ""
    origin = f", those of {photos} from an earlier build" if report.taken_over else rate
    updated = f", {report.updated:,} updated" if report.updated else ""
    new = counted(report.added - report.updated, "caption")
    return f"{new} added{updated}{already} in {report.seconds:.1f} s{origin}"


def _photo_lines(report: BuildReport) -> Iterator[str]:
    if report.captioned or report.known:
        anew = f" ({report.renewed:,} anew: their files changed)" if report.renewed else ""
        moved = f", {report.moved:,} moved (their new place is noted)" if report.moved else ""
        before = f" ({report.taken_over:,} from an earlier build)" if report.taken_over else ""
        known = f"{report.known:,} had their caption already{before}"
        yield f"{counted(report.captioned, 'photo')} captioned{anew}, {known}{moved}"
    if report.with_folder:
        one = "photo has an id with its folder's name, since another one has its name"
        many = "photos have ids with their folder's name, since others have their names"
        yield counted(report.with_folder, one, many)
    if report.elsewhere:
        already = "in the index already under another image id (from another folder), which stays"
        yield f"{counted(report.elsewhere, 'photo')} {already}"
    if report.met_again:
        twice = "met again in this run (through a link, or in another source) and taken once"
        yield f"{counted(report.met_again, 'photo')} {twice}"


def _replaced(before: Replaced) -> str:
    """What a build replaced, and how to add to an index instead, for those who meant to."""
    line = f"replaced an index of {_captions(before)}"
    if before.left_out is None:
        return line
    if not before.left_out:
        return f"{line}; all its images are in the new one"
    missing = counted(before.left_out, "image of it is", "images of it are")
    return f"{line}; {missing} not in the new one (`indexer add` adds to an index)"


def _captions(held: IndexStatus | Replaced) -> str:
    return f"{counted(held.captions, 'caption')} of {counted(held.images, 'image')}"


def next_command(*words: str) -> str:
    """A command to run next, quoted for the shell so that `printable` changes nothing in it."""
    return " ".join(shlex.quote(word) if printable(word) == word else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    """A word with characters that may not be printed, such as a line's end, as bash and zsh read it."""
    shown = (one if printable(one) == one else _bytes(one) for one in word)
    return "$'" + "".join(f"\\{one}" if one in "\\'" else one for one in shown) + "'"


def _bytes(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def report_as_json(report: BuildReport) -> dict[str, Any]:
    """The report of a build or an addition, for programs."""
    return {
        **report.counts(),
        "photos_gone": None if report.gone is None else sum(report.gone.values()),
        "pictures_unread": dict(report.unread),
        "problems": [str(problem) for problem in report.problems],
        "rejected": [{"image_id": item.record.image_id, "reason": item.reason} for item in report.rejected],
        "seconds": round(report.seconds, 3),
        "replaced": report.replaced and asdict(report.replaced),
        "status": asdict(report.status),
    }


def status_lines(held: IndexStatus) -> Iterator[str]:
    """What an index holds, one property a line, in two columns; names in it are whatever was indexed."""
    rows: Sequence[tuple[str, object]] = (
        ("engine", held.engine),
        ("where", held.where),
        ("analyzer", f"{held.analyzer} (schema {held.schema})"),
        ("captions", f"{held.captions:,}"),
        ("images", f"{held.images:,}"),
        ("size", _size(held.bytes)),
        *((name, _counts(counts)) for name, counts in _counted(held) if counts),
        ("built", held.built_at or "not known"),
        *held.details.items(),
    )
    width = max(len(name) for name, _ in rows)
    return (printable(f"{name:<{width}}  {value}") for name, value in rows)


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"


def _counted(held: IndexStatus) -> tuple[tuple[str, Mapping[str, int]], ...]:
    return ("sources", held.sources), ("kinds", held.kinds), ("models", held.models)


def _counts(counts: Mapping[str, int]) -> str:
    most_first = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name or '(none)'} {count:,}" for name, count in most_first)
