"""Captions without photos: what a detector might have said of the photo that a caption was written for.

A decoder that has only seen Flickr8k cannot write of pizza or giraffes. Captions of other photos teach
it the words and how they go together, with no photo but only words as a detector would give them:
some of those that the captions use, and some that are wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captioner.decoders import DetectedWords
from captioner.train.detector import Captions, word_labels


class Imagination:
    """Draws the words for captions of photos that are not there, as the detector's on Flickr8k are."""

    _FOUND = 0.5  # share of a photo's words that a detector finds

    def __init__(self, photos: Sequence[Captions], words: Sequence[str], ids: Tensor, count: int) -> None:
        """`words` and their vocabulary `ids` (W,) are the detector's; `count`: words told the decoder."""
        labels = word_labels(photos, words).bool()
        self._truth = [row.nonzero().squeeze(1) for row in labels]
        self._wrong = (labels.sum(0).float() + 1) ** 0.75
        self._ids, self._count = ids, count

    def __call__(self, photos: Sequence[int]) -> DetectedWords:
        """Words, chances (T, K) for these photos, the most probable first."""
        wrong = self._wrong.multinomial(len(photos) * self._count, replacement=True).view(len(photos), -1)
        doubts = 0.15 + 0.35 * torch.rand(len(photos), self._count) ** 2
        rows = [self._row(self._truth[photo], wrong[row], doubts[row]) for row, photo in enumerate(photos)]
        return DetectedWords(
            torch.stack([ids for ids, _ in rows]), torch.stack([chances for _, chances in rows])
        )

    def _row(self, truth: Tensor, wrong: Tensor, doubts: Tensor) -> tuple[Tensor, Tensor]:
        found = truth[torch.rand(len(truth)) < self._FOUND]
        found = found[torch.randperm(len(found))[: self._count]]
        sure = 0.25 + 0.75 * torch.rand(len(found)) ** 0.7
        places = torch.cat([found, wrong])[: self._count]
        chances, order = torch.cat([sure, doubts])[: self._count].sort(descending=True)
        return self._ids[places[order]], chances
