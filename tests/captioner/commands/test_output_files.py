"""Outputs: refused before the work where they cannot be written, or would replace what is no output."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from captioner.commands.output_files import OutputFile, PngFile
from captioner.drawing.page import document
from captioner.drawing.picture import write_png


def writing_into(*arguments: str | Path, type_: OutputFile | None = None) -> Result:
    """A command that would write into the files of --html and --montage."""
    kind, names = type_ or OutputFile(), ("--html", "--montage")
    options: list[click.Parameter] = [click.Option([name], type=kind, expose_value=False) for name in names]
    work = click.Command("work", params=options, callback=lambda: click.echo("done"))
    return CliRunner().invoke(work, [*map(str, arguments)])


@pytest.mark.parametrize("name", ["new.jpg", "new.jfif", "new.html", "new.png", "NEW.PNG", "new", "new v1.5"])
def test_a_png_has_no_name_of_another_format(name: str, tmp_path: Path) -> None:
    result = writing_into("--montage", tmp_path / name, type_=PngFile())
    refused = name.endswith(("jpg", "jfif", "html"))
    assert result.exit_code == (2 if refused else 0)
    assert (f"{tmp_path / name} would be a PNG: name it new.png" in result.stderr) == refused


@pytest.mark.parametrize(
    ("locked", "file", "message"),
    [
        ("folder", "folder/new.html", "no permission to write into {}/folder"),
        ("folder/old.html", "folder/old.html", "old.html' is not writable"),
        ("folder", "folder/old.html", ""),  # such as /dev/stdout
        ("folder", "nowhere/new.html", "no folder {}/nowhere to write into"),
        ("", "folder/new.html", ""),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_the_work(
    locked: str, file: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may run as root, whom nothing is forbidden: so the question is answered for it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old.html").touch()
    allowed = os.access
    forbidden = tmp_path / locked if locked else None
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != forbidden and allowed(path, mode))
    result = writing_into("--html", tmp_path / file)
    if message:
        assert result.exit_code == 2 and result.stdout == ""
        assert message.format(tmp_path) in result.stderr
    else:
        assert (result.exit_code, result.stdout) == (0, "done\n")


@pytest.mark.parametrize("name", ["photo.jpg", "screenshot.png", "no-suffix", "damaged.jpg", "manifest.json"])
def test_no_output_takes_the_place_of_a_file_of_others(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    if name in ("damaged.jpg", "manifest.json"):
        file.write_bytes(b"{}")
    else:
        Image.new("RGB", (8, 8)).save(file, "PNG" if name.endswith("png") else "JPEG")
    before = file.read_bytes()
    for option in ("--html", "--montage"):
        result = writing_into(option, file)
        assert (result.exit_code, result.stdout) == (2, "")
        lost = "is no page or picture with this program's mark, and would be lost"
        assert f"{file} {lost}; name another file, or delete it first\n" in result.stderr
    assert file.read_bytes() == before


def test_an_output_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    earlier, empty, page = tmp_path / "m.png", tmp_path / "new.png", tmp_path / "page.png"
    write_png(Image.new("RGB", (8, 8)), earlier)
    empty.touch()  # as mktemp leaves it
    page.write_text(document("of yesterday", "", ""))  # whatever it is called
    for file in (earlier, empty, page, os.devnull):
        assert writing_into("--montage", file).exit_code == 0


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    assert writing_into("--html", one, "--montage", other).exit_code == 0
    (tmp_path / "link").symlink_to(one)
    for same in (one, tmp_path / "." / "one", tmp_path / "link"):
        result = writing_into("--html", one, "--montage", same)
        assert result.exit_code == 2 and "is the file of --html, too" in result.stderr


def test_a_dash_is_no_output_file() -> None:
    result = writing_into("--html", "-")
    assert result.exit_code == 2
    assert "- is no file: standard output has the answer" in result.stderr
