"""Where the model runs: one GPU a process, and what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from captioner.errors import ModelError
from captioner.networks.device import choose_device, lower_precision


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


@pytest.mark.usefixtures("two_gpus")
def test_bfloat16_is_for_gpus_that_compute_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is older than Ampere and emulates it; cuDNN has no convolutions in it there."""
    current = torch.device("cuda:0")

    @contextmanager
    def on(device: torch.device) -> Iterator[None]:
        nonlocal current
        before, current = current, device
        yield
        current = before

    def is_supported(including_emulation: bool = True) -> bool:
        return including_emulation or current == torch.device("cuda:0")

    monkeypatch.setattr(torch.cuda, "device", on)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    for number, computes in enumerate((True, False)):
        with lower_precision(torch.device("cuda", number)):
            assert torch.is_autocast_enabled("cuda") is computes
