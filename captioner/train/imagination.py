"""Captions without photos: words that a detector might have found in the photo of a caption.

A decoder that has only seen Flickr8k cannot write of pizza or giraffes. Captions of other photos teach it
such words and how they go together. In place of the photo it gets words as a detector would give them: some
of those that the captions use, and some wrong ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captioner.networks.decoders import DetectedWords
from captioner.train.detector import Captions, word_labels


class Imagination:
    """Draws words and chances for captions without photos, spread as the detector's on Flickr8k are."""

    _FOUND = 0.5  # share of a photo's words that a detector finds

    def __init__(self, photos: Sequence[Captions], words: Sequence[str], ids: Tensor, count: int) -> None:
        """`words` and their vocabulary `ids` (W,) are the detector's; `count`: words for the decoder."""
        labels = word_labels(photos, words).bool()
        self._true_positions = [row.nonzero().squeeze(1) for row in labels]
        # Wrong words are drawn by how many captions have them, but rare ones a little oftener than that.
        self._wrong_weights = (labels.sum(0).float() + 1) ** 0.75
        self._ids, self._count = ids, count

    def __call__(self, photos: Sequence[int]) -> DetectedWords:
        """Words and chances (T, K) for these photos, the likeliest first."""
        wrong = self._wrong_weights.multinomial(len(photos) * self._count, replacement=True).view(
            len(photos), -1
        )
        # Of wrong words .15 to .5 and mostly low; of right words (below) .25 to 1 and rather high.
        low_chances = 0.15 + 0.35 * torch.rand(len(photos), self._count) ** 2
        rows = [
            self._row(self._true_positions[photo], wrong[row], low_chances[row])
            for row, photo in enumerate(photos)
        ]
        return DetectedWords(
            torch.stack([ids for ids, _ in rows]), torch.stack([chances for _, chances in rows])
        )

    def _row(self, truth: Tensor, wrong: Tensor, low_chances: Tensor) -> tuple[Tensor, Tensor]:
        found = truth[torch.rand(len(truth)) < self._FOUND]
        found = found[torch.randperm(len(found))[: self._count]]
        high_chances = 0.25 + 0.75 * torch.rand(len(found)) ** 0.7
        positions = torch.cat([found, wrong])[: self._count]
        chances, order = torch.cat([high_chances, low_chances])[: self._count].sort(descending=True)
        return self._ids[positions[order]], chances
