"""A decoder that is told, once for a photo, which words suit it and which do not.

What is told is a number of nats for each word, added to the decoder's scores at every step. Two guides are
there: the doubt of what the detector does not see, and what the captions of photos like this one say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from captioner import consensus, doubt
from captioner.consensus import Consensus
from captioner.decoders import AttentionDecoder, Decoder, State
from captioner.doubt import doubt_of
from captioner.model import CaptionModel
from captioner.vocabulary import Vocabulary

#: Features (B, P, C) -> what to add to the score of each word (B, V).
Guide = Callable[[Tensor], Tensor]


class GuidedDecoder:
    """An attention decoder whose scores its guides raise and lower."""

    def __init__(self, decoder: AttentionDecoder, guides: Sequence[Guide]) -> None:
        self._decoder, self._guides = decoder, guides

    def begin(self, features: Tensor) -> tuple[Tensor, State, State]:
        scores, fixed, state = self._decoder.begin(features)
        told = torch.stack([guide(features) for guide in self._guides]).sum(dim=0)
        return _told(scores, told), (*fixed, told), state

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        scores, state = self._decoder.step(words, fixed[:-1], state)
        return _told(scores, fixed[-1]), state


def _told(scores: Tensor, told: Tensor) -> Tensor:
    of_photos = scores.view(len(told), -1, scores.shape[-1])  # the hypotheses of a photo together
    return (of_photos + told.unsqueeze(1)).reshape(scores.shape)


def guided(decoder: Decoder, vocabulary: Vocabulary, agreed: Consensus | None = None) -> Decoder:
    """A decoder as it is used: with the guides that its model has; as it is where there are none."""
    if not isinstance(decoder, AttentionDecoder):
        return decoder
    guides = [guide for guide in (doubt_of(decoder, vocabulary), agreed) if guide is not None]
    return GuidedDecoder(decoder, guides) if guides else decoder


def numbers(model: CaptionModel) -> tuple[float, ...]:
    """All numbers of a model's guides: captions written with others are other captions."""
    doubts = isinstance(model.decoder, AttentionDecoder) and model.decoder.words > 0
    return (*(doubt.NUMBERS if doubts else ()), *(consensus.NUMBERS if model.consensus else ()))
