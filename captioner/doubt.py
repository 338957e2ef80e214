"""Doubt: what the word detector does not see in a photo is written less readily.

The decoder is told the likeliest words and may write any. It gains by being held to the detector at every
word: one that the detector knows is lowered by a share of -ln(chance), so that decoder and detector multiply
(dev CIDEr-D .598 -> .618; a product of experts: Hinton, "Training Products of Experts by Minimizing
Contrastive Divergence", 2002).

What training photos are full of needs more. Flickr8k is people and dogs, so its decoder finds them
everywhere: 21 of 34 COCO photos without people got some, and 24 of 79 without dogs a dog. Where the detector
holds a subject for less likely than `SURE`, all its words are lowered in proportion (docs/design.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.decoders import AttentionDecoder
from captioner.vocabulary import UNK, Vocabulary

#: What the training photos are full of: words whose being detected tells that it is there, and further ones.
SUBJECTS = (
    (
        "man men woman women people person boy boys girl girls child children kid kids player players lady",
        "persons ladies guy guys baby toddler couple crowd surfer skier skateboarder snowboarder biker"
        " cyclist bicyclist rider climber hiker runner swimmer skater teenager adult adults family male"
        " female he she his her their them him someone everyone group team",
    ),
    ("dog dogs puppy", "puppies"),
)

SURE = 0.8
STRENGTH = 10.0  # nats off a score, for each unit that the chance of a subject is below `SURE`
SHARE = 0.5  # of the nats by which a word is less than certain; these come off its score,
MOST = 3.0  # but no more than these count
#: All numbers of the doubt: captions written with others are other captions.
NUMBERS = (SURE, STRENGTH, SHARE, MOST)


@dataclass(frozen=True, slots=True)
class _Subject:
    words: Tensor  # vocabulary ids
    signs: Tensor  # rows of the detector


class Doubt:
    """What a detector holds against words: a guide of its decoder."""

    def __init__(self, decoder: AttentionDecoder, subjects: Sequence[_Subject]) -> None:
        self._detector, self._words, self._subjects = decoder.detector, len(decoder.bias), subjects

    def __call__(self, features: Tensor) -> Tensor:
        """Features (B, P, C) -> what to add to the score of each word, nowhere above 0 (B, V)."""
        chances: Tensor = self._detector(features.float().mean(dim=1))
        doubt = chances.new_zeros(len(chances), self._words)
        doubt[:, self._detector.ids] = SHARE * -chances.clamp(min=math.exp(-MOST)).log()
        for subject in self._subjects:
            missing = (1 - chances[:, subject.signs]).prod(dim=1, keepdim=True)
            doubt[:, subject.words] += STRENGTH * (missing - (1 - SURE)).clamp(min=0)
        return -doubt


def doubt_of(decoder: AttentionDecoder, vocabulary: Vocabulary) -> Doubt | None:
    """The doubt of a decoder that has a detector."""
    if not decoder.words:
        return None
    found = [_subject(signs.split(), further.split(), decoder, vocabulary) for signs, further in SUBJECTS]
    return Doubt(decoder, [one for one in found if len(one.signs)])


def _subject(
    signs: Sequence[str], further: Sequence[str], decoder: AttentionDecoder, vocabulary: Vocabulary
) -> _Subject:
    detected = decoder.detector.ids
    telling, words = (
        torch.tensor(sorted({vocabulary.id(word) for word in some} - {UNK}), device=detected.device).long()
        for some in (signs, (*signs, *further))
    )
    return _Subject(words, torch.isin(detected, telling).nonzero().squeeze(1))
