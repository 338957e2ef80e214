"""Processes that train together: who they are, and by what they talk."""

from __future__ import annotations

import pytest
import torch
from torch import distributed

from captioner.processes import Processes


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
    monkeypatch.setattr(distributed, "get_rank", lambda: 1)
    device = torch.device(name)
    assert Processes.from_environment(device) == Processes.single() and begun == []
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert Processes.from_environment(device) == Processes(1, 2)
    assert begun == [backend] and gpus == [device] * (backend == "nccl")
