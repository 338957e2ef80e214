"""Who imports what: packages one way, heavy ones in their houses, and only what setup.cfg asks for."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.conftest import ROOT

NOBODY = r"(?!)"
#: Where commands are; and the terminal's table, which takes its colours from click.
COMMANDS = r"(?:.*/)?(?:cli|command|options)\.py|\w+/commands/\w+\.py|search/render/table\.py"
#: What is imported, and who may: the rules of docs/design.md, for types and inside functions, too.
RULES = (
    (r"search\.", r"search/"),
    (r"indexer\.", r"(?:indexer|search)/"),
    (r"captioner\.train\.", r"captioner/(?:train/|cli\.py)"),
    (r"(?:captioner|indexer|search)\.(?:\w+\.)*cli\.", NOBODY),  # captioner/starting.py does, by their names
    (r"(?:torch|torchvision)\.", r"captioner/"),
    (r"click\.", COMMANDS),
    (r"(?:elasticsearch|elastic_transport)\.", r"indexer/|search/evaluation/bm25\.py"),
)


def imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names with their packages before them: "torch", "captioner.tokens.words"."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@pytest.mark.parametrize("house", ["captioner", "indexer", "search", "es_mappings"])
def test_imports_go_one_way_and_heavy_ones_stay_in_their_houses(house: str) -> None:
    wrong = [
        f"{place} imports {name}"
        for place in (path.relative_to(ROOT).as_posix() for path in (ROOT / house).rglob("*.py"))
        for name in imports(ast.walk(parsed(ROOT / place)))
        for what, who in RULES
        if re.match(what, f"{name}.") and not re.match(who, place)
    ]
    assert wrong == []


def declared(*extras: str) -> set[str]:
    """The packages that setup.cfg asks for, as the index writes their names."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lists = [config["options"]["install_requires"], *map(config["options.extras_require"].get, extras)]
    return {indexed(re.split("[<>=[]", line)[0]) for one in lists if one for line in one.split()}


def indexed(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """All of a module but what is there for its types alone."""
    yield node
    if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        for child in ast.iter_child_nodes(node):
            yield from at_run_time(child)


@pytest.mark.parametrize(
    ("houses", "extras"),
    [
        (("captioner", "indexer", "search"), ("train", "web", "evaluate", "heic", "transformers", "ray")),
        (("benchmarks",), ("bench",)),
    ],
)
def test_what_is_imported_is_asked_for(houses: Sequence[str], extras: Sequence[str]) -> None:
    ours = {"captioner", "indexer", "search", "es_mappings", "es_server", "benchmarks"}
    files = (path for house in houses for path in (ROOT / house).rglob("*.py"))
    found = (name for path in files for name in imports(at_run_time(parsed(path))))
    names = {name.partition(".")[0] for name in found}
    brings, asked = packages_distributions(), declared(*extras)
    missing = [
        name
        for name in sorted(names - ours - sys.stdlib_module_names)
        if asked.isdisjoint(map(indexed, brings.get(name, [name])))
    ]
    assert missing == []
