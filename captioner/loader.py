"""Load a captioner later, so that torch is imported only when the first photo comes."""

from __future__ import annotations

import os
from collections.abc import Callable

from captioner.photo_captioner import PhotoCaptioner


def loader(model: str | os.PathLike[str] = "default") -> Callable[[], PhotoCaptioner]:
    """A function that loads the captioner that `open_captioner(model)` gives; that call raises ModelError."""

    def load() -> PhotoCaptioner:
        from captioner.finding import open_captioner

        return open_captioner(model)

    return load
