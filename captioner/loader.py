"""A captioner for later: who may need one names its model, and torch comes when the first photo does."""

from __future__ import annotations

import os
from collections.abc import Callable

from captioner.photo_captioner import PhotoCaptioner


def loader(model: str | os.PathLike[str] = "default") -> Callable[[], PhotoCaptioner]:
    """What loads a captioner, named as `open_captioner` takes it, when called; it raises ModelError then."""

    def load() -> PhotoCaptioner:
        from captioner.captioner import open_captioner

        return open_captioner(model)

    return load
