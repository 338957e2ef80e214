"""Training in several processes (torchrun): sums over all of them, and waiting for each other."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that train together."""

    rank: int
    count: int

    @classmethod
    def single(cls) -> Processes:
        return cls(0, 1)

    @classmethod
    def from_environment(cls, device: torch.device) -> Processes:
        """Join the group that torchrun started (NCCL between GPUs, else gloo), or stay alone."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls.single()
        if device.type == "cuda":
            torch.cuda.set_device(device)  # which NCCL asks for
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(distributed.get_rank(), count)

    @property
    def first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            distributed.barrier()

    def sum(self, value: Tensor) -> Tensor:
        if self.count == 1:
            return value
        total = value.clone()
        distributed.all_reduce(total)
        return total

    def any(self, here: bool, device: torch.device) -> bool:
        """Whether it is so in any of the processes."""
        return here if self.count == 1 else bool(self.sum(torch.tensor(float(here), device=device)))

    def sum_gradients(self, model: nn.Module) -> None:
        """Losses are divided by the joint count of words, so gradients are summed, not averaged."""
        if self.count == 1:
            return
        for parameter in model.parameters():
            if parameter.grad is not None:
                distributed.all_reduce(parameter.grad)
