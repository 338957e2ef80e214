"""The number of torch's threads: one thread's own, whatever it computes, and nobody else's."""

from __future__ import annotations

import os
import runpy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from captioner import streaming
from captioner.streaming import use_threads


def _after_work() -> int:
    """A thread takes the usual number when it first computes in parallel: so only then it counts."""
    torch.randn(512, 512) @ torch.randn(512, 512)
    torch.relu(torch.randn(1 << 20))
    return torch.get_num_threads()


def _in_a_new_thread() -> int:
    with ThreadPoolExecutor(1) as another:
        return another.submit(_after_work).result()


def test_a_thread_gets_its_own_number_and_the_others_keep_theirs() -> None:
    here, usual = torch.get_num_threads(), _in_a_new_thread()
    with ThreadPoolExecutor(1) as worker:
        worker.submit(use_threads, usual + 2).result()
        assert worker.submit(_after_work).result() == usual + 2
        assert (_after_work(), _in_a_new_thread()) == (here, usual)
        assert worker.submit(_after_work).result() == usual + 2


def test_many_at_once_leave_the_usual_number() -> None:
    here, usual = torch.get_num_threads(), _in_a_new_thread()
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(use_threads, [1, 3] * 20))
    assert (torch.get_num_threads(), _in_a_new_thread()) == (here, usual)


def test_a_system_without_fork_does_not_want_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has none, nor what is to be done after it."""
    monkeypatch.delattr(os, "register_at_fork")
    assert "StreamingCaptioner" in runpy.run_path(str(streaming.__file__))
