"""Requests that are repeated while the server is busy or gone for a moment, where a process writes."""

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
class RetryPolicy:
    """How often, and with which pauses in seconds, to try again: 0.5, 1, 2, ... up to `longest`."""

    retries: int = 8
    first: float = 0.5
    longest: float = 30.0
    #: Waits for so many seconds, or until the event is set.
    sleep: Callable[[threading.Event, float], object] = threading.Event.wait

    def pause(self, attempt: int, stopped: threading.Event) -> bool:
        """Wait before the next attempt. True means to make none: `stopped` was set meanwhile."""
        self.sleep(stopped, min(self.longest, self.first * 2**attempt))
        return stopped.is_set()


class Retrier:
    """Repeats requests until `stopped` is set; while it is not `patient`, each is tried once."""

    def __init__(self, address: Address, policy: RetryPolicy, *, patient: bool = True) -> None:
        self._address = address
        self.policy = policy
        self.patient = patient
        self.stopped = threading.Event()

    @property
    def retries(self) -> int:
        return self.policy.retries if self.patient else 0

    def pause(self, attempt: int) -> bool:
        """Wait before the next attempt. True means to make none."""
        return self.policy.pause(attempt, self.stopped)

    def ask(self, request: Callable[[], _T]) -> _T:
        """The answer to a request that is safe to repeat, even if it was carried out and its answer got lost.

        Raises IndexerError: after the last attempt where it may pass, otherwise at once.
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
