"""How commands behave alike: one line for an error, a traceback only with --debug, exit codes."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import click
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from captioner import console
from captioner.console import CommandGroup, OutputFile, PngFile, progress_bar, tell
from captioner.drawing.page import document
from captioner.drawing.picture import write_png
from captioner.errors import CaptionerError, PhotoError


def group(error: BaseException | None) -> click.Group:
    @click.group(cls=CommandGroup, errors=[CaptionerError])
    def main() -> None:
        """A group."""

    @main.command()
    def work() -> None:
        if error is not None:
            raise error
        click.echo("done")

    return main


def run(error: BaseException | None, *options: str) -> Result:
    return CliRunner().invoke(group(error), [*options, "work"])


def test_work_that_goes_well() -> None:
    result = run(None)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("command", ["captioner", "indexer", "search"])
def test_each_command_tells_its_version_and_helps_in_short(command: str) -> None:
    main = importlib.import_module(f"{command}.cli").main
    told = CliRunner().invoke(main, ["--version"], prog_name=command)
    assert (told.exit_code, told.stdout) == (0, f"{command}, version {version('caption-search')}\n")
    for name in ([], *([each] for each in main.list_commands(click.Context(main)))):
        short, long = (CliRunner().invoke(main, [*name, option]) for option in ("-h", "--help"))
        assert short.exit_code == 0 and short.stdout == long.stdout
        assert "-h, --help" in short.stdout


@pytest.mark.parametrize("package", ["captioner", "indexer", "search"])
def test_each_package_has_its_version_as_its_command_tells_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, main = importlib.import_module(package), importlib.import_module(f"{package}.cli").main
    assert module.__version__ == version("caption-search")
    assert not hasattr(module, "__versions__")

    def not_installed(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", not_installed)
    told = CliRunner().invoke(main, ["--version"], prog_name=package)
    assert (told.exit_code, told.stdout) == (0, f"{package}, version {module.__version__}\n")


def test_an_error_for_people_is_one_line() -> None:
    result = run(PhotoError("a.jpg: damaged\n  in line 2"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: a.jpg: damaged in line 2\n"


def test_an_error_of_the_system_is_one_line_too() -> None:
    result = run(OSError(28, "No space left on device", "out.png"))
    assert result.stderr == "Error: out.png: No space left on device\n"


@pytest.mark.parametrize(
    ("error", "text"), [(ValueError("odd"), "ValueError: odd"), (KeyError(), "KeyError: KeyError")]
)
def test_a_fault_of_the_program_says_so(error: Exception, text: str) -> None:
    result = run(error)
    assert result.exit_code == 1
    assert result.stderr == f"Error: unexpected {text} (run again with --debug and report it)\n"


@pytest.mark.parametrize("error", [PhotoError("bad"), ValueError("odd")])
def test_debug_lets_the_traceback_through(error: Exception) -> None:
    assert run(error, "--debug").exception is error


def test_interrupted() -> None:
    result = run(KeyboardInterrupt())
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


@pytest.mark.parametrize("wrong", [["--nonsense"], ["nonsense"]])
def test_wrong_usage_is_clicks_own(wrong: list[str]) -> None:
    assert CliRunner().invoke(group(None), wrong).exit_code == 2


def test_clicks_own_errors_keep_their_codes() -> None:
    assert run(click.UsageError("no")).exit_code == 2
    assert run(click.exceptions.Exit(3)).exit_code == 3


def test_a_reader_that_leaves_ends_the_program_without_a_word() -> None:
    code = (
        "import click, signal\nfrom captioner.console import CommandGroup\n"
        "@click.group(cls=CommandGroup)\ndef main(): pass\n"
        "@main.command()\ndef work():\n    while True: click.echo('line')\n"
        "main(['work'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141  # as a shell tells of a program that ended of SIGPIPE


def test_no_bar_where_no_terminal_is(capsys: Any) -> None:
    with progress_bar(3, "photo") as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""


def test_a_logged_bar_writes_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done within the minute gets none."""
    with progress_bar(3, "step", "epoch 1/2", logged=True) as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(console, "BETWEEN_LINES", 0)
    with progress_bar(4, "step", "epoch 1/2", logged=True) as bar:
        bar.set_postfix({"loss": "3.142"}, refresh=False)
        bar.update(2)
        tell("in between")
        bar.update(2)
    begun, half, told, whole, end = capsys.readouterr().err.split("\n")
    assert begun.startswith("epoch 1/2: 0/4 steps [")
    assert re.fullmatch(r"epoch 1/2: 2/4 steps \[\d\d:\d\d<.*, loss=3\.142\]", half)
    assert whole.startswith("epoch 1/2: 4/4 steps [") and (told, end) == ("in between", "")


def test_a_lazy_command_is_imported_when_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def far() -> None:
        """Far away."""
        click.echo("from far away")

    asked: list[str] = []

    def fetch(name: str) -> SimpleNamespace:
        asked.append(name)
        return SimpleNamespace(far=far)

    main = group(None)
    assert isinstance(main, CommandGroup)
    main.lazy["far"] = "some.module:far"
    monkeypatch.setattr(importlib, "import_module", fetch)
    assert CliRunner().invoke(main, ["work"]).stdout == "done\n"
    assert asked == []
    assert CliRunner().invoke(main, ["far"]).stdout == "from far away\n"
    assert asked == ["some.module"]
    assert main.list_commands(click.Context(main)) == ["far", "work"]


def test_names_from_outside_stay_on_their_line_and_in_their_colour(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell("ev\nil\x1b[2J.jpg: no photo")
    assert capsys.readouterr().err == "ev\\nil\\x1b[2J.jpg: no photo\n"
    assert run(CaptionerError("a\x1bb")).stderr == "Error: a\\x1bb\n"


def writing_into(*arguments: str | Path) -> Result:
    """A command that would write into the files of --html and --montage."""
    main = group(None)
    for name in ("--html", "--montage"):
        main.commands["work"].params.append(click.Option([name], type=OutputFile(), expose_value=False))
    return CliRunner().invoke(main, ["work", *map(str, arguments)])


@pytest.mark.parametrize("name", ["new.jpg", "new.jfif", "new.html", "new.png", "NEW.PNG", "new", "new v1.5"])
def test_a_png_has_no_name_of_another_format(name: str, tmp_path: Path) -> None:
    main = group(None)
    main.commands["work"].params.append(click.Option(["--png"], type=PngFile(), expose_value=False))
    result = CliRunner().invoke(main, ["work", "--png", str(tmp_path / name)])
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
