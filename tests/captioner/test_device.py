"""Where the model runs: one GPU a process, and what is not there."""

from __future__ import annotations

import pytest
import torch

from captioner.device import choose_device
from captioner.errors import ModelError


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as torch tells; nothing can be computed on them."""
    made = torch.zeros(1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch, "ones", lambda *_, **__: made)


@pytest.mark.usefixtures("two_gpus")
def test_each_process_of_torchrun_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device() == torch.device("cuda")
    for rank in range(2):
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        assert choose_device() == choose_device("cuda") == torch.device("cuda", rank)
        assert choose_device("cuda:0") == torch.device("cuda", 0)
        assert choose_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ModelError, match="cuda:2: there is no such GPU here"):
        choose_device()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # a launcher that shows each its own
    assert choose_device() == torch.device("cuda")
