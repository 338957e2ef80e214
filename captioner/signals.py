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
    """Ctrl-C is KeyboardInterrupt here; at the end signals are again what they were, whatever came between.

    So one that comes when a command has been interrupted already is not told of a second time.
    """
    before = _handlers()
    try:
        _handle({number: signal.default_int_handler for number in before if number == signal.SIGINT})
        yield
    finally:
        _handle(before)


@contextlib.contextmanager
def signals_held(*, first_only: bool = False) -> Iterator[list[int]]:
    """They are put into the list; the first of them does its work at the end, unless there was an error.

    With `first_only` a second one is not held: what waits for a server can be ended all the same.
    """
    held: list[int] = []
    before = _handlers()

    def hold(number: int, _: FrameType | None) -> None:
        held.append(number)
        if first_only:
            _handle(before)

    try:
        _handle(dict.fromkeys(before, hold))
        yield held
    finally:
        _handle(before)
    if held:
        signal.raise_signal(held[0])


def _handlers() -> _Handlers:
    """What becomes of the signals now; of ignored ones there is nothing to hold."""
    if threading.current_thread() is not threading.main_thread():
        return {}  # only the main thread is told of signals, and may say what becomes of them
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    return {number: handler for number, handler in found.items() if handler not in (None, signal.SIG_IGN)}


def _handle(handlers: _Handlers) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
