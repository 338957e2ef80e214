"""Doubt: what training photos are full of is written less readily of photos where the detector sees none.

Flickr8k is people and dogs, so its decoder finds them everywhere: 21 of 34 COCO photos without people got
some, and 24 of 79 without dogs a dog. The word detector knows better. Where it holds a subject for less
likely than `SURE`, the scores of the subject's words are lowered in proportion: 10 and 4 are left, and the
captions of all photos score better (docs/design.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.model import AttentionDecoder, Decoder, State
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

SURE = 0.7
STRENGTH = 10.0  # nats off a score, for each unit that the chance is below `SURE`


@dataclass(frozen=True, slots=True)
class _Subject:
    words: Tensor  # vocabulary ids
    signs: Tensor  # rows of the detector


class DoubtingDecoder:
    """An attention decoder that asks its detector before it writes of the usual subjects."""

    def __init__(self, decoder: AttentionDecoder, subjects: Sequence[_Subject]) -> None:
        self._decoder, self._subjects = decoder, subjects

    def begin(self, features: Tensor) -> tuple[Tensor, State, State]:
        scores, fixed, state = self._decoder.begin(features)
        doubt = self._doubt(features)
        return self._lowered(scores, doubt), (*fixed, doubt), state

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        scores, state = self._decoder.step(words, fixed[:-1], state)
        return self._lowered(scores, fixed[-1]), state

    def _doubt(self, features: Tensor) -> Tensor:
        """Features (B, P, C) -> what to take off the words of each subject (B, subjects)."""
        chances = self._decoder.detector(features.float().mean(dim=1))
        missing = [(1 - chances[:, subject.signs]).prod(dim=1) for subject in self._subjects]
        return STRENGTH * (torch.stack(missing, dim=1) - (1 - SURE)).clamp(min=0)

    def _lowered(self, scores: Tensor, doubt: Tensor) -> Tensor:
        of_photos = scores.view(len(doubt), -1, scores.shape[-1])  # the hypotheses of a photo together
        for number, subject in enumerate(self._subjects):
            of_photos[..., subject.words] -= doubt[:, None, number, None].to(scores.dtype)
        return scores


def doubting(decoder: Decoder, vocabulary: Vocabulary) -> Decoder:
    """A decoder as it is used: doubting where it has a detector, as it is where it has none."""
    if not isinstance(decoder, AttentionDecoder) or not decoder.words:
        return decoder
    found = [_subject(signs.split(), further.split(), decoder, vocabulary) for signs, further in SUBJECTS]
    subjects = [one for one in found if len(one.signs)]
    return DoubtingDecoder(decoder, subjects) if subjects else decoder


def _subject(
    signs: Sequence[str], further: Sequence[str], decoder: AttentionDecoder, vocabulary: Vocabulary
) -> _Subject:
    detected = decoder.detector.ids
    telling, words = (
        torch.tensor(sorted({vocabulary.id(word) for word in some} - {UNK}), device=detected.device).long()
        for some in (signs, (*signs, *further))
    )
    return _Subject(words, torch.isin(detected, telling).nonzero().squeeze(1))
