"""Training batches: photos in a seeded order, each with all its captions, and captions without photos."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from captioner.datasets import CaptionedPhoto, PhotoPixels
from captioner.model import CaptionModel
from captioner.networks.decoders import DetectedWords
from captioner.networks.device import lower_precision
from captioner.preprocess import Preprocess
from captioner.train.augment import Augment
from captioner.train.features import VIEWS, Features
from captioner.vocabulary import PAD


@dataclass(frozen=True, slots=True)
class Batch:
    """Some photos, their captions, and which caption belongs to which photo."""

    photos: Tensor  # (P,) numbers of the photos
    captions: Tensor  # (N, T) `<start> w1 ... <end>`, padded
    owners: Tensor  # (N,) which photo each caption belongs to: 0..P-1, or an imagined one, P..P+T-1
    detected: DetectedWords | None = None  # words detected in the P photos, and in the T imagined ones
    expected: Tensor | None = None  # (P, W) chances by word detectors that were fitted without the photo


@dataclass(frozen=True, slots=True)
class TrainingDetections:
    """The detected words that the decoder is given for all training photos."""

    words: Tensor  # (all photos, K) vocabulary ids
    chances: Tensor  # (all photos, K)
    expected: Tensor  # (all photos, W) probability of each of the detector's words
    blind: float = 0.15  # share of photos that are hidden, so that the decoder learns to use the words


@dataclass(frozen=True, slots=True)
class CaptionsAlone:
    """Captions to learn words and phrases from, whose photos are not at hand but imagined."""

    captions: Sequence[Tensor]  # for each photo (n, T)
    imagine: Callable[[Sequence[int]], DetectedWords]  # numbers of photos -> words to give the decoder
    size: int  # imagined photos a batch
    captions_each: int = 3  # at most, of an imagined photo


class Batches:
    """All batches of an epoch, the same for the same seed, shared out among processes."""

    def __init__(
        self,
        captions: Sequence[Tensor],
        size: int,
        detected: TrainingDetections | None = None,
        text: CaptionsAlone | None = None,
    ) -> None:
        """`captions`: of each photo, by `datasets.encode`; `size`: photos a batch over all processes."""
        self.size = size
        self.count = max(1, len(captions) // size)
        self._captions, self._detected, self._text = captions, detected, text

    @property
    def digest(self) -> str:
        """SHA-256 of all captions as ids, with and without photos."""
        digest = hashlib.sha256()
        for captions in (self._captions, self._text.captions if self._text is not None else ()):
            digest.update(f"{len(captions)} photos\n".encode())
            for rows in captions:
                digest.update(f"{tuple(rows.shape)}\n".encode() + rows.numpy().tobytes())
        return digest.hexdigest()

    def epoch(self, number: int, seed: int, rank: int = 0, ranks: int = 1, skip: int = 0) -> Iterator[Batch]:
        """Batches of epoch `number` for process `rank`; the joint batch has the same photos for any `ranks`.

        What is drawn at random for each photo (views, hidden photos, imagined ones, dropout) is another draw
        with other `ranks`, for each process draws for its share.
        The first `skip` are left out without being made, since making them would draw random numbers.
        """
        # A large prime, so that no epoch of one seed has the order of an epoch of another seed.
        order = torch.randperm(
            len(self._captions), generator=torch.Generator().manual_seed(seed * 100_003 + number)
        )
        for start in range(skip * self.size, self.count * self.size, self.size):
            yield self._batch(order[start : start + self.size][rank::ranks])

    def _batch(self, photos: Tensor) -> Batch:
        captions = [self._captions[number] for number in photos.tolist()]
        detected = expected = None
        if self._detected is not None:
            blind = torch.rand(len(photos)) < self._detected.blind
            detected = DetectedWords(self._detected.words[photos], self._detected.chances[photos], blind)
            expected = self._detected.expected[photos]
        if self._text is not None and detected is not None:
            captions, detected = self._with_text(self._text, captions, detected)
        owners = torch.arange(len(captions)).repeat_interleave(torch.tensor([len(rows) for rows in captions]))
        return Batch(photos, _join_captions(captions), owners, detected, expected)

    @staticmethod
    def _with_text(
        text: CaptionsAlone, captions: list[Tensor], detected: DetectedWords
    ) -> tuple[list[Tensor], DetectedWords]:
        numbers = torch.randint(len(text.captions), (text.size,)).tolist()
        for number in numbers:
            rows = text.captions[number]
            captions.append(rows[torch.randperm(len(rows))[: text.captions_each]])
        imagined = text.imagine(numbers)
        blind = torch.cat([cast(Tensor, detected.blind), torch.ones(len(numbers), dtype=torch.bool)])
        words = torch.cat([detected.words, imagined.words])
        return captions, DetectedWords(words, torch.cat([detected.chances, imagined.chances]), blind)


def _join_captions(captions: Sequence[Tensor]) -> Tensor:
    """Captions of several photos -> (N, longest), padded."""
    longest = max(int((rows != PAD).sum(1).max()) for rows in captions)
    joined = torch.full((sum(map(len, captions)), longest), PAD)
    start = 0
    for rows in captions:
        width = min(rows.shape[1], longest)
        joined[start : start + len(rows), :width] = rows[:, :width]
        start += len(rows)
    return joined


class CachedViews:
    """Features of a frozen encoder: one of the stored views of each photo, drawn at random."""

    def __init__(self, features: Features) -> None:
        self.features = features

    def __call__(self, model: CaptionModel, photos: Tensor) -> Tensor:
        return self._head(model, photos, torch.randint(VIEWS, (len(photos),)))

    def plain(self, model: CaptionModel, photos: Tensor) -> Tensor:
        """The photos as they are, for scoring."""
        return self._head(model, photos, torch.zeros_like(photos))

    def _head(self, model: CaptionModel, photos: Tensor, views: Tensor) -> Tensor:
        rows = torch.from_numpy(self.features[photos.numpy(), views.numpy()])
        return model.encoder.head(rows.to(model.device).float())


class PhotoViews:
    """Features of an encoder that is trained: photos are read and changed a little each time."""

    def __init__(self, photos: Sequence[CaptionedPhoto], preprocess: Preprocess) -> None:
        self.pixels, self.augment = PhotoPixels(photos, preprocess), Augment()

    def __call__(self, model: CaptionModel, photos: Tensor) -> Tensor:
        images = self.augment(self._images(photos, model.device))
        # On a CPU the backward pass of convolutions takes 1.8 times as long in bfloat16 as in full precision.
        return self._encode(model, images, precise=images.device.type == "cpu")

    def plain(self, model: CaptionModel, photos: Tensor) -> Tensor:
        """The photos as they are, for scoring."""
        return self._encode(model, self._images(photos, model.device))

    def _images(self, photos: Tensor, device: torch.device) -> Tensor:
        pixels = torch.stack([self.pixels[number][1] for number in photos.tolist()])
        return self.pixels.preprocess.normalise(pixels.to(device))

    @staticmethod
    def _encode(model: CaptionModel, images: Tensor, precise: bool = False) -> Tensor:
        with contextlib.nullcontext() if precise else lower_precision(images.device):
            return cast(Tensor, model.encoder(images)).float()


Views = CachedViews | PhotoViews
