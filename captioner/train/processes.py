"""Training in several processes (torchrun): sums over all of them, waiting and stopping together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from captioner.errors import LostProcessError
from captioner.outside import error_text
from captioner.signals import signals_held

_T = TypeVar("_T")

_PATIENCE = timedelta(days=2)  # of those that wait while one works alone; PyTorch's own is 10 to 30 minutes


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
        with _lost_process_reported():
            _patient_group()  # while all are here
        return cls(distributed.get_rank(), count)

    @property
    def first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all processes have come to this point, for as long as it takes the first one."""
        if self.count > 1:
            with _lost_process_reported():
                distributed.barrier(group=_patient_group())

    def by_first(self, work: Callable[[], _T]) -> _T:
        """What `work` gives in the first process, told to all: only that one does it, and the others wait."""
        if self.count == 1:
            return work()
        told: list[object] = [work() if self.first else None]
        with _lost_process_reported():
            distributed.broadcast_object_list(told, src=0, group=_patient_group())
        return cast(_T, told[0])

    def sum(self, value: Tensor) -> Tensor:
        if self.count == 1:
            return value
        total = value.clone()
        with _lost_process_reported():
            distributed.all_reduce(total)
        return total

    def stop_together(self, stop: Sequence[int], device: torch.device) -> None:
        """Raise KeyboardInterrupt in all processes if any of them has a signal in `stop`."""
        if self.sum(torch.tensor(len(stop), device=device)):
            raise KeyboardInterrupt

    def stop_after_first(self, stop: Sequence[int]) -> None:
        """The same where the first process works alone, for as long as that takes it."""
        signals = torch.tensor(len(stop))
        if self.count > 1:
            with _lost_process_reported():
                distributed.all_reduce(signals, group=_patient_group())
        if signals:
            raise KeyboardInterrupt

    def sum_gradients(self, model: nn.Module) -> None:
        """Sum the gradients, not average them: losses are divided by the count of words of all processes."""
        if self.count == 1:
            return
        with _lost_process_reported():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    distributed.all_reduce(parameter.grad)


@cache
def _patient_group() -> distributed.ProcessGroup:
    """All processes, in a group that waits while the first one works alone."""
    return cast("distributed.ProcessGroup", distributed.new_group(None, _PATIENCE, "gloo"))


@contextlib.contextmanager
def _lost_process_reported() -> Iterator[None]:
    """Raise LostProcessError where processes do not meet; gloo's and NCCL's errors look like a bug."""
    try:
        yield
    except RuntimeError as error:
        # NCCL tells what is wrong, such as two processes on one GPU, at the end of some 300 characters
        raise LostProcessError(
            f"the processes that train together have lost each other ({error_text(error, 500)}); "
            "if another one has ended, its own message says why"
        ) from error


@contextlib.contextmanager
def stopped_between_steps() -> Iterator[list[int]]:
    """Put signals that ask to stop into the list; they stop the program only when the block ends.

    If another process has gone after a signal came, that process was stopped too, only sooner: this raises
    KeyboardInterrupt instead of LostProcessError.
    """
    with signals_held() as stop:
        try:
            yield stop
        except LostProcessError:
            if not stop:
                raise
            raise KeyboardInterrupt from None
