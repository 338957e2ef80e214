"""How long something took, as answers tell it."""

from __future__ import annotations

import time


def milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000.0
