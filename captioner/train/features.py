"""Features of a frozen encoder, computed once and cached on disk.

An encoder that is not trained gives the same features every epoch. So each photo goes through it only
twice (as it is, and mirrored), and training reads the features from a memory-mapped file.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch.utils.data import DataLoader

from captioner.datasets import CaptionedPhoto, PhotoPixels
from captioner.errors import DataError
from captioner.files import file_state, written_whole
from captioner.model import CaptionModel
from captioner.networks.device import lower_precision
from captioner.stages import UNWATCHED, StageWatcher

Features = np.ndarray[tuple[int, ...], np.dtype[np.float16]]

VIEWS = 2  # as it is, mirrored
_BATCH = 32


def cached_features(
    model: CaptionModel,
    photos: Sequence[CaptionedPhoto],
    folder: Path,
    *,
    watcher: StageWatcher = UNWATCHED,
) -> Features:
    """(N, VIEWS, ...) float16: what `model.encoder.backbone` gives for each photo.

    The file's name is a digest of the encoder's weights, the preprocessing, and the photos' places, sizes
    and times, so that another encoder, another data set or a changed photo never meets stale features.
    Where they are not there yet, making them is a stage. Raises DataError.
    """
    path = folder / f"{_cache_key(model, photos)}.npy"
    with contextlib.suppress(FileNotFoundError, ValueError, EOFError):  # cut off, as by a copy of the cache
        return _map_features(path)
    watcher.stage("features", len(photos))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with written_whole(path) as file:
            _write_features(model, photos, file, watcher)
    except OSError as error:
        raise DataError(f"{folder}: the features cannot be written ({error.strerror or error})") from None
    return _map_features(path)


def _map_features(path: Path) -> Features:
    features: Features = np.load(path, mmap_mode="r", allow_pickle=False)
    return features


def _write_features(
    model: CaptionModel, photos: Sequence[CaptionedPhoto], file: BinaryIO, watcher: StageWatcher
) -> None:
    """Write the file by ordinary writes: with a memory map, a full disk would end the process by a signal."""
    if not photos:
        raise DataError("no photos to make features of")
    for views in _feature_batches(model, photos):
        if not file.tell():
            header = {"descr": "<f2", "fortran_order": False, "shape": (len(photos), *views.shape[1:])}
            np.lib.format.write_array_header_1_0(file, header)
        file.write(views.astype("<f2").tobytes())
        watcher.advance(len(views))


@torch.inference_mode()
def _feature_batches(model: CaptionModel, photos: Sequence[CaptionedPhoto]) -> Iterator[Features]:
    """Features (B, VIEWS, ...) of the photos, batch by batch in their order."""
    preprocess, backbone = model.config.preprocess, model.encoder.backbone
    device = model.device
    was_training = model.training
    model.eval()
    for _, pixels in DataLoader(PhotoPixels(photos, preprocess), batch_size=_BATCH):
        images = preprocess.normalise(pixels.to(device))
        with lower_precision(device):
            views = torch.stack([backbone(images), backbone(images.flip(-1))], dim=1)
        yield views.half().cpu().numpy()
    model.train(was_training)


def _cache_key(model: CaptionModel, photos: Sequence[CaptionedPhoto]) -> str:
    digest = hashlib.sha256(repr((model.config.encoder, model.config.grid, model.config.preprocess)).encode())
    # Of the backbone's parts alone: the head is trained, and not part of what is cached.
    for name, value in torch.nn.ModuleList(model.encoder.stages()).state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    for photo in photos:
        digest.update(file_state(photo.image))
    return digest.hexdigest()[:24]
