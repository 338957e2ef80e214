"""Which caption words a photo shows: the decoder's second input, beside the grid of features.

A word's probability is the larger of two: that of a linear layer trained on captioned photos, and that of
the encoder's own ImageNet classifier, whose 1,000 classes people call by everyday nouns
(data/imagenet_nouns.json). The classifier knows things that no training photo showed: pizza, giraffe, stove.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources

import torch
from torch import Tensor, nn

from captioner.vocabulary import Vocabulary


@cache
def imagenet_nouns() -> tuple[tuple[str, ...], ...]:
    """For each ImageNet class, in class order, the nouns that people use for it in captions."""
    text = resources.files("captioner").joinpath("data/imagenet_nouns.json").read_text(encoding="utf-8")
    return tuple(tuple(nouns) for _, nouns in json.loads(text)["classes"])


class WordDetector(nn.Module):
    """Pooled features (B, C) -> probability of each of W words (B, W)."""

    ids: Tensor
    class_of: Tensor
    word_of: Tensor

    def __init__(self, channels: int, size: int, pairs: int) -> None:
        """`size`: words W; `pairs`: (class, word) pairs. `set_words` or a checkpoint gives the values."""
        super().__init__()
        self.learnt = nn.Linear(channels, size)
        self.classes = nn.Linear(channels, 1000)
        self.classes.requires_grad_(False)
        self.register_buffer("ids", torch.zeros(size, dtype=torch.long))  # vocabulary ids of the words
        self.register_buffer("class_of", torch.zeros(pairs, dtype=torch.long))
        self.register_buffer("word_of", torch.zeros(pairs, dtype=torch.long))

    @torch.no_grad()
    def set_words(self, vocabulary: Vocabulary, words: Sequence[str], classifier: nn.Module) -> None:
        """Set the words and the classes that imply them; nothing is learnt yet."""
        positions = {word: position for position, word in enumerate(words)}
        pairs = class_word_pairs(positions)
        self.ids.copy_(torch.tensor([vocabulary.id(word) for word in words]))
        self.class_of.copy_(torch.tensor([number for number, _ in pairs]))
        self.word_of.copy_(torch.tensor([position for _, position in pairs]))
        self.classes.load_state_dict(classifier.state_dict())
        self.forget()

    @torch.no_grad()
    def forget(self) -> None:
        """Give the learnt layer chances of almost 0, as before any fit."""
        self.learnt.weight.zero_()
        self.learnt.bias.fill_(-20.0)  # a probability of 2e-9

    def out_of_range(self, vocabulary: int) -> str:
        """Which table of a damaged file holds a number that is no word or class; "" where all are sound."""
        limits = {"ids": vocabulary, "class_of": self.classes.out_features, "word_of": len(self.ids)}
        for name, limit in limits.items():
            numbers = self.get_buffer(name)
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < limit:
                return f"{name} holds numbers outside 0 to {limit - 1}"
        return ""

    def forward(self, pooled: Tensor) -> Tensor:
        learnt = torch.sigmoid(self.learnt(pooled))
        return torch.maximum(learnt, self.imagenet_chances(self.classes(pooled)))

    def imagenet_chances(self, logits: Tensor) -> Tensor:
        """ImageNet logits (B, 1000) -> summed probability of the classes that each word names (B, W)."""
        chances = logits.float().softmax(dim=-1)[:, self.class_of]
        total = chances.new_zeros(len(logits), len(self.ids)).index_add_(1, self.word_of, chances)
        return total.clamp(max=1.0)

    def top(self, pooled: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The `count` most probable words: vocabulary ids and probabilities, both (B, count)."""
        chances, positions = self(pooled).topk(count, dim=-1)
        return self.ids[positions], chances


def class_word_pairs(positions: dict[str, int]) -> list[tuple[int, int]]:
    """(class, position of the word) for every noun of every ImageNet class that has a position."""
    return [
        (number, positions[noun])
        for number, nouns in enumerate(imagenet_nouns())
        for noun in nouns
        if noun in positions
    ]
