"""The documents say what is so: commands run, helps are current, links lead somewhere."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from captioner import Captioner, train
from captioner.cli import main as captioner_command
from indexer import open_index
from indexer.cli import main as indexer_command
from search.cli import main as search_command
from tests.captioner.worlds import coloured_photos, write_jsonl
from tests.conftest import ROOT
from tests.documents import furnish

README = (ROOT / "README.md").read_text(encoding="utf-8")
#: The programs as a line of a shell begins with them.
PROGRAMS = ("captioner ", "indexer ", "search ")
NAMES_THE_INDEX = "export CAPTION_INDEX"
BIN = Path(sys.executable).parent
COMMANDS = {"captioner": captioner_command, "indexer": indexer_command, "search": search_command}

#: Commands that need a network or data of the user's, or that do not end: their options are checked instead.
NOT_RUN = (
    "indexer download",
    "indexer scrape",
    "indexer build --scraped",
    "search web",
    "search serve",
    "captioner train",
    "captioner consensus",
    "captioner import",
    "captioner evaluate",
    "captioner compare",
)


def readme_commands() -> list[str]:
    """Every line after a `$` in the README's console blocks, without its comment."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [re.sub(r"\s+#.*$", "", line[2:]).strip() for line in lines]


def project_commands() -> list[str]:
    return [line for line in readme_commands() if line.startswith(PROGRAMS)]


@pytest.fixture(scope="module")
def workplace(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README's commands name: photos, COCO annotations, JSON lines."""
    folder = tmp_path_factory.mktemp("readme")
    furnish(folder, photos)
    return folder


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = [str(BIN / line.split()[0]), *shlex.split(line)[1:]]
    words = [word.replace("~", str(folder)) for word in words]
    environment = {name: value for name, value in os.environ.items() if name != "CAPTION_INDEX"}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_readme_names_commands() -> None:
    assert len(project_commands()) >= 20
    for beginning in NOT_RUN:
        assert any(line.startswith(beginning) for line in project_commands()), f"no {beginning} any more"


@pytest.mark.parametrize("line", [line for line in project_commands() if line.startswith(NOT_RUN)])
def test_commands_that_are_not_run_have_the_options_they_show(line: str, workplace: Path) -> None:
    command, name, *rest = shlex.split(line)
    helped = run(f"{command} {name} --help", workplace)
    assert helped.returncode == 0, helped.stderr
    for word in rest:
        if word.startswith("-"):
            assert re.search(rf"(^|[\s,/]){re.escape(word)}\b", helped.stdout), f"{line}: no option {word}"


def test_the_readmes_commands_run_from_top_to_bottom(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, since each builds on the index that those before it made.

    All in this process: some twenty would import torch. That the three programs start, the test above shows.
    No server answers here, so what the README builds on one is built on the index named last.
    """
    monkeypatch.delenv("CAPTION_INDEX", raising=False)
    monkeypatch.chdir(workplace)
    ran = 0
    for line in readme_commands():
        if line.startswith(f"{NAMES_THE_INDEX}=") and "http" not in line:
            monkeypatch.setenv("CAPTION_INDEX", line.partition("=")[2])
        if not line.startswith(PROGRAMS) or line.startswith(NOT_RUN):
            continue
        command, *words = shlex.split(line.replace("~", str(workplace)))
        finished = CliRunner().invoke(COMMANDS[command], words)
        assert finished.exit_code == 0, f"$ {line}\n{finished.output}{finished.exception}"
        ran += 1
    assert ran >= 10
    assert "folder" in indexed_sources(workplace / "caption-index")


def indexed_sources(index: Path) -> set[str]:
    with open_index(index) as opened:
        return set(opened.status().sources)


def test_the_readmes_builds_drop_no_photos_that_it_had_captioned() -> None:
    """A build replaces its index, and whoever types the README from top to bottom would caption again."""
    index, built = "caption-index", []
    for line in readme_commands():
        if line.startswith(f"{NAMES_THE_INDEX}="):
            index = line.partition("=")[2]
        if line.startswith("indexer build "):
            named = re.search(r" --index (\S+)", line)
            built.append(named[1] if named else index)
    assert built.count("caption-index") == 1
    assert "web-index" in built


def test_a_shell_finds_the_readmes_commands() -> None:
    """They are in the environment that the README makes, so it must be entered before the first of them."""
    lines = readme_commands()
    (entered,) = [n for n, line in enumerate(lines) if ".venv/bin/activate" in line]
    assert entered < min(n for n, line in enumerate(lines) if line.startswith(("pip ", *PROGRAMS)))


def test_the_demo_names_commands_that_a_shell_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nobody has entered the environment that `make demo` made."""
    monkeypatch.chdir(tmp_path)
    demo = runpy.run_path(str(ROOT / "scripts" / "demo.py"))
    demo["run"]("search", "--version")
    demo["advise"]("an-index")
    told = re.findall(r"\S*\bsearch (?=--version|similar|text)", capfd.readouterr().out)
    assert len(told) == 3
    assert all(Path(command.strip()).is_file() for command in told)


def test_the_readmes_python_runs(workplace: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    finished = subprocess.run([sys.executable, "-c", code], cwd=workplace, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert "a dog on a beach" in finished.stdout


def test_the_python_that_describes_training_runs(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "captions.jsonl", coloured_photos(tmp_path / "photos", 40))
    example = re.findall(r"(?:^    .*\n|^\n)+", train.__doc__ or "", re.MULTILINE)
    code = textwrap.dedent(max(example, key=len))
    finished = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert float(finished.stdout) >= 0
    assert Captioner.load(tmp_path / "model").model.consensus is not None


def test_every_help_in_the_command_reference_is_current() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "command_reference.py"), "--check"]
    assert subprocess.run(script, cwd=ROOT).returncode == 0, "run scripts/command_reference.py"


def without_code(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.*)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page",
    [
        *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "captioner/models/default/MODEL_CARD.md"),
        *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
    ],
)
def test_links_and_pictures_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(ROOT / page)):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            found = (ROOT / page).parent / path if path else ROOT / page
            assert found.exists(), f"{page}: {target}"
            assert not anchor or anchor in anchors(found), f"{page}: {target}"


