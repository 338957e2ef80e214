"""No warnings for a while, in a program of several threads."""

from __future__ import annotations

import threading
import warnings


class _WarningsOff:
    """No warnings while any thread is inside: Pillow warns of odd metadata, torch of sparse tensors.

    `warnings.catch_warnings` alone changes the filters of all threads, and of two that overlap the
    last one out would leave them changed for good. The first one in changes them, the last one out
    restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


WARNINGS_OFF = _WarningsOff()
