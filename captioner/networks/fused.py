"""The encoder as it runs on a CPU: the same sums in fewer passes over memory.

A convolution, its batch normalisation and its ReLU6 become one call of oneDNN, which reads and writes
each feature map once instead of three times; and photos pass a few at a time, so that their maps stay
in the processor's cache. The arithmetic stays float32: in bfloat16 every fifth caption changes.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from captioner.networks.efficientnet import ClippedNorm, SameConv2d, pad_same
from captioner.networks.encoder import Encoder, GridEncoder

#: Photos that pass the encoder together on a CPU; the maps of more of them fall out of a core's cache.
TOGETHER = 2


def faster_encoder(encoder: Encoder) -> Encoder:
    """The encoder for use on a CPU: normalised images (B, 3, S, S) -> the same features up to rounding.

    An encoder that is no GridEncoder, and any encoder where torch lacks oneDNN's operator, is given back as
    it is.
    """
    if not isinstance(encoder, GridEncoder) or not _has_operator():
        return encoder
    instead: dict[int, Any] = {}
    for module in encoder.modules():
        for one, behind in pairwise(module.children()):
            if isinstance(one, nn.Conv2d) and isinstance(behind, nn.BatchNorm2d):
                instead[id(one)], instead[id(behind)] = _Fused(one, behind), nn.Identity()
    return copy.deepcopy(encoder, instead)  # these are taken for copied, and stand in their place


def _has_operator() -> bool:
    """Whether this torch has oneDNN's fused convolution; both names are private and may go."""
    return getattr(torch._C, "_has_mkldnn", False) and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


class _Fused(nn.Module):
    """Convolution, batch normalisation and ReLU6 (where there is one) in a single pass."""

    def __init__(self, convolution: nn.Conv2d, normalisation: nn.BatchNorm2d) -> None:
        super().__init__()
        mean, variance = cast(Tensor, normalisation.running_mean), cast(Tensor, normalisation.running_var)
        scale, shift = normalisation.weight, normalisation.bias
        weight, bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, mean, variance, normalisation.eps, scale, shift
        )
        self.weight = weight.detach().contiguous(memory_format=torch.channels_last)
        self.bias = bias.detach()
        self.pads_same = isinstance(convolution, SameConv2d)
        self.kernel, self.stride = list(convolution.kernel_size), list(convolution.stride)
        self.padding = [int(side) for side in convolution.padding]
        self.dilation, self.groups = list(convolution.dilation), convolution.groups
        clipped = isinstance(normalisation, ClippedNorm)
        self.activation: tuple[str, list[float]] = ("hardtanh", [0.0, 6.0]) if clipped else ("none", [])
        #: The weight in the order that oneDNN reads it in, which depends on the first photos' size.
        self.ordered_weight: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but the weight in oneDNN's order, which cannot be pickled; the first call makes it anew."""
        return {**self.__dict__, "ordered_weight": None}

    def forward(self, images: Tensor) -> Tensor:
        if self.pads_same:
            images = pad_same(images, self.kernel, self.stride)
        name, limits = self.activation
        geometry = (self.padding, self.stride, self.dilation, self.groups)
        weight = self.ordered_weight
        if weight is None:  # two workers may both compute it; both results are right
            weight = self.ordered_weight = _reorder_weight(self.weight, list(images.shape), *geometry)
        maps = torch.ops.mkldnn._convolution_pointwise(images, weight, self.bias, *geometry, name, limits, "")
        return cast(Tensor, maps)


def _reorder_weight(weight: Tensor, images: list[int], *geometry: Any) -> Tensor:
    """A convolution's weight in the order that oneDNN reads it in for images of this shape.

    Otherwise oneDNN reorders the weight at every call.
    """
    if not hasattr(torch.ops.mkldnn, "_reorder_convolution_weight"):
        return weight
    return cast(Tensor, torch.ops.mkldnn._reorder_convolution_weight(weight, *geometry, images))