#: A package with more modules lists them by topic in its docstring.
LARGE = 20


def test_large_packages_list_their_modules_and_whoever_lists_any_lists_all() -> None:
    for name in ("captioner", "indexer", "search"):
        for package in (ROOT / name).rglob("__init__.py"):
            listed = re.findall(r"^(\w+\.py) ", package.read_text(encoding="utf-8"), re.MULTILINE)
            modules = {path.name for path in package.parent.glob("*.py")} - {"__init__.py"}
            assert listed or len(modules) <= LARGE, package
            assert not listed or sorted(listed) == sorted(modules), package


def options_of_commands() -> Iterator[tuple[str, click.Option]]:
    for group in COMMANDS.values():
        for name in group.list_commands(click.Context(group)):
            for option in getattr(group.get_command(click.Context(group), name), "params", ()):
                yield f"{group.name} {name}", option


def test_a_beam_is_the_same_option_of_every_command_that_captions() -> None:
    """Without it, the captions of an index and of a search are those that `captioner caption` writes."""
    options = {command: option for command, option in options_of_commands() if option.name == "beam"}
    assert len(options) >= 10
    assert len({(repr(option.type), option.help) for option in options.values()}) == 1
    assert not any(isinstance(option.default, int) for option in options.values())


def test_an_option_that_takes_a_number_takes_no_other_float() -> None:
    """NaN is neither below nor above a limit: as a learning rate it froze what it was to teach."""
    options = [
        option
        for _, option in options_of_commands()
        if isinstance(option.type, (click.types.FloatParamType, click.FloatRange))
    ]
    assert len(options) >= 8
    for option in options:
        for value in ("nan", "inf", "1e999"):
            with pytest.raises(click.BadParameter):
                option.type.convert(value, option, None)
