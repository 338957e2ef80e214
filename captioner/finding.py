"""Find a model by what people call it, and open it; torch is loaded when one is opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from reprlib import repr as shortened
from typing import TYPE_CHECKING

from captioner.errors import ModelError
from captioner.model_folder import CONFIG, is_hugging_faces

if TYPE_CHECKING:
    from captioner.photo_captioner import PhotoCaptioner
    from captioner.streaming import StreamingCaptioner

#: Models that come with the package, a folder each.
MODELS = Path(__file__).parent / "models"
#: How a model of Hugging Face's is named: hf:ORG/NAME, or hf:FOLDER.
ELSEWHERE = "hf:"


def open_captioner(
    model: str | os.PathLike[str] = "default", device: str | None = None
) -> StreamingCaptioner:
    """A captioner of any kind. Raises ModelError.

    `model`: one that comes with the package by name, the folder of one of ours or of Hugging Face's
    image-to-text models, or `hf:ORG/NAME`, which is fetched where it is not here yet.
    """
    named = _given_name(model)
    if named.startswith(ELSEWHERE) or is_hugging_faces(Path(named)):
        from captioner.transformers_captioner import TransformersCaptioner

        return TransformersCaptioner.load(named.removeprefix(ELSEWHERE), device)
    from captioner.captioner import Captioner

    return Captioner.load(model, device)


def loader(model: str | os.PathLike[str] = "default") -> Callable[[], PhotoCaptioner]:
    """What opens this captioner when it is called, so that torch is loaded with the first photo."""
    return partial(open_captioner, model)


def find_model(model: str | os.PathLike[str]) -> Path:
    """The folder of a model of ours: one that comes with the package by name, otherwise a path."""
    named, packaged = _given_name(model), {folder.name: folder for folder in packaged_models()}
    if named.startswith(ELSEWHERE):
        raise ModelError(
            f"{model}: a model of Hugging Face's only captions: `captioner caption`, `evaluate` and "
            "`compare` take it (in Python captioner.open_captioner); name one of this project's"
        )
    if named in packaged:
        return packaged[named]
    folder = Path(model)
    if not folder.is_dir():
        known = ", ".join(packaged) or "none"
        raise ModelError(f"{folder}: no such model; it comes with {known}, or name a model's folder")
    return folder


def packaged_models() -> list[Path]:
    """Folders of the models that come with the package."""
    return sorted(config.parent for config in MODELS.glob(f"*/{CONFIG}"))


def _given_name(model: str | os.PathLike[str]) -> str:
    """Raises ModelError for what is no name or path, and for an empty one, as of an unset variable.

    As a path an empty name would be the current folder.
    """
    if not isinstance(model, str | os.PathLike):
        raise ModelError(f"a model is given by its name or folder, not {shortened(model)}")
    named = os.fspath(model)
    if named in ("", ELSEWHERE):
        raise ModelError(f"a model's name is missing (given: {named!r}); `captioner models` lists those here")
    return named
