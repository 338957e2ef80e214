"""What the report of a run says, and the commands in it that are to be run next."""

from __future__ import annotations

import os
import subprocess
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import pytest

from captioner.outside import printable
from indexer.build import BuildReport, add, build
from indexer.commands.report import finish, report_as_json, report_lines, status_lines
from indexer.counts import Counts
from indexer.records import CaptionRecord, Rejected
from indexer.sources import JsonlSource
from tests.indexer.fakes import DraftingIndex
from tests.indexer.files import captions_file, write_jsonl


def report(where: str, folder: str) -> BuildReport:
    """Of a run that met a refused caption and a photo that is gone."""
    rejected = (Rejected(CaptionRecord("a.jpg", "A dog."), "the mapping refuses it"),)
    status = replace(DraftingIndex().status(), where=where)
    return BuildReport(rejected=rejected, problems=(), seconds=1.0, status=status, gone={folder: 1})


@pytest.mark.parametrize("build_again", [False, True])
def test_a_caption_that_comes_again_was_stored_already(
    build_again: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within the sources of a first build, and in an index that has it."""
    index, source = DraftingIndex(), JsonlSource(captions_file(tmp_path, "A dog.", "A cat."))
    done = (add if build_again else build)(index, [source] if build_again else [source, source])
    if build_again:
        done = add(index, [source])
    finish(done, tmp_path / "rejected.jsonl")
    added = "0 captions" if build_again else "2 captions"
    assert capsys.readouterr().out.startswith(f"{added} added, 2 stored already in ")


def test_a_caption_that_comes_with_other_fields_is_updated_and_not_one_more(tmp_path: Path) -> None:
    rows = [{"image_id": "1", "caption": "a dog", **fields} for fields in ({}, {"split": "val"}, {})]
    done = build(DraftingIndex(), [JsonlSource(write_jsonl(tmp_path / "captions.jsonl", *rows))])
    assert next(report_lines(done)).startswith("1 caption added, 2 updated, 0 stored already in ")
    assert (report_as_json(done)["added"], report_as_json(done)["updated"]) == (3, 2)


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"added": 4, "captioned": 4}, "4 captions added, 0 stored already in 2.0 s (2 a second)"),
        (
            {"added": 3, "updated": 2},
            "1 caption added, 2 updated, 0 stored already in 2.0 s (2 a second)",
        ),
        ({"known": 4}, "0 captions added in 2.0 s"),
        ({"known": 4, "unchanged": 2}, "0 captions added, 2 stored already in 2.0 s (1 a second)"),
        ({}, "0 captions added, 0 stored already in 2.0 s"),
        (
            {"added": 5, "known": 4, "taken_over": 4, "captioned": 1},
            "5 captions added in 2.0 s, those of 4 photos from an earlier build",
        ),
    ],
)
def test_the_first_line_tells_what_was_stored_and_how_fast_it_was_made(
    counts: dict[str, Any], told: str
) -> None:
    done = replace(report("index", "photos"), seconds=2.0, **counts)
    assert next(report_lines(done)) == told


def test_every_count_is_told_to_people_and_to_programs() -> None:
    counts: dict[str, Any] = {one.name: 1_001 + number for number, one in enumerate(fields(Counts))}
    counts["added"] = 5_000
    done = replace(report("index", "photos"), **counts)
    told = "\n".join(report_lines(done))
    apart = counts | {"added": counts["added"] - counts["updated"]}
    assert [name for name, count in apart.items() if f"{count:,}" not in told] == []
    assert list(report_as_json(done).items())[: len(counts)] == [
        ("added", 5_000),
        ("updated", 1_002),
        ("unchanged", 1_003),
        ("empty", 1_004),
        ("photos_captioned", 1_005),
        ("photos_known", 1_006),
        ("photos_renewed", 1_007),
        ("photos_taken_over", 1_008),
        ("photos_elsewhere", 1_009),
        ("photos_with_folder", 1_010),
        ("photos_met_again", 1_011),
        ("photos_moved", 1_012),
    ]


def words(command: str) -> list[str]:
    """As a shell reads them."""
    shell = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True)
    return os.fsdecode(shell.stdout).split("\0")[:-1]


@pytest.mark.parametrize(
    "name",
    [
        "photos",
        "it's $HOME \\n",
        "new\nline's \\n\tab",
        "é\x1b[31mred\x7f",
        "\u202egpj.\ufeff犬",
        os.fsdecode(b"latin\xe9f"),
        "-\n",
    ],
)
def test_the_next_commands_mean_the_places_whatever_their_names(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where, folder, rejects = f"{name}/index", f"/disk/{name}", f"{name}.jsonl"
    with pytest.raises(click.exceptions.Exit):
        finish(report(where, folder), Path(rejects))
    told = capsys.readouterr()
    gone = next(line for line in told.out.splitlines() if "--gone" in line)
    again = told.err.removesuffix("\n")
    assert (printable(gone), printable(again)) == (gone, again)
    assert words(gone.partition("to take it out: ")[2]) == [
        *("indexer", "delete", "--gone", folder, "--index", where)
    ]
    assert words(again.partition("try it again: ")[2]) == [
        *("indexer", "add", "--retry", rejects, "--index", where)
    ]


def test_names_in_the_index_cannot_act_on_the_terminal() -> None:
    """Commands print these lines as they are: status, rollback and migrate."""
    evil = "\x1b]0;owned\x07\x1b[31m\u202e\nchecked: sound"
    names, details = {evil: 1}, {"health": evil}
    held = replace(DraftingIndex().status(), sources=names, kinds=names, models=names, details=details)
    lines = list(status_lines(held))
    assert [line for line in lines if "checked: sound" in line and r"\x1b]0;owned\x07\x1b[31m" in line]
    assert not [line for line in lines if printable(line) != line]
