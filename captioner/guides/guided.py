"""A decoder whose word scores are raised or lowered for the photo it captions.

A guide looks at a photo once and gives a number of nats for each word, which is added to the decoder's scores
at every step. There are three guides: the doubt of words that the detector does not see
(`captioner.guides.doubt`), the words of similar photos' captions (`captioner.guides.consensus`), and the
words that come with what the photo shows in captions without photos (`captioner.guides.cooccurrence`). What a
caption has said so far guides as well, where the model knows how captions go on
(`captioner.guides.phrasing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from captioner.guides import consensus, cooccurrence, doubt, phrasing
from captioner.guides.doubt import doubt_of
from captioner.guides.phrasing import PhrasedDecoder
from captioner.model import CaptionModel
from captioner.networks.decoders import AttentionDecoder, Decoder, State
from captioner.vocabulary import Vocabulary

#: Features (B, P, C) -> what to add to the score of each word (B, V).
Guide = Callable[[Tensor], Tensor]


class GuidedDecoder:
    """An attention decoder with guides; its fixed part ends with the sum of their nats (B, V)."""

    def __init__(self, decoder: AttentionDecoder, guides: Sequence[Guide]) -> None:
        self._decoder, self._guides = decoder, guides

    def begin(self, features: Tensor) -> tuple[Tensor, State, State]:
        scores, fixed, state = self._decoder.begin(features)
        nats = torch.stack([guide(features) for guide in self._guides]).sum(dim=0)
        return _add_nats(scores, nats), (*fixed, nats), state

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        scores, state = self._decoder.step(words, fixed[:-1], state)
        return _add_nats(scores, fixed[-1]), state


def _add_nats(scores: Tensor, nats: Tensor) -> Tensor:
    """Scores of hypotheses (N, V), those of one photo together, plus the nats of their photos (B, V)."""
    by_photo = scores.view(len(nats), -1, scores.shape[-1])
    return (by_photo + nats.unsqueeze(1)).reshape(scores.shape)


def guided(decoder: Decoder, model: CaptionModel, vocabulary: Vocabulary) -> Decoder:
    """A model's decoder (or its twin in bfloat16) with the model's guides; the decoder itself without any."""
    if not isinstance(decoder, AttentionDecoder):
        return decoder
    table = model.cooccurrence
    company = partial(table.nats, detector=decoder.detector) if table else None
    novelty = partial(table.novelty, detector=decoder.detector) if table else None
    guides = [doubt_of(decoder, vocabulary, novelty), model.consensus, company]
    found = [guide for guide in guides if guide is not None]
    result = GuidedDecoder(decoder, found) if found else decoder
    return PhrasedDecoder(result, model.phrasing, novelty) if model.phrasing and novelty else result


def guide_numbers(model: CaptionModel) -> tuple[float, ...]:
    """All constants of the guides that a model has: part of its identity, as they change captions."""
    doubts = isinstance(model.decoder, AttentionDecoder) and model.decoder.words > 0
    return (
        *(doubt.NUMBERS if doubts else ()),
        *(consensus.NUMBERS if model.consensus else ()),
        *(cooccurrence.NUMBERS if model.cooccurrence else ()),
        *(phrasing.NUMBERS if model.phrasing else ()),
    )
