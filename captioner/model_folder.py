"""A model's folder: its config.json, read without its weights, and how the model is called by it.

Nothing here loads torch.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from captioner.errors import ModelError
from captioner.files import is_file
from captioner.outside import error_text

FORMAT = 1
CONFIG = "config.json"
#: Where in a training run's folder its model is.
BEST = "best"


def read_config(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """config.json and its `about` part, without loading any weights. Raises ModelError."""
    path = folder / CONFIG
    try:
        config = _parsed(path)
        if _is_foreign(config):
            raise ModelError(
                f"{path}: not a model's configuration of ours: a model of Hugging Face's only captions"
            )
        about = config.get("about") or {}
        _check_parts(config["model"], config["vocabulary"], about)
    except FileNotFoundError:
        raise ModelError(f"{folder}: no model here ({_why_missing(folder)})") from None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, AttributeError, RecursionError) as error:
        what = type(error).__name__
        raise ModelError(f"{path}: not a model's configuration ({what}: {error_text(error)})") from None
    if config.get("format") != FORMAT:
        raise ModelError(f"{path}: format {config.get('format')!r}; this version reads format {FORMAT}")
    return config, about


def is_hugging_faces(folder: Path) -> bool:
    """Whether a model is of Hugging Face's kinds, by its config.json."""
    with contextlib.suppress(OSError, ValueError, OverflowError, RecursionError):  # as read_config will tell
        return _is_foreign(_parsed(folder / CONFIG))
    return False


def _parsed(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_int=_parse_int)


def _is_foreign(config: Any) -> bool:
    """Only Hugging Face's models name a `model_type`."""
    return isinstance(config, dict) and "model_type" in config


def _why_missing(folder: Path) -> str:
    """Why there is no model; for the folder of a training run, where the run's model is."""
    best = folder / BEST
    return f"that of this training run is in {best}" if is_file(best / CONFIG) else f"{CONFIG} is missing"


def _parse_int(digits: str) -> int:
    """Read an integer. Raises OverflowError if no float can hold it, since means and scores become floats."""
    number = int(digits)
    float(number)
    return number


def _check_parts(model: Any, vocabulary: Any, about: Any) -> None:
    """Raise TypeError unless the parts have the types that the rest of the program relies on."""
    if not all(isinstance(part, dict) for part in (model, vocabulary, about)):
        raise TypeError("model, vocabulary and about are objects")
    digest, size, data = vocabulary.get("sha256"), vocabulary.get("size", 0), about.get("data", [])
    if not (isinstance(digest, str) and isinstance(size, int) and isinstance(data, list)):
        raise TypeError("vocabulary has a size and a sha256, and data is a list")


def model_name(folder: Path) -> str:
    """The folder's name; of `RUN/best` the run's name, since every run has a folder `best`."""
    named = _named(folder)
    run = _named(named.parent).name if named.name == BEST else ""
    return run or named.name


def _named(folder: Path) -> Path:
    """The same folder by a path that ends in its name, as "." and ".." do not."""
    return folder.resolve() if folder.name in ("", "..") else folder
