"""Writers of the embedded engine that are killed: what was committed is there, and nothing is half there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from indexer.embedded import EmbeddedIndex
from indexer.errors import IndexNotFoundError
from tests.conftest import ROOT
from tests.indexer.embedded.killed_writer import change
from tests.indexer.three_images import arrays_of, record


def after(done: int, seed: int) -> set[str]:
    """The images that are there after the changes before number `done`."""
    images: set[str] = set()
    for number in range(done):
        kind, changed = change(number, seed)
        images = {
            "add": images | set(changed),
            "delete": images - set(changed),
            "build": set(changed),
            "replace": images,
        }[kind]
    return images


def images_in(folder: Path) -> set[str]:
    """The images of an index, whole; none where nothing was published yet."""
    try:
        index = EmbeddedIndex.open(str(folder))
    except IndexNotFoundError:
        return set()
    assert index.check() == []
    images = {document.record.image_id for document in index.random(1000)}
    assert index.status().captions == 2 * len(images)
    assert all(len(group) == 2 for group in index.captions(images).values())
    return images


def check_killed(folder: Path, seed: int, output: str) -> None:
    """What was said to be done is there; what was begun is there as a whole or not at all."""
    begun, done = output.count("begin"), output.count("done")
    assert images_in(folder) in (after(done, seed), after(begun, seed))
    with EmbeddedIndex.open(str(folder), create=True) as index, index.draft("build", "seed/1") as draft:
        draft.add([record("new")])
        draft.publish()
        assert {document.record.image_id for document in index.random(1000)} >= {"new"}
    assert {path.parent for path in folder.rglob("*.arrays")} == {arrays_of(folder).parent}


def run_writer(folder: Path, seed: int, step: int) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "tests.indexer.embedded.killed_writer",
        str(folder),
        str(seed),
        str(step),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 8, 13, 22, 41, 120])
def test_killed_before_any_durable_step_it_holds_what_was_committed(tmp_path: Path, step: int) -> None:
    process = run_writer(tmp_path / "index", step, step)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == -9
    check_killed(tmp_path / "index", step, output)


@pytest.mark.slow
@pytest.mark.parametrize("step", range(1, 101))
def test_killed_a_hundred_times(tmp_path: Path, step: int) -> None:
    process = run_writer(tmp_path / "index", 1000 + step, step)
    output, _ = process.communicate(timeout=120)
    check_killed(tmp_path / "index", 1000 + step, output)


def test_killed_from_outside_while_it_writes(tmp_path: Path) -> None:
    process = run_writer(tmp_path / "index", 7, 0)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(31)]
    process.kill()
    output = "".join([*lines, process.stdout.read()])
    process.communicate()
    check_killed(tmp_path / "index", 7, output)
