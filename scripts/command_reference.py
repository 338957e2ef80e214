"""Write docs/commands.md: the help of every command, as the commands give it.

python scripts/command_reference.py           # write it
python scripts/command_reference.py --check   # exit 1 when it is not current
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from captioner.cli import main as captioner
from indexer.cli import main as indexer
from search.cli import main as search

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
WIDTH = 100


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Context]]:
    """A group and its commands, by full name, with a context that their help can be asked of."""
    context = click.Context(
        group, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH, **group.context_settings
    )
    yield name, context
    for child in group.list_commands(context):
        command = group.get_command(context, child)
        if command is not None:
            yield f"{name} {child}", click.Context(command, info_name=child, parent=context)


def reference() -> str:
    """The whole page."""
    parts = ["# All commands\n\nMade by `scripts/command_reference.py` from the commands' own `--help`.\n"]
    for group, name in ((captioner, "captioner"), (indexer, "indexer"), (search, "search")):
        for full, context in commands(group, name):
            level = "##" if full == name else "###"
            parts.append(f"{level} {full}\n\n```text\n{context.get_help().rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == reference() else 1)
    PAGE.write_text(reference(), encoding="utf-8")
