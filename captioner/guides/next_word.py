"""What may not, or should not, come next in a caption, by its words so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captioner.guides.synonyms import others_by_word

if TYPE_CHECKING:
    from captioner.decode import Decoding


class NextWordRules:
    """The rules of a `Decoding`, made ready once for all steps of a batch."""

    def __init__(self, how: Decoding, device: torch.device) -> None:
        self._how, self._device = how, device
        self._repeatable = None if how.repeatable is None else frozenset(how.repeatable)
        self._synonyms = others_by_word(how.synonyms)
        self._lowered = torch.tensor(how.phrases.lowered if how.phrases else (), device=device).long()

    def apply(self, logs: Tensor, captions: Sequence[Sequence[int]]) -> None:
        """Change the scores of the next words, in each caption's row of `logs`."""
        repeats = [(row, word) for row, ids in enumerate(captions) for word in self._repeats(ids)]
        if repeats:  # one call for all: a call for each caption would cost more than all the rest
            rows, words = torch.tensor(repeats, device=self._device).unbind(dim=1)
            logs[rows, words] = -torch.inf
        phrases = self._how.phrases
        if phrases and (wanting := [row for row, ids in enumerate(captions) if phrases.needs_noun(ids)]):
            logs[torch.tensor(wanting, device=self._device).unsqueeze(1), self._lowered] -= phrases.nats

    def _repeats(self, ids: Sequence[int]) -> list[int]:
        """Words used too recently, words that may come only once and their synonyms, and words that would
        repeat a run.

        Source: Paulus, Xiong and Socher, "A Deep Reinforced Model for Abstractive Summarization" (ICLR 2018).
        """
        run, repeatable = self._how.unrepeated, self._repeatable
        again = list(ids[-self._how.apart :]) if self._how.apart else []
        if repeatable is not None:
            again += [word for word in ids if word not in repeatable]
        again += [other for word in ids for other in self._synonyms.get(word, ())]
        if run:
            last = ids[len(ids) - run + 1 :]
            again += [ids[i + run - 1] for i in range(len(ids) - run + 1) if ids[i : i + run - 1] == last]
        return again
