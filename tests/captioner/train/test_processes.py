"""Processes that train together: who they are, and by what they talk."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from torch import distributed

from captioner.errors import LostProcessError
from captioner.train import processes
from captioner.train.processes import Processes, stopped_between_steps


@pytest.mark.parametrize(("name", "backend"), [("cpu", "gloo"), ("cuda:1", "nccl")])
def test_processes_talk_by_what_their_device_asks_for(
    name: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine may have GPUs that were not asked for."""
    begun: list[str] = []
    gpus: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", gpus.append)
    monkeypatch.setattr(distributed, "init_process_group", begun.append)
    monkeypatch.setattr(processes, "_patient_group", lambda: None)
    monkeypatch.setattr(distributed, "get_rank", lambda: 1)
    device = torch.device(name)
    assert Processes.from_environment(device) == Processes.single() and begun == []
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert Processes.from_environment(device) == Processes(1, 2)
    assert begun == [backend] and gpus == [device] * (backend == "nccl")


def _gone(_: object) -> None:
    raise RuntimeError("Connection closed by peer. This is typically caused by a remote worker crashing.")


def test_a_process_that_has_gone_is_no_fault_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "all_reduce", _gone)
    with pytest.raises(LostProcessError, match=r"lost each other \(Connection closed.* its own message"):
        Processes(1, 2).sum(torch.ones(1))
    with stopped_between_steps() as stop, pytest.raises(LostProcessError):
        Processes(1, 2).stop_together(stop, torch.device("cpu"))


def test_what_nccl_finds_wrong_is_told_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError(
            "NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.cpp:94, invalid usage (run with "
            "NCCL_DEBUG=WARN for details), NCCL version 2.27.5\nncclInvalidUsage: This usually reflects "
            "invalid usage of NCCL library.\nLast error:\nDuplicate GPU detected : rank 1 and rank 0 both on "
            "CUDA device 1000"
        )

    monkeypatch.setattr(distributed, "all_reduce", refuse)
    with pytest.raises(LostProcessError, match="Last error: Duplicate GPU detected : rank 1 and rank 0 both"):
        Processes(1, 2).sum(torch.ones(1))


def test_a_process_that_was_asked_to_stop_as_well_has_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "all_reduce", _gone)
    with pytest.raises(KeyboardInterrupt), stopped_between_steps():
        os.kill(os.getpid(), signal.SIGINT)
        Processes(1, 2).sum(torch.ones(1))
