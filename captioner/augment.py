"""Small changes to photos while an encoder is trained; none of them turns a caption wrong."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_GREY = (0.299, 0.587, 0.114)  # the share of red, green and blue in brightness (ITU-R BT.601)


@dataclass(frozen=True, slots=True)
class Augment:
    """Mirror half of the photos; zoom, stretch, tilt, shift, light, colour and a hole at random.

    Hues stay, since captions name colours. The hole makes a caption lean on all of a photo instead of one
    place that the model knows by heart (DeVries and Taylor, "Improved Regularization of Convolutional
    Neural Networks with Cutout", 2017). Random numbers come from torch's global generator, whose state a
    resumed training restores.
    """

    zoom: float = 0.35  # up to this share of the width may be cut away
    stretch: float = 0.12  # of one axis against the other, either way
    tilt: float = 0.14  # radians, either way
    light: float = 0.3  # of brightness and contrast
    colour: float = 0.4  # of saturation
    hole: float = 0.35  # up to this share of the width and of the height

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised -> the same, changed."""
        shown = self._lit(self._moved(images))
        return self._holed(shown).contiguous(memory_format=torch.channels_last)

    def _moved(self, images: Tensor) -> Tensor:
        """One bilinear sampling does mirror, zoom, stretch, tilt and shift."""
        count = len(images)
        scale = 1.0 - self.zoom * torch.rand(count)
        stretch = torch.exp(self.stretch * _either_way(count))
        angle = self.tilt * _either_way(count)
        mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
        theta = torch.zeros(count, 2, 3)
        theta[:, 0, 0], theta[:, 0, 1] = scale * stretch * angle.cos() * mirror, -scale * angle.sin()
        theta[:, 1, 0], theta[:, 1, 1] = scale * angle.sin() * mirror, scale / stretch * angle.cos()
        theta[:, :, 2] = _either_way(count, 2) * (1 - scale).unsqueeze(1)
        grid = functional.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    def _lit(self, images: Tensor) -> Tensor:
        light = (1 + self.light * _either_way(2, len(images), 1, 1, 1)).to(images.device)
        colour = (1 + self.colour * _either_way(len(images), 1, 1, 1)).to(images.device)
        grey = (images * images.new_tensor(_GREY).view(3, 1, 1)).sum(dim=1, keepdim=True)
        coloured = grey + (images - grey) * colour
        mean = coloured.mean(dim=(1, 2, 3), keepdim=True)
        return (coloured - mean) * light[0] + mean + (light[1] - 1)

    def _holed(self, images: Tensor) -> Tensor:
        """A rectangle of each photo, of random place and size, becomes the grey of a blank photo."""
        count, side = len(images), images.shape[-1]
        size = self.hole * torch.rand(count, 2)
        start = torch.rand(count, 2) * (1 - size)
        places = (torch.arange(side) + 0.5) / side
        inside = (places >= start.unsqueeze(-1)) & (places < (start + size).unsqueeze(-1))  # (B, 2, S)
        hole = inside[:, 0, :, None] & inside[:, 1, None, :]
        return images.masked_fill(hole.unsqueeze(1).to(images.device), 0.0)


def _either_way(*shape: int) -> Tensor:
    """Uniform from -1 to 1."""
    return 2 * torch.rand(shape) - 1
