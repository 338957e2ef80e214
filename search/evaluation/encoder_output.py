"""What encoders see in photos: the captioner's own features, and the classes that ImageNet's is sure of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from captioner.files import written_whole
from captioner.photo import open_photo
from search.evaluation.data import Progress

if TYPE_CHECKING:  # torch comes with it
    from captioner.captioner import Captioner

#: A class counts as seen from this probability on.
SURE = 0.5
_BATCH = 32


def pooled_features(
    captioner: Captioner, photos: Sequence[Path], folder: Path, progress: Progress = lambda done: None
) -> Mapping[str, Any]:
    """By image name: the features of the captioner's encoder, averaged over a photo's places."""
    return _kept(folder, f"{captioner.identity}-features", photos, _pooled(captioner, photos), progress)


def class_nouns(
    photos: Sequence[Path], folder: Path, progress: Progress = lambda done: None
) -> Mapping[str, tuple[str, ...]]:
    """By image name: nouns of the classes of probability `SURE` or more, by ImageNet's encoder."""
    from captioner.detector import imagenet_nouns
    from captioner.train.features import imagenet_chances

    classes = imagenet_nouns()
    chances = _kept(folder, "imagenet-classes", photos, imagenet_chances(photos), progress)
    return {
        image: tuple(noun for number in np.flatnonzero(row >= SURE) for noun in classes[number])
        for image, row in chances.items()
    }


def _pooled(captioner: Captioner, photos: Sequence[Path]) -> Iterator[Any]:
    """Features (B, channels) batch by batch."""
    import torch

    for start in range(0, len(photos), _BATCH):
        images = [open_photo(photo, captioner.smallest) for photo in photos[start : start + _BATCH]]
        features = captioner.features(torch.stack([captioner.pixels(image) for image in images]))
        places = features.reshape(len(images), -1, features.shape[-1])  # one, where they are pooled already
        yield places.mean(dim=1).cpu().numpy()


def _kept(
    folder: Path, what: str, photos: Sequence[Path], batches: Iterator[Any], progress: Progress
) -> Mapping[str, Any]:
    """A row for each photo, made once: kept in `folder` under `what` and a digest of names and sizes."""
    names = "\n".join(f"{photo.name} {photo.stat().st_size}" for photo in photos)
    file = folder / f"{what}-{hashlib.sha256(names.encode()).hexdigest()[:16]}.npz"
    if not file.exists():
        _write(batches, file, progress)
    with np.load(file, allow_pickle=False) as stored:
        return {photo.name: row for photo, row in zip(photos, stored["rows"], strict=True)}


def _write(batches: Iterator[Any], file: Path, progress: Progress) -> None:
    rows = []
    for batch in batches:
        rows.append(batch)
        progress(len(batch))
    file.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(file) as stream:
        np.savez(stream, rows=np.concatenate(rows))  # np.save would not notice a full disk
