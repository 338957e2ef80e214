"""How a model is called in names, identities and tables: by its folder."""

from __future__ import annotations

from pathlib import Path

from captioner.model_config import BEST


def model_name(folder: Path) -> str:
    """The folder's name; of `RUN/best` the run's name, since every run has a folder `best`."""
    named = _named(folder)
    run = _named(named.parent).name if named.name == BEST else ""
    return run or named.name


def _named(folder: Path) -> Path:
    """The same folder by a path that ends in its name, as "." and ".." do not."""
    return folder.resolve() if folder.name in ("", "..") else folder
