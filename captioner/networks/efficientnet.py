"""EfficientNet-Lite2, the default encoder's network.

M. Tan and Q. V. Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019
(https://arxiv.org/abs/1905.11946), in its variant for small devices: no squeeze-and-excitation, ReLU6 in
place of SiLU, a stem and a head that do not grow with the rest
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite).

Its tensors have the names, shapes and order that they have in timm's `tf_efficientnet_lite2`: saved models
hold those names, and the ImageNet weights are matched by that order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

from torch import Tensor, nn
from torch.nn import functional

STEM, FIRST, HEAD = 32, 16, 1280  # channels
CLASSES = 1000
EPSILON = 1e-3


class Stage(NamedTuple):
    """Blocks in a row; the first has the stride, and takes the channels of the stage before."""

    blocks: int
    kernel: int
    stride: int
    channels: int


#: EfficientNet-Lite0's with 1.2 times the blocks, rounded up (the last stage keeps its one), and 1.1 times
#: the channels, rounded to the nearest multiple of 8.
STAGES = (
    Stage(blocks=3, kernel=3, stride=2, channels=24),
    Stage(blocks=3, kernel=5, stride=2, channels=48),
    Stage(blocks=4, kernel=3, stride=2, channels=88),
    Stage(blocks=4, kernel=5, stride=1, channels=120),
    Stage(blocks=5, kernel=5, stride=2, channels=208),
    Stage(blocks=1, kernel=3, stride=1, channels=352),
)


class EfficientNetLite2(nn.Module):
    """Normalised images (B, 3, S, S) -> the last feature map (B, 1280, S/32, S/32).

    The ImageNet classifier stands beside that: it reads the map's mean.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _convolution(3, STEM, kernel=3, stride=2)
        self.bn1 = ClippedNorm(STEM, EPSILON)
        self.blocks = nn.Sequential(nn.Sequential(SeparableBlock(STEM, FIRST)))
        channels = FIRST
        for stage in STAGES:
            self.blocks.append(_blocks(channels, stage))
            channels = stage.channels
        self.conv_head = _convolution(channels, HEAD)
        self.bn2 = ClippedNorm(HEAD, EPSILON)
        self.classifier = nn.Linear(HEAD, CLASSES)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.blocks(self.bn1(self.conv_stem(images)))
        return cast(Tensor, self.bn2(self.conv_head(maps)))


class SeparableBlock(nn.Module):
    """Each channel convolved by itself, then all mixed."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_dw = _convolution(inputs, inputs, kernel=3, groups=inputs)
        self.bn1 = ClippedNorm(inputs, EPSILON)
        self.conv_pw = _convolution(inputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs, EPSILON)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.bn1(self.conv_dw(maps))
        return cast(Tensor, self.bn2(self.conv_pw(maps)))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: mixed into six times the channels, each convolved by itself, mixed into few."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = 6 * inputs
        self.conv_pw = _convolution(inputs, wide)
        self.bn1 = ClippedNorm(wide, EPSILON)
        self.conv_dw = _convolution(wide, wide, kernel, stride, groups=wide)
        self.bn2 = ClippedNorm(wide, EPSILON)
        self.conv_pwl = _convolution(wide, outputs)
        self.bn3 = nn.BatchNorm2d(outputs, EPSILON)
        self.has_skip = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        change = self.bn1(self.conv_pw(maps))
        change = self.bn2(self.conv_dw(change))
        change = cast(Tensor, self.bn3(self.conv_pwl(change)))
        return change + maps if self.has_skip else change


class ClippedNorm(nn.BatchNorm2d):
    """Batch normalisation, then ReLU6."""

    def forward(self, maps: Tensor) -> Tensor:
        return functional.relu6(super().forward(maps), inplace=True)


class SameConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow's "same" does."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(pad_same(maps, self.kernel_size, self.stride))


def pad_same(maps: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Maps with the margins that as many steps as size / stride, rounded up, need; an odd one at the end."""
    margins: list[int] = []
    for size, reach, step in zip(maps.shape[-2:], kernel, stride, strict=True):
        missing = max((math.ceil(size / step) - 1) * step + reach - size, 0)
        margins = [missing // 2, missing - missing // 2, *margins]  # torch counts the last side first
    return functional.pad(maps, margins)


def _blocks(inputs: int, stage: Stage) -> nn.Sequential:
    first = InvertedResidual(inputs, stage.channels, stage.kernel, stage.stride)
    others = (
        InvertedResidual(stage.channels, stage.channels, stage.kernel, 1) for _ in range(stage.blocks - 1)
    )
    return nn.Sequential(first, *others)


def _convolution(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Without bias, as a normalisation follows. With stride 1 "same" is the same on all sides."""
    if stride == 1:
        return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    return SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)


def _initialise(module: nn.Module) -> None:
    """Random weights as in the original program: normal or uniform, by how many outputs an input reaches."""
    if isinstance(module, nn.Conv2d):
        reached = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / reached))
    elif isinstance(module, nn.Linear):
        limit = 1 / math.sqrt(module.out_features)
        nn.init.uniform_(module.weight, -limit, limit)
        nn.init.zeros_(module.bias)
