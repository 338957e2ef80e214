"""How often the log of a server tells the same."""

from __future__ import annotations

import pytest

from search.web.failure_log import FailureLog


def test_the_same_text_is_told_again_after_some_seconds(caplog: pytest.LogCaptureFixture) -> None:
    clock = iter((0.0, 4.0, 6.0, 10.0))
    log = FailureLog(lambda: next(clock))
    for _ in range(4):
        log.tell("cannot connect")
    assert caplog.messages == ["cannot connect"] * 2


def test_texts_of_visitors_neither_fill_the_log_nor_make_lines_of_their_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = FailureLog(lambda: 0.0)
    for number in range(1_000):
        log.tell(f"refused: {number}\nroot signed in\x1b[2K")
    assert len(caplog.messages) == 20
    assert caplog.messages[0] == r"refused: 0 root signed in\x1b[2K"
