"""Signals that ask to stop (Ctrl-C, SIGTERM): what they interrupt, and what they must not cut short."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

_Handlers = Mapping[int, Callable[[int, FrameType | None], object] | int]


@contextlib.contextmanager
def interrupting() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt in the block; at its end restore the handlers from before.

    So a signal that comes after a command was interrupted is not reported a second time.
    """
    before = _current_handlers()
    try:
        _set_handlers({number: signal.default_int_handler for number in before if number == signal.SIGINT})
        yield
    finally:
        _set_handlers(before)


@contextlib.contextmanager
def signals_held(*, first_only: bool = False) -> Iterator[list[int]]:
    """Put signals into the list in the block; at its end raise the first of them, unless there was an error.

    With `first_only` a second signal is not held, so that waiting for a server can be ended.
    """
    held: list[int] = []
    before = _current_handlers()

    def hold(number: int, _: FrameType | None) -> None:
        held.append(number)
        if first_only:
            _set_handlers(before)

    try:
        _set_handlers(dict.fromkeys(before, hold))
        yield held
    finally:
        _set_handlers(before)
    if held:
        signal.raise_signal(held[0])


def _current_handlers() -> _Handlers:
    """The present handlers of SIGINT and SIGTERM, without ignored ones, which need no holding."""
    if threading.current_thread() is not threading.main_thread():
        return {}  # only the main thread gets signals, and may set handlers
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    return {number: handler for number, handler in found.items() if handler not in (None, signal.SIG_IGN)}


def _set_handlers(handlers: _Handlers) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def stop_on_sigterm() -> None:
    """Let SIGTERM raise KeyboardInterrupt like Ctrl-C, so that drafts and temporary files are tidied up."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
