"""A training step of the default's decoder: captions padded to the batch's longest, and packed.

    python benchmarks/training.py

Both sides compute the same loss, and its gradients, of the same batches, in turns: 24 photos with five
captions each (COCO's where they are at hand), random features in place of an encoder's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

sys.path[0] = str(Path(__file__).resolve().parents[1])
from benchmarks.captions import records  # noqa: E402
from captioner.configuration import CONFIGURATIONS  # noqa: E402
from captioner.datasets import encode  # noqa: E402
from captioner.networks.decoders import AttentionDecoder, pack  # noqa: E402
from captioner.tokens import words  # noqa: E402
from captioner.vocabulary import PAD, Vocabulary  # noqa: E402

_CHANNELS, _PLACES, _EACH = 1280, 64, 5
_LONGEST = 20  # words of a caption that training reads


def material(photos: int, batches: int) -> tuple[Vocabulary, list[Tensor]]:
    """A vocabulary of 5,600 words as the default's is, or what there is, and batches of padded captions."""
    count = photos * _EACH
    lines = [words(record.caption)[:_LONGEST] for record in records(20_000)]
    vocabulary = Vocabulary.build(lines, smallest_count=2)
    return vocabulary, [encode(vocabulary, lines[i * count : (i + 1) * count]) for i in range(batches)]


def step(decoder: AttentionDecoder, captions: Tensor, lengths: Tensor) -> float:
    """The loss of the words that are there, however much is computed; gradients are left in the model."""
    features = torch.randn(len(captions) // _EACH, _PLACES, _CHANNELS)
    owners = torch.arange(len(features)).repeat_interleave(_EACH)
    scores = decoder(features, pack(captions[:, :-1], lengths), owners).data
    wanted = pack(captions[:, 1:], lengths).data
    loss = functional.cross_entropy(scores, wanted, ignore_index=PAD, label_smoothing=0.1)
    decoder.zero_grad()
    torch.autograd.backward(loss)
    return loss.item()


def timed(decoder: AttentionDecoder, captions: Tensor, lengths: Tensor) -> tuple[float, float]:
    """Seconds of this process's CPU, and the loss."""
    torch.manual_seed(0)
    began = time.process_time()
    loss = step(decoder, captions, lengths)
    return time.process_time() - began, loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photos", type=int, default=24, help="in a batch")
    parser.add_argument("--batches", type=int, default=10)
    asked = parser.parse_args()
    vocabulary, batches = material(asked.photos, asked.batches)
    config = replace(CONFIGURATIONS["default"], words=0, dropout=0.0)
    decoder = AttentionDecoder(config, len(vocabulary), _CHANNELS)
    seconds: dict[str, list[float]] = {"padded": [], "packed": []}
    for captions in batches:
        present = (captions != PAD).sum(dim=1) - 1
        whole = torch.full_like(present, captions.shape[1] - 1)
        (padded, one), (packed, other) = (timed(decoder, captions, lengths) for lengths in (whole, present))
        if abs(one - other) > 1e-4:
            raise SystemExit(f"the losses differ: {one} padded, {other} packed")
        seconds["padded"].append(padded)
        seconds["packed"].append(packed)
    plain, quick = (statistics.median(times) for times in seconds.values())
    for name, value in (("padded", plain), ("packed", quick)):
        print(
            f"{name:<8} {value * 1000:7.0f} ms of CPU a step of {asked.photos} photos  {plain / value:5.2f}"
        )
    print(json.dumps({"packed": round(plain / quick, 3)}))


if __name__ == "__main__":
    main()
