"""What the captions of photos like this one agree on: a photo's expected caption, and its neighbours' words.

Two parts, both made of the training photos' captions (captioner.consensus_training), both on one map of the
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

from captioner.vocabulary import UNK

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

LONGEST = 4  # words of an n-gram


class Consensus(nn.Module):
    """Where photos lie among the training photos, and what that tells of their captions."""

    def __init__(self, sizes: ConsensusSizes, vocabulary: int, channels: int) -> None:
        """Empty: values come by `consensus_training.fit` or from a checkpoint."""
        super().__init__()
        self.sizes = sizes
        self.place = nn.Linear(channels, sizes.space)
        self.place.requires_grad_(False)
        self.rarest: Tensor  # the tf-idf weight of an n-gram that is not in the table
        self.register_buffer("rarest", torch.zeros(1))
        # The table of n-grams: their keys in order (`keys_of`), tf-idf weights, and places as whole numbers.
        self.grams: Tensor
        self.register_buffer("grams", torch.zeros(sizes.grams, dtype=torch.long))
        self.rarity: Tensor
        self.register_buffer("rarity", torch.zeros(sizes.grams))
        self.gram_places: Tensor
        self.register_buffer("gram_places", torch.zeros(sizes.grams, sizes.space, dtype=torch.int8))
        self.gram_scales: Tensor
        self.register_buffer("gram_scales", torch.zeros(sizes.grams))
        # The training photos: directions from the centre, and the share of their captions that has a word.
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(sizes.space))
        self.photos: Tensor
        self.register_buffer("photos", torch.zeros(sizes.photos, sizes.space, dtype=torch.int8))
        self.words: Tensor
        self.register_buffer("words", torch.zeros(sizes.photos, sizes.words, dtype=torch.int16))
        self.shares: Tensor
        self.register_buffer("shares", torch.zeros(sizes.photos, sizes.words, dtype=torch.uint8))  # of 255
        self.usual: Tensor
        self.register_buffer("usual", torch.zeros(vocabulary))  # mean share of each word

    def out_of_range(self) -> str:
        """Which of the tables names words that are none, as that of a damaged file; else ""."""
        most = len(self.usual)
        if self.words.min() < 0 or self.words.max() >= most:
            return f"words holds numbers outside 0 to {most - 1}"
        return ""

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, P, C) -> nats to add to the score of each word (B, V): a guide of the decoder."""
        here = functional.normalize(self._placed(features) - self.centre, dim=1)
        cosines = here @ functional.normalize(self.photos.to(here), dim=1).T
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
        agreed = iter(self.agreement(features, captions, owners).tolist())
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
        ids = places.new_zeros(len(captions), longest, dtype=torch.long)
        for row, caption in enumerate(captions):
            ids[row, : len(caption)] = torch.tensor(caption, dtype=torch.long)
        owner = torch.tensor(owners, dtype=torch.long, device=places.device)
        for length in range(1, min(LONGEST, longest) + 1):
            total += self._cosines(places[owner], keys_of(ids, length, len(self.usual)))
        return total

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
