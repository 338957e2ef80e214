"""What the default encoder itself sees in a photo: its feature vector, and ImageNet classes it is sure of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

#: A class counts as seen from this probability on.
SURE = 0.5
_BATCH = 32
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """By image name: pooled features (1280,), and nouns of the classes seen with `SURE` or more."""

    features: dict[str, Any]
    nouns: dict[str, tuple[str, ...]]


def look_at(photos: Sequence[Path], folder: Path, progress: Progress = lambda done: None) -> Seen:
    """Run the encoder over photos once; kept in `folder` under a digest of their names and sizes."""
    from captioner.detector import imagenet_nouns

    names = "\n".join(f"{photo.name} {photo.stat().st_size}" for photo in photos)
    file = folder / f"encoder-{hashlib.sha256(names.encode()).hexdigest()[:16]}.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        features, chances = zip(*_run(photos, progress), strict=True)
        partial = file.with_suffix(".partial.npz")
        np.savez(partial, features=np.concatenate(features), chances=np.concatenate(chances))
        partial.replace(file)
    with np.load(file, allow_pickle=False) as stored:
        vectors, probabilities = stored["features"], stored["chances"]
    classes = imagenet_nouns()
    nouns = {
        photo.name: tuple(noun for number in np.flatnonzero(row >= SURE) for noun in classes[number])
        for photo, row in zip(photos, probabilities, strict=True)
    }
    return Seen({photo.name: row for photo, row in zip(photos, vectors, strict=True)}, nouns)


def _run(photos: Sequence[Path], progress: Progress) -> Iterator[tuple[Any, Any]]:
    """Batches of (features (B, 1280), class probabilities (B, 1000)), float16."""
    import torch

    from captioner.encoder import GridEncoder
    from captioner.model import configuration

    preprocess, remaining = configuration("default").preprocess, iter(photos)
    network = GridEncoder(1, pretrained=True).eval().network
    while block := list(islice(remaining, _BATCH)):
        pixels = np.stack([preprocess.pixels(photo) for photo in block])
        with torch.inference_mode():
            maps = network.forward_features(preprocess.normalise(torch.from_numpy(pixels)))
            chances = network.forward_head(maps).softmax(dim=-1)
        progress(len(block))
        yield maps.mean(dim=(2, 3)).half().numpy(), chances.half().numpy()
