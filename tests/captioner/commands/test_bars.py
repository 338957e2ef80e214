"""Bars of progress, on a terminal and in a log."""

from __future__ import annotations

import re
from typing import Any

import pytest

from captioner.commands.bars import progress_bar, tell


def test_no_bar_where_no_terminal_is(capsys: Any) -> None:
    with progress_bar(3, "photo") as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""


def test_a_logged_bar_writes_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done within the minute gets none."""
    with progress_bar(3, "step", "epoch 1/2", logged=True) as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("captioner.commands.bars.BETWEEN_LINES", 0)
    with progress_bar(4, "step", "epoch 1/2", logged=True) as bar:
        bar.set_postfix({"loss": "3.142"}, refresh=False)
        bar.update(2)
        tell("in between")
        bar.update(2)
    begun, half, told, whole, end = capsys.readouterr().err.split("\n")
    assert begun.startswith("epoch 1/2: 0/4 steps [")
    assert re.fullmatch(r"epoch 1/2: 2/4 steps \[\d\d:\d\d<.*, loss=3\.142\]", half)
    assert whole.startswith("epoch 1/2: 4/4 steps [") and (told, end) == ("in between", "")
