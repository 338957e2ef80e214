"""Signals that ask to stop come behind what must not be cut short."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from captioner.signals import interrupting, signals_held

BOTH = (signal.SIGINT, signal.SIGTERM)


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(number)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Both signals interrupt, as they do in the commands."""
    before = {number: signal.signal(number, _interrupt) for number in BOTH}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", BOTH)
def test_a_signal_comes_at_the_end(number: signal.Signals) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt) as interruption, signals_held() as held:
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGINT)
        done.append("all")
    assert (done, held, interruption.value.args) == (["all"], [number, signal.SIGINT], (number,))
    assert {signal.getsignal(one) for one in BOTH} == {_interrupt}


def test_a_second_one_ends_what_may_wait_for_long() -> None:
    with pytest.raises(KeyboardInterrupt), signals_held(first_only=True) as held:
        signal.raise_signal(signal.SIGTERM)
        assert held == [signal.SIGTERM]
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it was held")


def test_an_error_is_told_and_not_the_signal() -> None:
    with pytest.raises(OSError, match="full"), signals_held():
        signal.raise_signal(signal.SIGINT)
        raise OSError("full")
    assert signal.getsignal(signal.SIGINT) is _interrupt


def test_ignored_signals_stay_ignored() -> None:
    """As in a script's background, where Ctrl-C is meant for others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with signals_held() as held:
        signal.raise_signal(signal.SIGINT)
    assert held == [] and signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_hold_nothing() -> None:
    held: list[list[int]] = []

    def hold() -> None:
        with signals_held() as stop:
            held.append(stop)

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert held == [[]]


def test_ctrl_c_interrupts_a_command_and_is_afterwards_what_it_was() -> None:
    with interrupting():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with pytest.raises(KeyboardInterrupt) as interruption:
            signal.raise_signal(signal.SIGINT)
    assert interruption.value.args == ()
    assert {signal.getsignal(one) for one in BOTH} == {_interrupt}


def test_an_ignored_ctrl_c_interrupts_no_command() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupting():
        signal.raise_signal(signal.SIGINT)
