"""Doubt: lower the scores of words that the word detector does not see in a photo.

The decoder gets the likeliest words as input and may write any. Captions improve when every word that the
detector knows loses a share of -ln(chance), so that the chances of decoder and detector multiply (dev CIDEr-D
.598 -> .618; a product of experts: Hinton, "Training Products of Experts by Minimizing Contrastive
Divergence", 2002).

The subjects that most training photos show need more. Flickr8k is people and dogs, so its decoder writes of
them everywhere: of 34 COCO photos without people 21 got some, of 79 without dogs 24 got one. Where a
subject's chance is below `SURE`, all its words lose nats in proportion (docs/design.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.decoders import AttentionDecoder
from captioner.vocabulary import UNK, Vocabulary

#: The subjects of most training photos. Of each: words that show, when detected, that it is there, and
#: further words that are lowered with them.
SUBJECTS = (
    (
        "man men woman women people person boy boys girl girls child children kid kids player players lady",
        "persons ladies guy guys baby toddler couple crowd surfer skier skateboarder snowboarder biker"
        " cyclist bicyclist rider climber hiker runner swimmer skater teenager adult adults family male"
        " female he she his her their them him someone everyone group team",
    ),
    ("dog dogs puppy", "puppies"),
)

SURE = 0.8  # a subject with at least this chance is not doubted
STRENGTH = 10.0  # nats off a score for each unit that the subject's chance is below `SURE`
SHARE = 0.5  # a word's score loses this share of -ln(chance)
MOST = 3.0  # nats: the most that -ln(chance) counts
#: All constants of the doubt: they are part of a model's identity, as they change captions.
NUMBERS = (SURE, STRENGTH, SHARE, MOST)


@dataclass(frozen=True, slots=True)
class _Subject:
    words: Tensor  # vocabulary ids of all its words
    signs: Tensor  # the detector's positions of the words that show it


class Doubt:
    """The guide of a decoder that lowers words by its detector's chances."""

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
    """The doubt for this decoder; None where it has no detector."""
    if not decoder.words:
        return None
    subjects = [_subject(signs.split(), further.split(), decoder, vocabulary) for signs, further in SUBJECTS]
    return Doubt(decoder, [subject for subject in subjects if len(subject.signs)])


def _subject(
    signs: Sequence[str], further: Sequence[str], decoder: AttentionDecoder, vocabulary: Vocabulary
) -> _Subject:
    detected = decoder.detector.ids
    sign_ids, words = (
        torch.tensor(sorted({vocabulary.id(word) for word in some} - {UNK}), device=detected.device).long()
        for some in (signs, (*signs, *further))
    )
    return _Subject(words, torch.isin(detected, sign_ids).nonzero().squeeze(1))
