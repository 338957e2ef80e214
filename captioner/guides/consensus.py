"""What the training captions of similar photos have in common, and how it helps to caption a photo.

Both parts are made of the training photos' captions (captioner.train.consensus_fit). Both place a photo by a
linear map from its pooled features to a space of some 256 numbers:

- The *agreement* of a caption with a photo estimates the mean CIDEr-like cosine (tf-idf of n-grams of 1 to 4
  words) of the caption with what people would write for the photo, as a weighted sum of its cosines with the
  training photos' captions. A photo's weight is made of two: that of a linear regression, which is the
  product of both photos' places, and that of a neighbour. Of the beam's finished hypotheses the one with the
  best sum of score and agreement is taken. This carries on consensus reranking (Devlin et al., "Exploring
  Nearest Neighbor Approaches for Image Captioning", 2015), which has neighbours alone.
- The *words* of the nearest training photos: a word's score rises by a share of the logarithm of how much
  more often these photos' captions have the word than all captions do.

docs/captioner.md says what each gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.cider import LONGEST
from captioner.guides.packed import Packed
from captioner.vocabulary import PAD, UNK
from captioner.warnings_off import WARNINGS_OFF

if TYPE_CHECKING:
    from captioner.configuration import ConsensusSizes
    from captioner.decode import Hypothesis

# Chosen by CIDEr-D on dev photos; docs/tried.md has what other values gave.
WEIGHT = 14.0  # nats for each unit of agreement, when it is added to a score
NEAR = 0.4  # share of neighbours in the agreement; the regression has the rest
CLOSENESS = 4  # every training photo is a neighbour there, and weighs its cosine to this power
NEIGHBOURS = 40  # training photos whose words count
SHARPNESS = 6  # a neighbour's weight is its cosine to this power
SHARE = 0.15  # of the logarithm of how much more often the neighbours' captions have a word
FLOOR = 0.003  # added to both frequencies: otherwise a word that hardly any caption has would gain most
#: All constants of the consensus: they are part of a model's identity, as they change captions.
NUMBERS = (WEIGHT, NEAR, CLOSENESS, NEIGHBOURS, SHARPNESS, SHARE, FLOOR)


class Consensus(Packed["_Tables"]):
    """The tables of both parts, filled by training; a model's guide, and its ranking of hypotheses."""

    # The table of n-grams, by their keys in order (`keys_of`).
    grams: Tensor  # (G,) keys
    rarity: Tensor  # (G,) idf weights
    rarest: Tensor  # (1,) the weight of every n-gram that is not in the table
    # Its entries, n-gram by n-gram: the photos whose captions have it, and their mean cosine with it alone.
    counts: Tensor  # (G,) entries of each n-gram
    entry_photos: Tensor  # (E,) rows of `photos`
    entry_cosines: Tensor  # (E,) uint8; times the n-gram's scale is the real cosine
    gram_scales: Tensor  # (G,)
    # The training photos.
    centre: Tensor  # (S,) the mean of their places
    photos: Tensor  # (N, S) int8: each photo's place less the centre; row times scale is the real one
    photo_scales: Tensor  # (N,)
    words: Tensor  # (N, W) ids of the words of its captions, filled up by <pad>
    shares: Tensor  # (N, W) share of its captions that have the word, times 255
    usual: Tensor  # (V,) share of all captions that have a word

    def __init__(self, sizes: ConsensusSizes, vocabulary: int, channels: int) -> None:
        """All tables are zeros until `train.consensus_fit.fit_consensus` or a checkpoint fills them."""
        super().__init__()
        self.sizes = sizes
        self.place = nn.Linear(channels, sizes.space)
        self.place.requires_grad_(False)
        for name, shape, kind in (
            ("grams", (sizes.grams,), torch.long),
            ("rarity", (sizes.grams,), torch.float),
            ("rarest", (1,), torch.float),
            ("counts", (sizes.grams,), torch.int32),
            ("entry_photos", (sizes.entries,), torch.int16),
            ("entry_cosines", (sizes.entries,), torch.uint8),
            ("gram_scales", (sizes.grams,), torch.float),
            ("centre", (sizes.space,), torch.float),
            ("photos", (sizes.photos, sizes.space), torch.int8),
            ("photo_scales", (sizes.photos,), torch.float),
            ("words", (sizes.photos, sizes.words), torch.int16),
            ("shares", (sizes.photos, sizes.words), torch.uint8),
            ("usual", (vocabulary,), torch.float),
        ):
            self.register_buffer(name, torch.zeros(shape, dtype=kind))

    def out_of_range(self) -> str:
        """What is wrong with tables that a damaged file filled; "" where they are sound."""
        known = len(self.usual)
        if self.words.min() < 0 or self.words.max() >= known:
            return f"words holds numbers outside 0 to {known - 1}"
        if self.grams[0] <= 0 or (self.grams.diff() <= 0).any():
            return "grams holds keys that do not rise"
        if self.entry_photos.min() < 0 or self.entry_photos.max() >= len(self.photos):
            return f"entry_photos holds numbers outside 0 to {len(self.photos) - 1}"
        if self.counts.min() < 0 or self.counts.sum() != len(self.entry_photos):
            return f"counts holds other numbers than those of {len(self.entry_photos)} entries"
        if self.usual.min() < 0:
            return "usual holds shares below 0"
        return ""

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, P, C) -> nats to add to the score of each word (B, V): a guide of the decoder."""
        cosines = self._cosines(self._place_photos(features))
        nearest, photos = cosines.topk(min(NEIGHBOURS, len(self.photos)), dim=1)
        weights = nearest.clamp(min=0) ** SHARPNESS
        weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-9)
        shares = (weights.unsqueeze(-1) * (self.shares[photos].to(weights) / 255)).flatten(1)
        expected_shares = weights.new_zeros(len(weights), len(self.usual))
        expected_shares.scatter_add_(1, self.words[photos].flatten(1).long(), shares)
        nats = SHARE * ((expected_shares + FLOOR) / (self.usual + FLOOR)).log()
        nats[:, : UNK + 1] = 0.0  # <pad>, <start>, <end>, <unk> are no words
        return nats

    def rank(self, features: Tensor, by_photo: Sequence[Sequence[Hypothesis]]) -> list[list[Hypothesis]]:
        """The hypotheses of each photo, the best first; the agreement is added to their scores."""
        captions = [hypothesis.ids for hypotheses in by_photo for hypothesis in hypotheses]
        owners = [row for row, hypotheses in enumerate(by_photo) for _ in hypotheses]
        agreements = self.agreement(features, captions, owners)
        if not agreements.isfinite().all():
            return [[] for _ in by_photo]  # decoding gives nothing either where scores are no numbers
        in_order = iter(agreements.tolist())
        scored = [
            [
                replace(hypothesis, score=hypothesis.score + WEIGHT * next(in_order))
                for hypothesis in hypotheses
            ]
            for hypotheses in by_photo
        ]
        return [sorted(hypotheses, key=lambda hypothesis: -hypothesis.score) for hypotheses in scored]

    def agreement(self, features: Tensor, captions: Sequence[Sequence[int]], owners: Sequence[int]) -> Tensor:
        """Agreement (N,) of N captions with their photos: the sum of four expected cosines, 0 to 4.

        `features` (B, P, C); `captions`: word ids; `owners`: the row, 0..B-1, of each caption's photo.
        """
        expected = self._expected_cosines(features)
        total = expected.new_zeros(len(captions))
        longest = max(map(len, captions), default=0)
        filled = [[*caption, *[PAD] * (longest - len(caption))] for caption in captions]
        ids = torch.tensor(filled, dtype=torch.long, device=total.device).view(len(captions), longest)
        rows = torch.tensor(owners, dtype=torch.long, device=total.device)
        for length in range(1, min(LONGEST, longest) + 1):
            total += self._agreement_in(keys_of(ids, length, len(self.usual)), expected, rows)
        return total

    def _place_photos(self, features: Tensor) -> Tensor:
        placed: Tensor = self.place(features.float().mean(dim=1))
        return placed

    def _unpack(self) -> _Tables:
        return _Tables.of(self)

    def _cosines(self, places: Tensor) -> Tensor:
        """Cosines (B, N) of the places' directions from the centre with those of the training photos."""
        return functional.normalize(places - self.centre, dim=1) @ self.unpacked().directions.T

    def _expected_cosines(self, features: Tensor) -> Tensor:
        """The mean cosine of each n-gram alone with what people would write for each photo (B, G)."""
        places = self._place_photos(features)
        tables = self.unpacked()
        near = self._cosines(places).clamp(min=0) ** CLOSENESS
        near = near / near.sum(dim=1, keepdim=True).clamp(min=1e-9)
        weights = (1 - NEAR) * (places @ tables.places.T) + NEAR * near
        with torch.autocast(weights.device.type, enabled=False):  # there are no sparse products of its kinds
            expected: Tensor = torch.sparse.mm(tables.cosines, weights.float().T).T
        return expected

    def _agreement_in(self, keys: Tensor, expected: Tensor, owners: Tensor) -> Tensor:
        """Expected cosine (N,) of N captions with people's, counting n-grams of one length only.

        `keys` (N, G): those of the captions' n-grams; `owners` (N,): the row in `expected` of each photo.
        """
        rows = torch.searchsorted(self.grams, keys).clamp(max=len(self.grams) - 1)
        known = self.grams[rows] == keys
        weights = torch.where(known, self.rarity[rows], self.rarest) * (keys > 0)
        # An n-gram that comes k times has k times the weight; each of its k columns adds k squared weights.
        together = (keys.unsqueeze(1) == keys.unsqueeze(2)).sum(dim=2)
        norms = (together * weights**2).sum(dim=1).sqrt().clamp(min=1e-9)
        return (known * weights * expected[owners.unsqueeze(1), rows]).sum(dim=1) / norms


