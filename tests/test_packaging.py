"""A release: sdist and wheel, the wheel installed into a clean environment, its three commands run there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from indexer.embedded import ranking
from tests.conftest import ROOT

PACKAGES = ("captioner", "indexer", "search", "es_mappings")
#: What modules of the package `indexer.embedded` are compiled from, and what says their types.
COMPILED_FROM = ("decoder.pyi", "decoder.pyx", "kernel.pyi", "kernel.pyx")


def run(command: Sequence[str], folder: Path, **environment: str) -> str:
    told = {**os.environ, **environment}
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=told)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the sdist and of the wheel made from it; of the files that git knows, not what lies about."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("released")
    archive = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, archive.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)], source)
    return out


@pytest.fixture(scope="module")
def wheel(released: Path) -> Path:
    (path,) = released.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the installed commands: other packages are those of this environment, ours the wheel's."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    pip = [sys.executable, "-m", "pip", "--python"]
    alone = ["--no-deps", "--quiet", "--no-warn-script-location", "--ignore-installed"]
    python = next((home / "bin").glob("python3"), home / "bin" / "python")
    run([*pip, str(python), "install", *alone, str(wheel)], home)
    # A plain path in a .pth adds that folder alone: the editable install of this checkout is not followed.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return home / "bin"


def test_the_sdist_holds_what_is_compiled_as_it_was_written(released: Path) -> None:
    (path,) = released.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"indexer/embedded/{name}" for name in COMPILED_FROM} | {"LICENSE", "README.md"} <= names
    assert not any(name.endswith(".c") for name in names)
    assert not any(name.startswith(("tests/", "scripts/", "benchmarks/")) for name in names)


def test_the_wheel_holds_the_packages_with_all_their_data_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    listed = run(["git", "ls-files", *PACKAGES], ROOT).splitlines()
    missing = {name for name in listed if (ROOT / name).is_file()} - names
    assert missing == {f"indexer/embedded/{name}" for name in COMPILED_FROM if name.endswith(".pyx")}
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {*PACKAGES, "caption_search"}


@pytest.mark.parametrize("module", ["decoder", "kernel"])
def test_the_wheel_holds_what_is_compiled_and_not_what_it_is_made_of(wheel: Path, module: str) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    compiled = {name for name in names if name.startswith(f"indexer/embedded/{module}.")}
    compiled -= {f"indexer/embedded/{module}.pyi"}
    assert len(compiled) == (ranking.find_best_compiled is not None)
    assert all(name.endswith((".so", ".pyd")) for name in compiled)


def test_without_a_compiler_it_is_made_without_these(released: Path, tmp_path: Path) -> None:
    (sdist,) = released.glob("*.tar.gz")
    make = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run([*make, "--wheel-dir", str(tmp_path), str(sdist)], tmp_path, CC="/bin/false")
    (made,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(made).namelist()
    assert "indexer/embedded/best.py" in names
    assert not any(name.endswith((".so", ".pyd")) for name in names)


def test_the_wheel_does_not_hold_what_data_it_was_made_with(wheel: Path) -> None:
    assert wheel.stat().st_size < 45_000_000
    assert not any(name.endswith((".jpg", ".csv")) for name in zipfile.ZipFile(wheel).namelist())


def test_the_three_commands_run_from_a_clean_environment(
    commands: Path, photos: Path, tmp_path: Path
) -> None:
    photo = sorted(photos.iterdir())[0]
    line = run([str(commands / "captioner"), "caption", "--json", str(photo)], tmp_path)
    assert json.loads(line)["caption"]
    run([str(commands / "indexer"), "build", "--folder", str(photos)], tmp_path)
    found = json.loads(run([str(commands / "search"), "similar", str(photo), "--json"], tmp_path))
    assert found["exact"] is True
    assert found["hits"][0]["image_id"] == photo.name
    assert found["hits"][0]["jaccard"] == 1.0
