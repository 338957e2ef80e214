"""Batch normalisation over the photos of all processes that train together.

Each process sees its share of a step's photos; the mean and variance of a share are not those of the step.
PyTorch's SyncBatchNorm is for GPUs alone.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from captioner.train.processes import Processes


class JointBatchNorm(nn.BatchNorm1d):
    """A model's batch normalisation with its very parameters and buffers; shares may differ in size."""

    def __init__(self, original: nn.BatchNorm1d, processes: Processes) -> None:
        super().__init__(original.num_features, original.eps, original.momentum)
        self.weight, self.bias = original.weight, original.bias
        self.running_mean, self.running_var = original.running_mean, original.running_var
        self.num_batches_tracked = original.num_batches_tracked
        self.train(original.training)
        self._processes = processes

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return super().forward(features)
        # In double precision, as a variance is the small difference of two large sums.
        shares = features.double()
        own = torch.cat([shares.new_tensor([len(shares)]), shares.sum(0), shares.square().sum(0)])
        joint = cast(Tensor, _JointSum.apply(own, self._processes))
        count, total, squares = joint.tensor_split([1, 1 + self.num_features])
        if count < 2:
            raise ValueError("batch normalisation needs the variance of 2 photos or more; there is 1 in all")
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=0)  # rounding can make it less than 0
        self._keep(mean.detach(), (variance * count / (count - 1)).detach())
        normal = (shares - mean) / (variance + self.eps).sqrt()
        return normal.to(self.weight).mul(self.weight).add(self.bias).to(features)

    @torch.no_grad()
    def _keep(self, mean: Tensor, unbiased: Tensor) -> None:
        """Update the running statistics as BatchNorm1d does."""
        cast(Tensor, self.num_batches_tracked).add_(1)
        for running, now in ((self.running_mean, mean), (self.running_var, unbiased)):
            cast(Tensor, running).lerp_(now.to(self.weight.dtype), cast(float, self.momentum))


class _JointSum(torch.autograd.Function):
    """The sum over all processes; so is its gradient, since the loss of each depends on every share."""

    @staticmethod
    def forward(context: Any, own: Tensor, processes: Processes) -> Tensor:
        context.processes = processes
        return processes.sum(own)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return context.processes.sum(gradients[0].contiguous()), None


def normalise_jointly(model: nn.Module, processes: Processes) -> None:
    """Let the model's batch normalisation of pooled features see the photos of all processes.

    That of a backbone's maps (BatchNorm2d) keeps ImageNet's statistics. Alone, a process needs nothing else.
    """
    if processes.count == 1:
        return
    for parent in list(model.modules()):
        for name, module in parent.named_children():
            if isinstance(module, nn.BatchNorm1d):
                setattr(parent, name, JointBatchNorm(module, processes))