@dataclass(frozen=True, slots=True)
class _Tables:
    """A consensus's tables in float32, as they are computed with."""

    directions: Tensor  # (N, S) unit vectors
    places: Tensor  # (N, S)
    cosines: Tensor  # (G, N) sparse: the entries

    @classmethod
    def of(cls, consensus: Consensus) -> _Tables:
        differences = consensus.photos * consensus.photo_scales.unsqueeze(1)
        counts, photos = consensus.counts.long(), consensus.entry_photos.long()
        # Torch warns that this layout is in beta. With the other one a lone photo takes twice as long.
        with WARNINGS_OFF:
            cosines = torch.sparse_csr_tensor(
                functional.pad(counts.cumsum(0), (1, 0)),
                photos,
                consensus.entry_cosines * consensus.gram_scales.repeat_interleave(counts),
                (len(counts), len(differences)),
                check_invariants=False,  # `out_of_range` has looked at all that a file may have wrong
            )
        return cls(
            functional.normalize(differences, dim=1),
            differences + consensus.centre,
            cosines,
        )


def keys_of(ids: Tensor, length: int, vocabulary: int) -> Tensor:
    """Word ids of captions, filled up with zeros (N, T) -> a key for each n-gram (N, T - n + 1).

    The ids are the digits of the key. As no word has the id 0, two n-grams never share a key; the key is 0
    where a caption has ended.
    """
    windows = ids.unfold(1, length, 1)
    powers = vocabulary ** torch.arange(length - 1, -1, -1, device=ids.device)
    return torch.where(windows[..., -1] > 0, (windows * powers).sum(dim=-1), 0)
