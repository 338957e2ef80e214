"""Doubt: lower the scores of words that the word detector does not see in a photo.

The decoder gets the likeliest words as input and may write any. Captions improve when every word that the
detector knows loses a share of -ln(chance), so that the chances of decoder and detector multiply (dev CIDEr-D
.598 -> .618; a product of experts: Hinton, "Training Products of Experts by Minimizing Contrastive
Divergence", 2002).

The subjects that most training photos show need more. Flickr8k is people and dogs, so its decoder writes of
them everywhere: of 34 COCO photos without people 21 got some, of 79 without dogs 24 got one. Where the chance
that a subject is there falls below what is sure, all its words lose nats in proportion (docs/captioner.md).
It is looked for at every place of the photo: the mean over the places of the chance of each of its words. For
people this tells photos with and without better apart than the chance for the photo as a whole (COCO .93
instead of .87, dev .985 instead of .981, as areas under the ROC curve), since few of a photo's places are
enough to tell that a kitchen is empty. Subjects are doubted more where a photo is unlike the training photos,
for there the detector knows least.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from captioner.networks.decoders import AttentionDecoder
from captioner.vocabulary import UNK, Vocabulary

#: Features (B, P, C) -> 0 to 1 (B,): how much each photo is unlike the training photos.
Novelty = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Caution:
    """How a subject is doubted."""

    sure: float  # from this chance on it is not
    strength: float  # nats off a score for each unit that its chance is below `sure`


@dataclass(frozen=True, slots=True)
class Subject:
    """What most training photos show."""

    signs: str  # words that show, when detected, that it is there
    further: str  # words that are lowered with them
    usual: Caution  # in a photo like the training photos
    unlike: Caution  # in one that is unlike them all; others are in between


SUBJECTS = (
    Subject(
        "man men woman women people person boy boys girl girls child children kid kids player players lady",
        "persons ladies guy guys baby toddler couple crowd surfer skier skateboarder snowboarder biker"
        " cyclist bicyclist rider climber hiker runner swimmer skater teenager adult adults family male"
        " female he she his her their them him someone everyone group team",
        Caution(sure=0.87, strength=20.0),
        Caution(sure=0.87, strength=40.0),
    ),
    Subject("dog dogs puppy", "puppies", Caution(sure=0.5, strength=20.0), Caution(sure=0.7, strength=20.0)),
)

SHARE = 0.5  # a word's score loses this share of -ln(chance)
MOST = 3.0  # nats: the most that -ln(chance) counts
#: All constants of the doubt: they are part of a model's identity, as they change captions.
NUMBERS = (
    *(number for one in SUBJECTS for how in (one.usual, one.unlike) for number in (how.sure, how.strength)),
    SHARE,
    MOST,
)


@dataclass(frozen=True, slots=True)
class _KnownSubject:
    """A subject in a model's numbers."""

    subject: Subject
    words: Tensor  # vocabulary ids of all its words
    signs: Tensor  # the detector's positions of the words that show it

    def caution(self, novelty: Tensor) -> tuple[Tensor, Tensor]:
        """Novelty of photos -> `sure` and `strength` for each, in its shape."""
        usual, unlike = self.subject.usual, self.subject.unlike
        return (
            usual.sure + novelty * (unlike.sure - usual.sure),
            usual.strength + novelty * (unlike.strength - usual.strength),
        )


class Doubt:
    """The guide of a decoder that lowers words by its detector's chances."""

    def __init__(
        self, decoder: AttentionDecoder, subjects: Sequence[_KnownSubject], novelty: Novelty | None = None
    ) -> None:
        self._detector, self._words, self._subjects = decoder.detector, len(decoder.bias), subjects
        self._novelty = novelty

    def __call__(self, features: Tensor) -> Tensor:
        """Features (B, P, C) -> what to add to the score of each word, nowhere above 0 (B, V)."""
        chances: Tensor = self._detector(features.float().mean(dim=1))
        doubt = chances.new_zeros(len(chances), self._words)
        doubt[:, self._detector.ids] = SHARE * -chances.clamp(min=math.exp(-MOST)).log()
        novelty = self._novelty(features) if self._novelty else features.new_zeros(len(features))
        for known in self._subjects:
            sure, strength = known.caution(novelty.unsqueeze(1))
            short_of_sure = (sure - self._presence(features, known.signs)).clamp(min=0)
            doubt[:, known.words] += strength * short_of_sure
        return -doubt

    def _presence(self, features: Tensor, signs: Tensor) -> Tensor:
        """The chance that any of the words at these positions of the detector fits the photo (B, 1)."""
        learnt = self._detector.learnt
        logits = functional.linear(features.float(), learnt.weight[signs], learnt.bias[signs])
        return 1 - (1 - logits.sigmoid().mean(dim=1)).prod(dim=1, keepdim=True)


def doubt_of(
    decoder: AttentionDecoder, vocabulary: Vocabulary, novelty: Novelty | None = None
) -> Doubt | None:
    """The doubt for this decoder; None where it has no detector."""
    if not decoder.words:
        return None
    subjects = [_known(subject, decoder, vocabulary) for subject in SUBJECTS]
    return Doubt(decoder, [known for known in subjects if len(known.signs)], novelty)


def _known(subject: Subject, decoder: AttentionDecoder, vocabulary: Vocabulary) -> _KnownSubject:
    detected = decoder.detector.ids
    signs, further = subject.signs.split(), subject.further.split()
    sign_ids, words = (
        torch.tensor(sorted({vocabulary.id(word) for word in some} - {UNK}), device=detected.device).long()
        for some in (signs, (*signs, *further))
    )
    return _KnownSubject(subject, words, torch.isin(detected, sign_ids).nonzero().squeeze(1))
