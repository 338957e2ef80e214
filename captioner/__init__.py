"""Photo -> caption -> tokens. Nothing here loads torch until a model is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from captioner.errors import CaptionerError, ModelError, PhotoError
from captioner.version import version_attribute

if TYPE_CHECKING:
    from captioner.captioner import Captioner
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
]


def __getattr__(name: str) -> Any:
    if name == "Captioner":
        from captioner.captioner import Captioner

        return Captioner
    if name in ("Caption", "Captioned", "PhotoCaptioner"):
        from captioner import photo_captioner

        return getattr(photo_captioner, name)
    return version_attribute(__name__)(name)


def __dir__() -> list[str]:
    """With what is not loaded yet, so that it is offered where names are completed."""
    return sorted({*globals(), *__all__})
