"""Fit the word detector: logistic regression from pooled features to the words of people's captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.networks.decoders import DetectedWords
from captioner.networks.detector import WordDetector, imagenet_nouns
from captioner.tokens import FUNCTION_WORDS
from captioner.vocabulary import UNK, Vocabulary

Captions = Sequence[Sequence[str]]  # tokenised captions of one photo


@dataclass(frozen=True, slots=True)
class DetectorRecipe:
    """How the learnt part is fitted."""

    smallest_count: int = 30  # photos whose captions must use a word for it to be learnt
    epochs: int = 15
    learning_rate: float = 1e-3
    weight_decay: float = 0.3
    dropout: float = 0.5
    batch: int = 128
    folds: int = 5  # detectors that are each fitted without a part of the photos


def detectable_words(photos: Iterable[Captions], vocabulary: Vocabulary, smallest_count: int) -> list[str]:
    """Content words of enough photos, and all nouns that an ImageNet class has; sorted."""
    counts: Counter[str] = Counter()
    for captions in photos:
        counts.update({word for words in captions for word in words} - FUNCTION_WORDS)
    learnt = {word for word, count in counts.items() if count >= smallest_count}
    named = {noun for nouns in imagenet_nouns() for noun in nouns}
    return sorted(word for word in learnt | named if vocabulary.id(word) != UNK)


def word_labels(photos: Sequence[Captions], words: Sequence[str]) -> Tensor:
    """(N, W) float: 1 where a caption of the photo uses the word."""
    places = {word: place for place, word in enumerate(words)}
    labels = torch.zeros(len(photos), len(words))
    for row, captions in enumerate(photos):
        labels[row, [places[word] for caption in captions for word in caption if word in places]] = 1.0
    return labels


def fit_detector(
    detector: WordDetector, views: Tensor, labels: Tensor, recipe: DetectorRecipe, seed: int = 0
) -> Tensor:
    """Fit the learnt part on all photos; gives chances (N, W) by detectors fitted without the photo.

    `views`: pooled features (N, V, C); `labels` (N, W). The chances come from `folds` further detectors,
    each fitted without a part of the photos. A detector knows the photos that it was fitted on by heart: a
    decoder that trained with its words would trust them too much in use.
    """
    torch.manual_seed(seed)
    is_frequent = labels.sum(0) >= recipe.smallest_count
    fold = torch.randperm(len(views)) % recipe.folds
    held_out = torch.zeros(len(views), labels.shape[1])
    for number in range(recipe.folds):
        rows = fold == number
        _fit_part(detector, views[~rows], labels[~rows], is_frequent, recipe)
        held_out[rows] = mean_chances(detector, views[rows])
    _fit_part(detector, views, labels, is_frequent, recipe)
    return held_out


@torch.no_grad()
def mean_chances(detector: WordDetector, views: Tensor) -> Tensor:
    """Mean probability over the views: (N, V, C) -> (N, W)."""
    return torch.cat(
        [
            detector(rows.flatten(0, 1)).unflatten(0, rows.shape[:2]).mean(1)
            for rows in torch.split(views, 256)
        ]
    )


@torch.no_grad()
def most_probable(detector: WordDetector, held_out: Tensor, count: int) -> DetectedWords:
    """The `count` likeliest words of each photo, as the decoder reads them: (N, count)."""
    best, places = held_out.topk(count, dim=-1)
    return DetectedWords(detector.ids[places], best)


def _fit_part(
    detector: WordDetector, views: Tensor, labels: Tensor, is_frequent: Tensor, recipe: DetectorRecipe
) -> None:
    """Fit on standardised features, then fold the standardisation into the layer."""
    detector.forget()
    if not is_frequent.any():  # with so few photos it knows ImageNet's classes alone
        return
    mean, deviation = views.mean((0, 1)), views.std((0, 1)) + 1e-3
    layer = nn.Linear(views.shape[-1], int(is_frequent.sum()))
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, -4.0)  # a chance of .02: most words are in few photos' captions
    optimizer = torch.optim.AdamW(
        layer.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=recipe.epochs)
    targets = labels[:, is_frequent]
    for _ in range(recipe.epochs):
        for rows in torch.split(torch.randperm(len(views)), recipe.batch):
            shown = views[rows, torch.randint(views.shape[1], (len(rows),))]
            scores = layer(functional.dropout((shown - mean) / deviation, recipe.dropout))
            loss = functional.binary_cross_entropy_with_logits(scores, targets[rows], reduction="sum") / len(
                rows
            )
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        schedule.step()
    with torch.no_grad():
        weight = layer.weight / deviation
        detector.learnt.weight[is_frequent] = weight
        detector.learnt.bias[is_frequent] = layer.bias - weight @ mean
