"""What the captions of photos like this one agree on: a photo's expected caption, and its neighbours' words.

Two parts, both made of the training photos' captions (captioner.train.consensus), both on one map of the
pooled features to a space of some 256 numbers:

- The *agreement* of a caption with a photo: a linear estimate of the caption's mean CIDEr-like cosine (tf-idf
  of 1 to 4 words) with what people would write for the photo. Among the beam's finished hypotheses the one is
  taken that has the best sum of score and agreement. It carries on consensus reranking (Devlin et al.,
  "Exploring Nearest Neighbor Approaches for Image Captioning", 2015), by a regression instead of neighbours.
- The *words* of the nearest training photos: each is written a little more readily by as much as these
  photos' captions have it more often than all captions do.

docs/design.md says what each gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.cider import LONGEST
from captioner.vocabulary import PAD, UNK

if TYPE_CHECKING:
    from captioner.configuration import ConsensusSizes
    from captioner.decode import Hypothesis

WEIGHT = 10.0  # of the agreement, against a score in nats
NEIGHBOURS = 40
SHARPNESS = 6  # a neighbour counts by its cosine to this power
SHARE = 0.15  # of the logarithm of how much more often the neighbours' captions have a word
FLOOR = 0.003  # added to both frequencies, so that rare words are not made much of
#: All numbers of the consensus: captions written with others are other captions.
NUMBERS = (WEIGHT, NEIGHBOURS, SHARPNESS, SHARE, FLOOR)


class Consensus(nn.Module):
    """Where photos lie among the training photos, and what that tells of their captions."""

    # The table of n-grams, by their keys in order (`keys_of`).
    grams: Tensor  # (G,) keys
    rarity: Tensor  # (G,) tf-idf weights
    rarest: Tensor  # (1,) that of any n-gram which is not in the table
    gram_places: Tensor  # (G, S) in eight bits,
    gram_scales: Tensor  # (G,) to be multiplied by this
    # The training photos.
    centre: Tensor  # (S,) where they lie on average,
    photos: Tensor  # (N, S) and in which direction from there each one lies, in eight bits
    words: Tensor  # (N, W) the words of its captions,
    shares: Tensor  # (N, W) and how many of 255 of its captions have them
    usual: Tensor  # (V,) share of all captions that have a word

    def __init__(self, sizes: ConsensusSizes, vocabulary: int, channels: int) -> None:
        """Empty: values come by `train.consensus.fit` or from a checkpoint."""
        super().__init__()
        self.sizes = sizes
        self.place = nn.Linear(channels, sizes.space)
        self.place.requires_grad_(False)
        self._units: Tensor | None = None
        for name, shape, kind in (
            ("grams", (sizes.grams,), torch.long),
            ("rarity", (sizes.grams,), torch.float),
            ("rarest", (1,), torch.float),
            ("gram_places", (sizes.grams, sizes.space), torch.int8),
            ("gram_scales", (sizes.grams,), torch.float),
            ("centre", (sizes.space,), torch.float),
            ("photos", (sizes.photos, sizes.space), torch.int8),
            ("words", (sizes.photos, sizes.words), torch.int16),
            ("shares", (sizes.photos, sizes.words), torch.uint8),
            ("usual", (vocabulary,), torch.float),
        ):
            self.register_buffer(name, torch.zeros(shape, dtype=kind))

    def out_of_range(self) -> str:
        """What is wrong with the tables, as those of a damaged file; else ""."""
        most = len(self.usual)
        if self.words.min() < 0 or self.words.max() >= most:
            return f"words holds numbers outside 0 to {most - 1}"
        if self.grams[0] <= 0 or (self.grams.diff() <= 0).any():
            return "grams holds keys that do not rise"
        if self.usual.min() < 0:
            return "usual holds shares below 0"
        return ""

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, P, C) -> nats to add to the score of each word (B, V): a guide of the decoder."""
        here = functional.normalize(self._placed(features) - self.centre, dim=1)
        cosines = here @ self._directions(here).T
        near, photos = cosines.topk(min(NEIGHBOURS, len(self.photos)), dim=1)
        counts = near.clamp(min=0) ** SHARPNESS
        counts = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-9)
        shares = (counts.unsqueeze(-1) * (self.shares[photos].to(here) / 255)).flatten(1)
        found = here.new_zeros(len(here), len(self.usual))
        found.scatter_add_(1, self.words[photos].flatten(1).long(), shares)
        told = SHARE * ((found + FLOOR) / (self.usual + FLOOR)).log()
        told[:, : UNK + 1] = 0.0  # <pad>, <start>, <end>, <unk> are no words
        return told

    def ranked(self, features: Tensor, found: Sequence[Sequence[Hypothesis]]) -> list[list[Hypothesis]]:
        """The hypotheses of each photo, the best first, by score and agreement; which is their score then."""
        captions = [one.ids for hypotheses in found for one in hypotheses]
        owners = [row for row, hypotheses in enumerate(found) for _ in hypotheses]
        agreements = self.agreement(features, captions, owners)
        if not agreements.isfinite().all():
            return [[] for _ in found]  # as a decoder gives nothing for scores that are no numbers
        agreed = iter(agreements.tolist())
        scored = [
            [replace(one, score=one.score + WEIGHT * next(agreed)) for one in hypotheses]
            for hypotheses in found
        ]
        return [sorted(hypotheses, key=lambda one: -one.score) for hypotheses in scored]

    def agreement(self, features: Tensor, captions: Sequence[Sequence[int]], owners: Sequence[int]) -> Tensor:
        """Features (B, P, C), word ids of N captions, rows of their photos -> agreement (N,), 0 to 4."""
        places = self._placed(features)
        total = places.new_zeros(len(captions))
        longest = max(map(len, captions), default=0)
        filled = [[*caption, *[PAD] * (longest - len(caption))] for caption in captions]
        ids = torch.tensor(filled, dtype=torch.long, device=places.device).view(len(captions), longest)
        owned = places[torch.tensor(owners, dtype=torch.long, device=places.device)]
        for length in range(1, min(LONGEST, longest) + 1):
            total += self._cosines(owned, keys_of(ids, length, len(self.usual)))
        return total

    def _directions(self, like: Tensor) -> Tensor:
        """The photos' directions as unit vectors, made once: of a lone photo it would be most of the work."""
        if self._units is None or self._units.device != like.device:
            self._units = functional.normalize(self.photos.to(like), dim=1)
        return self._units

    def _placed(self, features: Tensor) -> Tensor:
        placed: Tensor = self.place(features.float().mean(dim=1))
        return placed

    def _cosines(self, places: Tensor, keys: Tensor) -> Tensor:
        """Expected cosine by n-grams of a length: places of captions' photos (N, S), keys (N, G) -> (N,)."""
        rows = torch.searchsorted(self.grams, keys).clamp(max=len(self.grams) - 1)
        known = self.grams[rows] == keys
        weights = torch.where(known, self.rarity[rows], self.rarest) * (keys > 0)
        # An n-gram that comes twice weighs twice; each of its places sees the weight of both.
        together = (keys.unsqueeze(1) == keys.unsqueeze(2)).sum(dim=2)
        norms = (together * weights**2).sum(dim=1).sqrt().clamp(min=1e-9)
        caption, place = known.nonzero(as_tuple=True)
        row = rows[caption, place]
        along = (self.gram_places[row].to(places) * places[caption]).sum(dim=1) * self.gram_scales[row]
        found = torch.zeros_like(norms).index_add_(0, caption, weights[caption, place] * along)
        return found / norms


def keys_of(ids: Tensor, length: int, vocabulary: int) -> Tensor:
    """Word ids of captions, filled up with zeros (N, T) -> a number for each n-gram (N, T - n + 1).

    Ids are read as the digits of a number; ids of words are never 0, so that no two n-grams have one number,
    and 0 stands where a caption has ended.
    """
    windows = ids.unfold(1, length, 1)
    powers = vocabulary ** torch.arange(length - 1, -1, -1, device=ids.device)
    return torch.where(windows[..., -1] > 0, (windows * powers).sum(dim=-1), 0)
