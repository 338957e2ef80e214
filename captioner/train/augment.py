"""Small changes to photos while an encoder is trained; none of them turns a caption wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Augment:
    """Mirror half of the photos; zoom, shift, brightness and contrast at random within these limits.

    Random numbers come from torch's global generator, whose state a resumed training restores.
    """

    zoom: float = 0.2  # up to this share of the width may be cut away
    light: float = 0.2

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised -> the same, changed. One bilinear sampling does mirror, zoom and shift."""
        count = len(images)
        scale = 1.0 - self.zoom * torch.rand(count)
        mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
        shift = (2 * torch.rand(count, 2) - 1) * (1 - scale).unsqueeze(1)
        theta = torch.zeros(count, 2, 3)
        theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale * mirror, scale, shift
        grid = functional.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
        moved = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
        contrast, brightness = (1 + self.light * (2 * torch.rand(2, count, 1, 1, 1) - 1)).to(images.device)
        mean = moved.mean(dim=(1, 2, 3), keepdim=True)
        changed = (moved - mean) * contrast + mean + (brightness - 1)
        return cast(Tensor, changed.contiguous(memory_format=torch.channels_last))
