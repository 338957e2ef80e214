"""The saved state of a training run: read, and compared with the run that is to go on from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from captioner.errors import DataError, ModelError
from captioner.model_folder import BEST
from captioner.train.recipe import Recipe

NO_STATE = "{}: damaged, or not a training state of this version; train in another folder"


def read_state(path: Path) -> dict[str, Any]:
    """What was saved. Raises ModelError."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        made_with = state["made with"]
        made_with.items()
        if "recipe" in made_with:
            # A recipe of an earlier version lacks what has become a choice since; its run had the default.
            made_with["recipe"] = asdict(Recipe()) | made_with["recipe"]
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    except Exception:  # PyTorch raises nearly anything for a file that is none of its own
        raise ModelError(NO_STATE.format(path)) from None
    return state


def steps_made(path: Path) -> int | None:
    """Steps that the saved training has made; None where the state does not tell."""
    try:
        counters = read_state(path).get("counters")
    except ModelError:
        return None
    return int(counters[1]) if counters else None


def check_conditions(path: Path, state: Mapping[str, Any], made_with: Mapping[str, Any]) -> None:
    """Raise DataError if the state was made under other conditions than these, naming what differs."""
    for name, now in made_with.items():
        if (began := state["made with"].get(name)) != now:
            changes = _recipe_changes(began, now) if name == "recipe" and began else ""
            raise DataError(f"{path}: was made with another {name}{changes}; {_what_to_do(path, state)}")


def _what_to_do(path: Path, state: Mapping[str, Any]) -> str:
    counters, recipe = state.get("counters"), state["made with"].get("recipe")
    if counters and recipe and counters[0] >= recipe["epochs"]:
        further = f"`captioner train --from {path.parent / BEST}` in another folder trains its model further"
        return f"that run is done: {further}"
    return "use the options and data that the run began with, or train in another folder"


def _recipe_changes(began: dict[str, object], now: dict[str, object]) -> str:
    """The choices that differ, with both values; one that a version does not have is none."""
    pairs = ((name, began.get(name, "none"), now.get(name, "none")) for name in now | began)
    return f" ({'; '.join(f'{name} {old}, now {new}' for name, old, new in pairs if old != new)})"
