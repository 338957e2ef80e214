"""What goes wrong at every request of an outage, in the server's log: told, but not at every request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from captioner.outside import printable

_log = logging.getLogger("search.web")

#: The same text is told again after so many seconds.
_SECONDS = 5.0
#: Texts may differ by what visitors ask: no more than so many are told meanwhile.
_MOST = 20


class FailureLog:
    """The log of one application. Only to be used on its event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}

    def tell(self, text: str) -> None:
        """Log a text that may hold what came from outside, unless it was told lately."""
        now, text = self._clock(), printable(" ".join(text.split()))
        self._told = {one: when for one, when in self._told.items() if now - when < _SECONDS}
        if text not in self._told and len(self._told) < _MOST:
            self._told[text] = now
            _log.warning("%s", text)
