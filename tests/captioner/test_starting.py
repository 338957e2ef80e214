"""Ctrl-C at the beginning and at the end of the three commands; other ways to start them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: In front of a command: Ctrl-C comes while the modules named are imported.
_WHILE_IMPORTING = """
import signal, sys
class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == "{module}":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
"""
#: When the command is done, and again when the interpreter ends.
_AT_THE_END = """
import atexit, signal, sys
atexit.register(signal.raise_signal, signal.SIGINT)
"""


def run(command: str, first: str) -> subprocess.CompletedProcess[str]:
    begin = f"{first}\nsys.argv = ['{command}', '--version']\nfrom captioner import starting\n"
    code = f"{begin}starting.{command}()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("command", ["captioner", "indexer", "search"])
@pytest.mark.parametrize("module", ["click", "tqdm"])
def test_ctrl_c_while_modules_are_imported_is_quiet(command: str, module: str) -> None:
    result = run(command, _WHILE_IMPORTING.format(module=module))
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_ctrl_c_when_all_is_done_is_quiet() -> None:
    result = run("captioner", _AT_THE_END)
    assert (result.returncode, result.stderr) == (130, "")


@pytest.mark.parametrize("command", ["captioner", "indexer", "search"])
def test_a_package_runs_as_its_command(command: str) -> None:
    asked = [sys.executable, "-m", command, "--help"]
    result = subprocess.run(asked, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"Usage: python -m {command} [OPTIONS] COMMAND [ARGS]")


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    ignored = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    result = run("captioner", ignored + _WHILE_IMPORTING.format(module="click"))
    assert (result.returncode, result.stderr) == (0, "")


#: A command that Ctrl-C interrupts twice: the second time while what it left open is closed.
_TWICE = """
import signal, sys, threading, types, click
from captioner import starting
from captioner.commands.group import CommandGroup

def stream():
    try:
        yield
    finally:
        signal.raise_signal(signal.SIGINT)

@click.group(cls=CommandGroup)
def main(): pass

@main.command()
def work():
    opened = stream()
    next(opened)
    {before}
    signal.raise_signal(signal.SIGINT)

sys.modules["captioner.cli"] = types.SimpleNamespace(main=main)
"""


@pytest.mark.parametrize(
    "before",
    ["del opened", "threading.Thread(target=signal.pause).start()"],
    ids=["closed at once", "threads at work"],
)
def test_a_second_ctrl_c_adds_no_word(before: str) -> None:
    code = f"{_TWICE.format(before=before)}\nsys.argv[1:] = ['work']\nstarting.captioner()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (130, "interrupted\n")
