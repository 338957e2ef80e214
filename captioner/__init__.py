"""Photo -> caption -> tokens. Nothing here loads torch until a model is first needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from captioner.errors import CaptionerError, ModelError, PhotoError
from captioner.version import version_attribute

if TYPE_CHECKING:
    from captioner.captioner import Captioner
    from captioner.finding import open_captioner
    from captioner.photo_captioner import Caption, Captioned, PhotoCaptioner

    __version__: str

__all__ = [
    "Caption",
    "Captioned",
    "Captioner",
    "CaptionerError",
    "ModelError",
    "PhotoCaptioner",
    "PhotoError",
    "__version__",
    "open_captioner",
]

#: Where those are that a first use imports.
_PLACES = {
    "Caption": "photo_captioner",
    "Captioned": "photo_captioner",
    "Captioner": "captioner",
    "PhotoCaptioner": "photo_captioner",
    "open_captioner": "finding",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    return version_attribute(__name__)(name)


def __dir__() -> list[str]:
    """With what is not loaded yet, so that it is offered where names are completed."""
    return sorted({*globals(), *__all__})
