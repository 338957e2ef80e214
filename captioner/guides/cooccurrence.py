"""Which words captions have in common with what a photo shows, where photos to learn that from were missing.

A decoder that has seen no photo of a pizza writes of a pizza as of what it knows: people and dogs out of
doors. But captions without photos tell which words come with "pizza": plate, table, cheese, and hardly ever
dog. The *lift* of a word for a noun is how much oftener images have the word in their captions if a caption
of theirs has the noun (Brin et al., "Dynamic Itemset Counting and Implication Rules for Market Basket Data",
1997). With w_n the chance that the encoder's ImageNet classifier gives to noun n times the trust in it (all
divided by their sum where that is above 1), each word's score gets

    STRENGTH * ln(1 + novelty * sum over n of w_n * (lift_n(word) - 1)), at most MOST either way.

Where real photos have taught the decoder, the text only disturbs. So the trust in a noun falls with the
number of captioned photos that have it, and novelty is nearly 0 for a photo of which the learnt detector
recognises as many words as of a usual training photo. docs/captioner.md says what each gave.
"""

from __future__ import annotations

import torch
from torch import Tensor

from captioner.errors import ModelError
from captioner.guides.packed import Packed
from captioner.networks.detector import WordDetector
from captioner.vocabulary import UNK

# Chosen by CIDEr-D on dev photos and COCO's; docs/tried.md has what other values gave.
STRENGTH = 1.5  # of the logarithm of the expected lift
MOST = 4.0  # nats: the most that a word gains or loses
UNUSUAL = 1.5  # deviations below the usual number of words recognised, where novelty is one half
STEEPNESS = 3.0  # of novelty's rise around there, for each deviation
#: All constants: they are part of a model's identity, as they change captions.
NUMBERS = (STRENGTH, MOST, UNUSUAL, STEEPNESS)

#: The table holds round(STEPS * ln(lift)) as int8: steps of 6 %, from 1/2,900 to 2,800.
STEPS = 16
_LARGEST = 100_000_000  # lifts in a table; more is a mistake, and could fill the memory


class Cooccurrence(Packed[Tensor]):
    """The table, filled by training (`captioner.train.cooccurrence`), and the guide made of it."""

    nouns: Tensor  # (N,) their positions among the detector's words
    trust: Tensor  # (N,) 0 to 1
    lifts: Tensor  # (N, V) int8: ln(lift) times `STEPS`
    recognised: Tensor  # (2,) of training photos: words that the learnt detector recognises; their deviation

    def __init__(self, nouns: int, vocabulary: int) -> None:
        """All zeros until training or a checkpoint fills them. Raises ModelError for a table too large."""
        super().__init__()
        if nouns * vocabulary > _LARGEST:
            raise ModelError(f"{nouns:,} nouns with {vocabulary:,} words are too many for a table of lifts")
        self.register_buffer("nouns", torch.zeros(nouns, dtype=torch.long))
        self.register_buffer("trust", torch.zeros(nouns))
        self.register_buffer("lifts", torch.zeros(nouns, vocabulary, dtype=torch.int8))
        self.register_buffer("recognised", torch.zeros(2))

    def out_of_range(self, detector_words: int) -> str:
        """What is wrong with tables that a damaged file filled; "" where they are sound."""
        if not 0 <= self.nouns.min() <= self.nouns.max() < detector_words:
            return f"nouns holds numbers outside 0 to {detector_words - 1}"
        if not 0 <= self.trust.min() <= self.trust.max() <= 1:
            return "trust holds numbers outside 0 to 1"
        return "" if self.recognised[1] > 0 else "recognised holds no deviation above 0"

    def nats(self, features: Tensor, detector: WordDetector) -> Tensor:
        """Features (B, P, C) -> nats to add to the score of each word (B, V): a guide of the decoder."""
        pooled = features.float().mean(dim=1)
        novelty = self.novelty(features, detector).unsqueeze(1)
        chances = detector.imagenet_chances(detector.classes(pooled))[:, self.nouns] * self.trust
        weights = novelty * chances / chances.sum(dim=1, keepdim=True).clamp(min=1)
        expected = weights @ self.unpacked() + (1 - weights.sum(dim=1, keepdim=True))
        nats = (STRENGTH * expected.log()).clamp(-MOST, MOST)
        nats[:, : UNK + 1] = 0.0  # <pad>, <start>, <end>, <unk> are no words
        return nats

    def _unpack(self) -> Tensor:
        """The lifts in float32."""
        return (self.lifts / STEPS).exp()

    def novelty(self, features: Tensor, detector: WordDetector) -> Tensor:
        """Features (B, P, C) -> 0 to 1 (B,): how much each photo is unlike the training photos."""
        recognised = recognised_words(features.float().mean(dim=1), detector)
        usual, deviation = self.recognised
        return torch.sigmoid(STEEPNESS * ((usual - recognised) / deviation - UNUSUAL))


def recognised_words(pooled: Tensor, detector: WordDetector) -> Tensor:
    """How many words (B,) the learnt part of the detector expects in photos' captions."""
    return torch.sigmoid(detector.learnt(pooled)).sum(dim=1)
