"""Which caption words a photo shows: what the decoder is told beside the grid of features.

Two sources for each word, of which the more confident counts: a linear layer trained on captioned
photos, and the encoder's own ImageNet classifier, whose 1,000 classes people call by everyday nouns
(data/imagenet_nouns.json). The second knows things that no training photo showed: pizza, giraffe, stove.
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
        """`size`: words W; `pairs`: (class, word) pairs. Values come by `tell` or from a checkpoint."""
        super().__init__()
        self.learnt = nn.Linear(channels, size)
        self.classes = nn.Linear(channels, 1000)
        self.classes.requires_grad_(False)
        self.register_buffer("ids", torch.zeros(size, dtype=torch.long))  # vocabulary ids of the words
        self.register_buffer("class_of", torch.zeros(pairs, dtype=torch.long))
        self.register_buffer("word_of", torch.zeros(pairs, dtype=torch.long))

    @torch.no_grad()
    def tell(self, vocabulary: Vocabulary, words: Sequence[str], classifier: nn.Module) -> None:
        """Set the words, and the classes that imply them; what is to be learnt starts at "never"."""
        places = {word: place for place, word in enumerate(words)}
        pairs = named_pairs(places)
        self.ids.copy_(torch.tensor([vocabulary.id(word) for word in words]))
        self.class_of.copy_(torch.tensor([number for number, _ in pairs]))
        self.word_of.copy_(torch.tensor([place for _, place in pairs]))
        self.classes.load_state_dict(classifier.state_dict())
        self.learnt.weight.zero_()
        self.learnt.bias.fill_(-20.0)

    def out_of_range(self, vocabulary: int) -> str:
        """Which of the numbers of words and classes name none, as those of a damaged file; else ""."""
        limits = {"ids": vocabulary, "class_of": self.classes.out_features, "word_of": len(self.ids)}
        for name, limit in limits.items():
            numbers = self.get_buffer(name)
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < limit:
                return f"{name} holds numbers outside 0 to {limit - 1}"
        return ""

    def forward(self, pooled: Tensor) -> Tensor:
        learnt = torch.sigmoid(self.learnt(pooled))
        return torch.maximum(learnt, self.named(self.classes(pooled)))

    def named(self, logits: Tensor) -> Tensor:
        """ImageNet logits (B, 1000) -> probability that a class that people call so is seen (B, W)."""
        chances = logits.float().softmax(dim=-1)[:, self.class_of]
        total = chances.new_zeros(len(logits), len(self.ids)).index_add_(1, self.word_of, chances)
        return total.clamp(max=1.0)

    def top(self, pooled: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The `count` most probable words: vocabulary ids and probabilities, both (B, count)."""
        chances, places = self(pooled).topk(count, dim=-1)
        return self.ids[places], chances


def named_pairs(places: dict[str, int]) -> list[tuple[int, int]]:
    """(class, place of the word) for every noun of every ImageNet class that has a place."""
    return [
        (number, places[noun])
        for number, nouns in enumerate(imagenet_nouns())
        for noun in nouns
        if noun in places
    ]
