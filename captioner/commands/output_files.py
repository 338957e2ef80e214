"""Outputs of commands: where they can be written, and that they replace no file but an earlier output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from captioner.commands.options import (
    Place,
)
from captioner.drawing.made import is_made_here
from captioner.files import beside, is_file


class OutputFile(Place):
    """A file to be written; it is checked before the work whether it can be, not at its end.

    It replaces an earlier output (`earlier` names that kind of file) and no other file, since a photo or an
    input that was named by mistake would be lost.
    """

    earlier = "page or picture with this program's mark"

    def __init__(self) -> None:
        super().__init__(dir_okay=False, readable=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path: Path = super().convert(value, param, ctx)
        if reason := self.why_refused(path) or _named_twice(path, param, ctx):
            self.fail(reason, param, ctx)
        return path

    def why_refused(self, file: Path) -> str:
        """Why it cannot, or must not, be written; else ""."""
        if (reason := no_place_for(file)) or not is_file(file) or self.is_earlier(file):
            return reason
        return f"{file} is no {self.earlier}, and would be lost; name another file, or delete it first"

    def is_earlier(self, file: Path) -> bool:
        """Whether an existing file is an earlier output, which may be written over."""
        return is_made_here(file)


class WholeFile(OutputFile):
    """An output that is written beside its place first (`captioner.files.written_whole`)."""

    def why_refused(self, file: Path) -> str:
        return super().why_refused(file) or no_place_for(beside(file))


class PngFile(WholeFile):
    """A picture to be written: always a PNG, so a name that promises another format is refused."""

    def why_refused(self, file: Path) -> str:
        from captioner.formats import SUFFIXES, UNREAD  # looks for a decoder, which takes its time

        if file.suffix.lower() in (SUFFIXES | UNREAD | {".pdf", ".html", ".htm"}) - {".png"}:
            return f"{file} would be a PNG: name it {file.with_suffix('.png').name}"
        return super().why_refused(file)


def _named_twice(file: Path, param: click.Parameter | None, ctx: click.Context | None) -> str:
    """Why this file cannot be a second output of the command, which would overwrite the first; else ""."""
    if param is None or ctx is None:
        return ""
    first = ctx.meta.setdefault("outputs", {}).setdefault(os.path.realpath(file), param)
    return "" if first is param else f"{file} is the file of {first.opts[0]}, too; name two"


def no_place_for(file: Path) -> str:
    """Why a file cannot be written there, as far as can be seen before the work; else ""."""
    if str(file) == "-":
        return "- is no file: standard output has the answer; name a file"
    folder = file.absolute().parent
    if not folder.is_dir():
        return f"no folder {folder} to write into; name another file"
    may_write = os.access(file, os.W_OK) or os.access(folder, os.W_OK | os.X_OK)
    return "" if may_write else f"no permission to write into {folder}; name another file"
