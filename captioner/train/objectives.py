"""What training minimises: cross-entropy, or the negative CIDEr of sampled captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from captioner.cider import CiderD
from captioner.datasets import encode
from captioner.decode import sample
from captioner.model import CaptionModel
from captioner.networks.decoders import AttentionDecoder, DetectedWords, State, pack
from captioner.train.batches import Batch
from captioner.vocabulary import PAD, START, UNK, Vocabulary

_END = "<end>"  # counts as a word in a reward; no caption has it as a real word


class CrossEntropy:
    """Predict each word of people's captions from the words before it.

    While the encoder is trained, here and in self-critical training, the loss also keeps the word detector
    close to the chances of detectors that were fitted without the photo (`Batch.expected`).
    """

    def __init__(self, smoothing: float, detector_weight: float = 0.0) -> None:
        self.smoothing, self.detector_weight = smoothing, detector_weight

    def __call__(self, model: CaptionModel, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sum of the losses over words, and the number of words; sums of several processes can be added."""
        captions, owners = batch.captions.to(features.device), batch.owners.to(features.device)
        scores = _scores(model, features, captions, owners, batch.detected)
        # model1 to model5 predict `<start>` as well, from the image feature alone
        targets = _pack_words(captions if model.starts_with_image else captions[:, 1:])
        loss = functional.cross_entropy(scores, targets, label_smoothing=self.smoothing, reduction="sum")
        count = targets.new_tensor(len(targets))
        return loss + self.detector_weight * count * _detector_loss(model, features, batch), count


def _pack_words(captions: Tensor) -> Tensor:
    """Padded captions (N, T) -> their words without padding (words,), in the order of a decoder's scores."""
    return pack(captions, _lengths(captions)).data


def _lengths(captions: Tensor) -> Tensor:
    return (captions != PAD).sum(dim=1)


def _scores(
    model: CaptionModel, features: Tensor, captions: Tensor, owners: Tensor, detected: DetectedWords | None
) -> Tensor:
    """Scores (words, V) of the captions' words after `<start>`; of model1 to model5 `<start>` is first."""
    given = pack(captions[:, :-1], _lengths(captions) - 1)
    if detected is None:
        scores = model.decoder(features, given, owners)
    else:
        on_device = DetectedWords(*(part.to(features.device) for part in detected if part is not None))
        # imagined photos have no features: zeros stand there, and `blind` hides them
        imagined = features.new_zeros(len(on_device.words) - len(features), *features.shape[1:])
        scores = model.decoder(torch.cat([features, imagined]), given, owners, on_device)
    return cast(PackedSequence, scores).data.float()


def _detector_loss(model: CaptionModel, features: Tensor, batch: Batch) -> Tensor:
    """Binary cross-entropy of the detector: summed over its words, mean over the photos; 0 if it is frozen.

    It keeps a trained encoder from forgetting ImageNet's classes and from learning photos by heart.
    """
    if batch.expected is None or not features.requires_grad:
        return features.new_zeros(())
    decoder = cast(AttentionDecoder, model.decoder)
    with torch.autocast(features.device.type, enabled=False):
        chances = decoder.detector(features.float().mean(dim=1)).clamp(1e-5, 1 - 1e-5)
        total = functional.binary_cross_entropy(chances, batch.expected.to(chances), reduction="sum")
    return total / len(features)


class SelfCritical:
    """Raise the probability of sampled captions that score better than their siblings.

    Source: Rennie et al., "Self-critical Sequence Training" (CVPR 2017); the baseline of a sample is
    the mean reward of the photo's other samples (Luo, "A Better Variant of Self-Critical Sequence
    Training", 2020). Reward: CIDEr-D against the photo's own captions, `<end>` counted as a word, so that
    a caption that breaks off does not pay. The decoder works as it does in use, without dropout, and
    captions are drawn at a `temperature` below 1: a decoder that was trained with smoothed labels puts
    rubbish into its tail, and captions drawn with rubbish teach only to be short (mean reward at 1.0:
    .15, at 0.5: .52; greedy .65).
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        references: Sequence[Sequence[Sequence[str]]],
        samples: int,
        longest: int,
        temperature: float = 1.0,
        detector_weight: float = 0.0,
    ) -> None:
        self.vocabulary, self.detector_weight = vocabulary, detector_weight
        self.reward = CiderD([[[*words, _END] for words in captions] for captions in references])
        self.samples, self.longest, self.temperature = samples, longest, temperature
        #: Of the captions that were drawn last: the loss alone does not tell whether they get better.
        self.rewards = torch.zeros(0)

    def __call__(self, model: CaptionModel, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sum over words of -advantage x log probability, and the number of words."""
        if isinstance(model.decoder, AttentionDecoder):  # cuDNN would refuse the other, which has no dropout
            model.decoder.eval()
        owners = torch.arange(len(features), device=features.device).repeat_interleave(self.samples)
        first = START if model.starts_with_image else None
        decoder = (
            model.decoder if batch.detected is None else _DecoderGivenWords(model, batch.detected, owners)
        )
        shown = features.detach()[owners]
        drawn = sample(decoder, shown, self.longest, (PAD, START, UNK), first, self.temperature)
        # up to torch 2.10 autocast gives what follows the weights that it converted here, without gradients
        torch.clear_autocast_cache()
        written = [self.vocabulary.decode(ids) for ids in drawn]
        # a caption that was cut at the longest length loses its `<end>`, which was not drawn
        captions = encode(self.vocabulary, written)[:, : self.longest + 1].to(features.device)
        targets = _pack_words(captions[:, 1:])
        # model1 to model5 give the scores of `<start>` first; these are left out, as it was not drawn
        scores = _scores(model, features, captions, owners, batch.detected)[-len(targets) :]
        logs = -functional.cross_entropy(scores / self.temperature, targets, reduction="none")
        advantages = self._advantages(batch, written).to(logs).expand(-1, captions.shape[1] - 1)
        loss = -(logs * pack(advantages, _lengths(captions) - 1).data).sum()
        count = targets.new_tensor(len(targets))
        return loss + self.detector_weight * count * _detector_loss(model, features, batch), count

    def _advantages(self, batch: Batch, written: Sequence[Sequence[str]]) -> Tensor:
        """(P * samples, 1): reward above the mean of the photo's other samples."""
        photos = batch.photos.repeat_interleave(self.samples).tolist()
        rewards = torch.tensor(
            [
                self.reward.score(photo, [*words, _END] if len(words) < self.longest else words)
                for photo, words in zip(photos, written, strict=True)
            ]
        )
        self.rewards = rewards
        rewards = rewards.view(-1, self.samples)
        others = (rewards.sum(1, keepdim=True) - rewards) / (self.samples - 1)
        return (rewards - others).view(-1, 1)


class _DecoderGivenWords:
    """A decoder that is given the detected words; its own detector knows the training photos by heart."""

    def __init__(self, model: CaptionModel, detected: DetectedWords, owners: Tensor) -> None:
        self._decoder = cast(AttentionDecoder, model.decoder)
        self._detected = DetectedWords(
            detected.words.to(owners.device)[owners], detected.chances.to(owners.device)[owners]
        )

    def begin(self, features: Tensor) -> tuple[Tensor, State, State]:
        return self._decoder.begin(features, self._detected)

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        return self._decoder.step(words, fixed, state)
