"""Photo -> tensor, the same way in training and in use.

The commonest fault of captioning programs is a transform in use that differs from training's, so
both come from one `Preprocess`, which is part of the model's configuration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from captioner.errors import ModelError
from captioner.photo import Photo, open_photo

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
}


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a photo becomes a model's input: squashed to a square, then normalised.

    Squashed, not cropped: a crop loses what stands at the edges of a wide photo, and the photos that
    the default model learnt from are squashed themselves.
    """

    size: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    interpolation: str = "bicubic"
    shrink_on_load: bool = True  # decode large photos at reduced size; off for models that saw them whole

    def __post_init__(self) -> None:
        known = self.interpolation in _FILTERS and isinstance(self.size, int) and 16 <= self.size <= 2048
        numbers = [*self.mean, *self.std]
        finite = all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers)
        if not (known and finite and len(self.mean) == len(self.std) == 3 and min(self.std) > 0):
            raise ModelError(f"cannot preprocess with {self}")

    def pixels(self, photo: Photo) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Squashed pixels of a photo, (size, size, 3) uint8. Raises PhotoError."""
        return self.squash(open_photo(photo, smallest=self.size if self.shrink_on_load else None))

    def squash(self, image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Pixels of an RGB image at the model's size, (size, size, 3) uint8."""
        box = (self.size, self.size)
        # The gap lets Pillow shrink large photos by whole factors first; 3.0 is as good as none.
        gap = 3.0 if self.shrink_on_load else None
        return np.asarray(image.resize(box, _FILTERS[self.interpolation], reducing_gap=gap), dtype=np.uint8)

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, H, W, 3) uint8 -> (B, 3, H, W) float32, normalised, in channels-last memory."""
        import torch  # here, since what a model is built from is read without it

        images = pixels.permute(0, 3, 1, 2).float()  # a view: NHWC memory is channels-last already
        mean = torch.tensor(self.mean, device=images.device).view(1, 3, 1, 1) * 255.0
        std = torch.tensor(self.std, device=images.device).view(1, 3, 1, 1) * 255.0
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)
