"""Features of a frozen encoder, made once and kept on disk.

An encoder that is not trained gives the same features every epoch; so each photo goes through it
twice (as it is, and mirrored), and training reads the rest from a memory-mapped file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from captioner.datasets import CaptionedPhoto, PhotoPixels
from captioner.device import lower_precision
from captioner.errors import DataError
from captioner.model import CaptionModel

Features = np.ndarray[tuple[int, ...], np.dtype[np.float16]]
Progress = Callable[[int], None]

VIEWS = 2  # as it is, mirrored
_BATCH = 32


def cached_features(
    model: CaptionModel,
    photos: Sequence[CaptionedPhoto],
    folder: Path,
    progress: Progress = lambda done: None,
) -> Features:
    """(N, VIEWS, ...) float16: what `model.encoder.backbone` gives for each photo.

    The file's name is a digest of the encoder's weights, the preprocessing and the photos' names and
    sizes, so that another encoder or another data set never meets stale features. Raises DataError.
    """
    path = folder / f"{_key(model, photos)}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            _write(model, photos, partial, progress)
            partial.replace(path)
        except OSError as error:
            raise DataError(f"{folder}: the features cannot be written ({error})") from None
        finally:
            partial.unlink(missing_ok=True)
    features: Features = np.load(path, mmap_mode="r", allow_pickle=False)
    return features


@torch.inference_mode()
def _write(model: CaptionModel, photos: Sequence[CaptionedPhoto], path: Path, progress: Progress) -> None:
    preprocess = model.config.preprocess
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    file: np.memmap[Any, np.dtype[np.float16]] | None = None
    for numbers, pixels in DataLoader(PhotoPixels(photos, preprocess), batch_size=_BATCH):
        images = preprocess.normalise(pixels.to(device))
        with lower_precision(device):
            views = torch.stack(
                [model.encoder.backbone(images), model.encoder.backbone(images.flip(-1))], dim=1
            )
        if file is None:
            shape = (len(photos), *views.shape[1:])
            file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
        file[numbers[0] : numbers[-1] + 1] = views.half().cpu().numpy()
        progress(len(numbers))
    if file is None:
        raise DataError("no photos to make features of")
    file.flush()
    model.train(was_training)


def _key(model: CaptionModel, photos: Sequence[CaptionedPhoto]) -> str:
    digest = hashlib.sha256(repr((model.config.encoder, model.config.grid, model.config.preprocess)).encode())
    for name, value in sorted(model.encoder.state_dict().items()):
        if not name.startswith(("linear.", "bn.")):  # the head is trained, and not part of what is cached
            digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    try:
        for photo in photos:
            digest.update(f"{photo.image.name}:{photo.image.stat().st_size}\n".encode())
    except OSError as error:
        raise DataError(f"{photo.image}: {error.strerror}") from None
    return digest.hexdigest()[:24]
