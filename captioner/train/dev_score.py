"""The score on held-out photos, by which a run's best epoch is kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from captioner.cider import CiderD
from captioner.decode import decode
from captioner.decoding_settings import usual_decoding
from captioner.guides.guided import guided
from captioner.model import CaptionModel
from captioner.stages import UNWATCHED, StageWatcher
from captioner.train.batches import Views
from captioner.vocabulary import Vocabulary


class DevScore:
    """CIDEr-D on held-out photos, of captions decoded as in use."""

    def __init__(
        self, views: Views, references: Sequence[Sequence[Sequence[str]]], vocabulary: Vocabulary
    ) -> None:
        self.views, self.vocabulary, self.count = views, vocabulary, len(references)
        self.cider = CiderD(references)

    def __call__(
        self,
        model: CaptionModel,
        stop: Sequence[int] = (),
        *,
        watcher: StageWatcher = UNWATCHED,
    ) -> float:
        """Raises KeyboardInterrupt as soon as there is a signal in `stop`."""
        watcher.stage("scoring", self.count)
        model.eval()
        how, decoder = usual_decoding(model, self.vocabulary), guided(model.decoder, model, self.vocabulary)
        captions: list[list[str]] = []
        with torch.inference_mode():
            for numbers in torch.split(torch.arange(self.count), 64):
                if stop:
                    raise KeyboardInterrupt
                rows = decode(decoder, self.views.plain(model, numbers), how)
                captions += [_without_punctuation(self.vocabulary.decode(row[0].ids)) for row in rows]
                watcher.advance(len(rows))
        return self.cider.mean(captions)


def _without_punctuation(caption: Sequence[str]) -> list[str]:
    """The caption without punctuation, which model1 to model5 write and the references lack."""
    return [word for word in caption if any(map(str.isalnum, word))]
