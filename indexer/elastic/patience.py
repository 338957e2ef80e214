"""What writes asks a server that is busy, or gone for a moment, again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from indexer.elastic.connection import Address
from indexer.elastic.faults import clear_errors
from indexer.errors import ContactLostError, IndexBusyError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and with which pauses in seconds, to try again: 0.5, 1, 2, ... up to `longest`."""

    retries: int = 8
    first: float = 0.5
    longest: float = 30.0
    #: Waits for so long, or until the event; the event's own method does.
    sleep: Callable[[threading.Event, float], object] = threading.Event.wait

    def pause(self, attempt: int, stopped: threading.Event) -> bool:
        """Wait before the next attempt; whether there shall be none, because all was stopped meanwhile."""
        self.sleep(stopped, min(self.longest, self.first * 2**attempt))
        return stopped.is_set()


class Patient:
    """The patience of one writer, until all is stopped."""

    def __init__(self, address: Address, patience: Patience) -> None:
        self._address = address
        self._patience = patience
        self.retries = patience.retries
        self.stopped = threading.Event()

    def pause(self, attempt: int) -> bool:
        """Wait before the next attempt; whether there shall be none."""
        return self._patience.pause(attempt, self.stopped)

    def ask(self, request: Callable[[], _T]) -> _T:
        """The answer to a request that is safe to repeat, also where the server did it and nobody heard.

        Raises IndexerError: what does not pass at once, what does after the last attempt.
        """
        for attempt in range(self.retries):
            try:
                with clear_errors(self._address):
                    return request()
            except (ContactLostError, IndexBusyError):
                if self.pause(attempt):
                    raise
        with clear_errors(self._address):
            return request()
