"""How commands behave alike: one line for an error, a traceback only with --debug, exit codes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import NoReturn

import click
import pytest
from click.testing import CliRunner, Result

from captioner.commands.bars import tell
from captioner.commands.group import CommandGroup
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
        "import click, signal\nfrom captioner.commands.group import CommandGroup\n"
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
