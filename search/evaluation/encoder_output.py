"""What the default encoder itself sees in a photo: its feature vector, and ImageNet classes it is sure of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from captioner.files import written_whole
from search.evaluation.data import Progress

#: A class counts as seen from this probability on.
SURE = 0.5


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """By image name: pooled features (1280,), and nouns of the classes of probability `SURE` or more."""

    features: dict[str, Any]
    nouns: dict[str, tuple[str, ...]]


def run_encoder(
    photos: Sequence[Path], folder: Path, progress: Progress = lambda done: None
) -> EncoderOutput:
    """The encoder's output for photos, kept in `folder` under a digest of their names and sizes."""
    from captioner.detector import imagenet_nouns

    names = "\n".join(f"{photo.name} {photo.stat().st_size}" for photo in photos)
    file = folder / f"encoder-{hashlib.sha256(names.encode()).hexdigest()[:16]}.npz"
    if not file.exists():
        _write(photos, file, progress)
    with np.load(file, allow_pickle=False) as stored:
        vectors, probabilities = stored["features"], stored["chances"]
    classes = imagenet_nouns()
    nouns = {
        photo.name: tuple(noun for number in np.flatnonzero(row >= SURE) for noun in classes[number])
        for photo, row in zip(photos, probabilities, strict=True)
    }
    return EncoderOutput({photo.name: row for photo, row in zip(photos, vectors, strict=True)}, nouns)


def _write(photos: Sequence[Path], file: Path, progress: Progress) -> None:
    from captioner.train.features import imagenet_views

    views = []
    for view in imagenet_views(photos):
        views.append(view)
        progress(len(view[0]))
    features, chances = map(np.concatenate, zip(*views, strict=True))
    file.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(file) as stream:
        np.savez(stream, features=features, chances=chances)
