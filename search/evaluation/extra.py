"""What an evaluation alone needs, imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from captioner.extras import how_to_install
from search.errors import EvaluationError


def extra(module: str) -> Any:
    """A module of the extra `evaluate`; raises EvaluationError where it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        raise EvaluationError(f"{module} is missing: {how_to_install('evaluate')}") from None
