"""What encoders see in photos, averaged over a photo's places: the captioner's own, and ImageNet's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from captioner.captioner import Captioner
from captioner.configuration import configuration
from captioner.datasets import CaptionedPhoto, PhotoPixels
from captioner.networks.encoder import GridEncoder
from captioner.preprocess import Preprocess

Rows = np.ndarray[tuple[int, ...], np.dtype[Any]]

_BATCH = 32


def pooled_features(captioner: Captioner, photos: Sequence[Path]) -> Iterator[Rows]:
    """What the captioner's encoder gives photos (B, channels), batch by batch in their order, as in use."""
    for pixels in _batches(photos, captioner.model.config.preprocess, captioner.batch):
        features = captioner.features(pixels)
        places = features.reshape(len(pixels), -1, features.shape[-1])  # one, where they are pooled already
        yield places.mean(dim=1).cpu().numpy()


@torch.inference_mode()
def imagenet_class_chances(photos: Sequence[Path]) -> Iterator[Rows]:
    """The chance of each class (B, 1000) that the default encoder, with ImageNet's weights, gives photos.

    Batch by batch, in their order.
    """
    preprocess = configuration("default").preprocess
    network = GridEncoder(1, pretrained=True).eval().network
    for pixels in _batches(photos, preprocess, _BATCH):
        pooled = network(preprocess.normalise(pixels)).mean(dim=(2, 3))
        yield network.classifier(pooled).softmax(dim=-1).half().numpy()


def _batches(photos: Sequence[Path], preprocess: Preprocess, size: int) -> Iterator[Tensor]:
    """Pixels (B, S, S, 3) uint8."""
    pixels = PhotoPixels([CaptionedPhoto(photo, ()) for photo in photos], preprocess)
    return (some for _, some in DataLoader(pixels, batch_size=size))
