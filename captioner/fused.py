"""The encoder as it runs on a CPU: the same sums in fewer passes over memory.

A convolution, its batch normalisation and its ReLU6 become one call of oneDNN, which reads and writes
each feature map once instead of three times; and photos pass a few at a time, so that their maps stay
in the processor's cache. The arithmetic stays float32: in bfloat16 every fifth caption changes.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from captioner.encoder import Encoder, GridEncoder

#: Photos that pass the encoder together on a CPU; the maps of more of them fall out of a core's cache.
TOGETHER = 2
#: In timm's EfficientNet: a convolution and the normalisation (with its activation) that follows it.
_PAIRS = (
    ("conv_stem", "bn1"),
    ("conv_head", "bn2"),
    ("conv_pw", "bn1"),
    ("conv_dw", "bn2"),
    ("conv_pwl", "bn3"),
)
_PAIRS_SEPARABLE = (("conv_dw", "bn1"), ("conv_pw", "bn2"))


def faster_encoder(encoder: Encoder) -> Encoder:
    """The encoder for use on a CPU: normalised images (B, 3, S, S) -> the same features up to rounding.

    An encoder that is no GridEncoder, and any encoder where torch lacks oneDNN's operator, is given back as
    it is.
    """
    if isinstance(encoder, GridEncoder) and _has_operator():
        encoder = copy.deepcopy(encoder)
        _fuse(encoder.network)
    return encoder


def _has_operator() -> bool:
    """Whether this torch has oneDNN's fused convolution; both names are private and may go."""
    return getattr(torch._C, "_has_mkldnn", False) and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def _fuse(network: nn.Module) -> None:
    for module in list(network.modules()):
        separable = type(module).__name__ == "DepthwiseSeparableConv"
        for convolution, normalisation in _PAIRS_SEPARABLE if separable else _PAIRS:
            if hasattr(module, convolution) and hasattr(module, normalisation):
                pair = getattr(module, convolution), getattr(module, normalisation)
                setattr(module, convolution, _Fused(*pair))
                setattr(module, normalisation, nn.Identity())


class _Fused(nn.Module):
    """Convolution, batch normalisation and ReLU6 (where there is one) in a single pass."""

    def __init__(self, convolution: nn.Conv2d, normalisation: Any) -> None:
        super().__init__()
        from timm.layers.padding import pad_same

        fused = fuse_conv_bn_eval(convolution, normalisation)
        self.weight = fused.weight.detach().contiguous(memory_format=torch.channels_last)
        self.bias = cast(Tensor, fused.bias).detach()
        # TensorFlow's padding depends on the size of the photo, and is not the same on all sides.
        self.pad = pad_same if type(convolution).__name__ == "Conv2dSame" else None
        self.kernel, self.stride = list(convolution.kernel_size), list(convolution.stride)
        self.dilation, self.groups = list(convolution.dilation), convolution.groups
        self.padding = [0, 0] if self.pad else [int(side) for side in convolution.padding]
        clipped = isinstance(normalisation.act, nn.ReLU6)
        self.activation: tuple[str, list[float]] = ("hardtanh", [0.0, 6.0]) if clipped else ("none", [])
        #: The weight in the order that oneDNN reads it in, which depends on the first photos' size.
        self.ordered_weight: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but the weight in oneDNN's order, which cannot be pickled; the first call makes it anew."""
        return {**self.__dict__, "ordered_weight": None}

    def forward(self, images: Tensor) -> Tensor:
        if self.pad is not None:
            images = self.pad(images, self.kernel, self.stride, self.dilation)
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
