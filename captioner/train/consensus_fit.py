"""Fit a consensus to the training photos' captions: a ridge regression, n-grams and words.

For each photo the target is the mean of its captions' CIDEr vectors (tf-idf of n-grams, each length of unit
norm). The regression from the pooled features to these vectors is of low rank: with H the features' penalised
covariance, L its Cholesky factor and R the products of features and targets, the largest left singular
vectors U of L^-1 R give the places of photos, L^-T U (reduced-rank regression: Izenman, 1975). What it
expects of a photo is the sum of the training photos' targets, each times the product of both photos' places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.cider import LONGEST, NGram, Rarity, Words
from captioner.configuration import ConsensusSizes
from captioner.errors import DataError, ModelError
from captioner.guides.consensus import Consensus, keys_of
from captioner.train.cooccurrence import word_counts
from captioner.vocabulary import UNK, Vocabulary

_MOST_WORDS = 32_767  # of a vocabulary: ids are stored in int16, and a key of four ids fits int64


@dataclass(frozen=True, slots=True)
class ConsensusRecipe:
    """How much is kept, and how it is fitted."""

    space: int = 256  # numbers that make a place; docs/tried.md has what others gave, also of `penalty`
    smallest_count: int = 5  # photos whose captions must have an n-gram
    grams: int = 20_000  # n-grams at most: the most frequent ones
    # Photos at most that it is fitted to, regression and neighbours alike: of more photos, evenly spaced
    # ones. The weights of n-grams and the usual shares of words are those of all photos.
    photos: int = 20_000
    penalty: float = 0.02  # of the regression, as a share of the features' mean variance


@dataclass(frozen=True, slots=True)
class CaptionStatistics:
    """Statistics of captions from which a consensus is fitted, in part those of N chosen photos alone."""

    photos: Tensor  # (N,) the places of the chosen photos among all
    rarity: Rarity
    grams: Mapping[NGram, int]  # each n-gram of the table, with its row
    targets: Tensor  # (N, G) sparse: mean CIDEr vector of each photo's captions
    words: Tensor  # (N, W) ids of the words of each photo's captions, filled up by <pad>
    shares: Tensor  # (N, W) share of the photo's captions that have the word, times 255
    usual: Tensor  # (V,) share of all captions that have a word

    @classmethod
    def of(
        cls,
        captions: Sequence[Sequence[Words]],
        vocabulary: Vocabulary,
        recipe: ConsensusRecipe = ConsensusRecipe(),
    ) -> CaptionStatistics:
        """`captions`: tokenised, photo by photo.

        Raises DataError where they agree on nothing, or hold more than a model may.
        """
        if len(vocabulary) > _MOST_WORDS:
            raise DataError(f"a vocabulary of {len(vocabulary)} words; {_MOST_WORDS:,} are the most")
        rarity = Rarity(captions)
        grams = _frequent_grams(rarity, vocabulary, recipe)
        if not grams:
            count = recipe.smallest_count
            raise DataError(f"too few photos: no {count} of them have a word of the model's in common")
        photos = torch.linspace(0, len(captions) - 1, min(recipe.photos, len(captions))).long()
        targets = _targets(rarity, [captions[photo] for photo in photos.tolist()], grams)
        if not len(targets.values()):
            raise DataError("the captions of all photos have the same words: there is nothing to agree on")
        ids, shares, usual = _word_shares(captions, vocabulary)
        result = cls(photos, rarity, grams, targets, ids[photos], shares[photos], usual)
        try:
            result.sizes(recipe.space)
        except ModelError as error:
            raise DataError(f"too many photos or captions to agree with: {error}") from None
        return result

    def sizes(self, space: int) -> ConsensusSizes:
        """Those of the consensus that is fitted. Raises ModelError where it would be too large."""
        return ConsensusSizes(
            space=space,
            grams=len(self.grams),
            photos=len(self.photos),
            words=self.words.shape[1],
            entries=len(self.targets.values()),
        )


def fit_consensus(
    pooled: Tensor,
    statistics: CaptionStatistics,
    vocabulary: Vocabulary,
    recipe: ConsensusRecipe = ConsensusRecipe(),
) -> Consensus:
    """Fit a consensus to all photos' pooled features (B, C) and their captions' statistics.

    Raises DataError where all features are equal.
    """
    pooled = pooled[statistics.photos].double()
    weight, bias = _regression(pooled, statistics.targets, recipe)
    result = Consensus(statistics.sizes(weight.shape[1]), len(vocabulary), pooled.shape[1])
    placed = pooled @ weight + bias
    result.place.weight.copy_(weight.T)
    result.place.bias.copy_(bias)
    result.centre.copy_(placed.mean(dim=0))
    whole, scales = _quantise(placed - placed.mean(dim=0))
    result.photos.copy_(whole)
    result.photo_scales.copy_(scales)
    result.words.copy_(statistics.words)
    result.shares.copy_(statistics.shares)
    result.usual.copy_(statistics.usual)
    _fill_table(result, statistics, vocabulary)
    return result


def _frequent_grams(rarity: Rarity, vocabulary: Vocabulary, recipe: ConsensusRecipe) -> dict[NGram, int]:
    """The most frequent n-grams of known words that enough photos' captions have, each with its row."""
    enough = Counter(
        {gram: count for gram, count in rarity.photos_with.items() if count >= recipe.smallest_count}
    )
    known = [gram for gram, _ in enough.most_common() if all(vocabulary.id(word) != UNK for word in gram)]
    return {gram: row for row, gram in enumerate(known[: recipe.grams])}


def _targets(rarity: Rarity, captions: Sequence[Sequence[Words]], grams: dict[NGram, int]) -> Tensor:
    """Mean CIDEr vector of the captions of each photo: sparse (N, grams)."""
    rows, columns, values = [], [], []
    for row, photo in enumerate(captions):
        for vector in map(rarity.vector, photo):
            for weights, norm in zip(vector.weights, vector.norms, strict=True):
                for gram, weight in weights.items():
                    if norm and gram in grams:
                        rows.append(row)
                        columns.append(grams[gram])
                        values.append(weight / norm / len(photo))
    size, places = (len(captions), len(grams)), torch.tensor([rows, columns])
    found = torch.sparse_coo_tensor(places, values, size, dtype=torch.float64, check_invariants=True)
    return found.coalesce()


def _regression(pooled: Tensor, targets: Tensor, recipe: ConsensusRecipe) -> tuple[Tensor, Tensor]:
    """The map from features to places: weight (C, S) and bias (S,)."""
    centre = pooled.mean(dim=0)
    features = torch.cat([pooled - centre, pooled.new_ones(len(pooled), 1)], dim=1)
    covariance = features.T @ features
    penalty = recipe.penalty * covariance.diagonal()[:-1].mean()
    if not penalty > 0:
        raise DataError("all photos look the same to the model: there is nothing to tell captions by")
    covariance.diagonal()[:-1].add_(penalty)
    lower = torch.linalg.cholesky(covariance)
    shared = torch.sparse.mm(targets.T, features).T
    reduced = torch.linalg.solve_triangular(lower, shared, upper=False)
    # eigh sorts upwards: the last ones are the largest
    along = torch.linalg.eigh(reduced @ reduced.T).eigenvectors.flip(1)[:, : recipe.space]
    places = torch.linalg.solve_triangular(lower.T, along, upper=True)
    return places[:-1], places[-1] - centre @ places[:-1]


def _word_shares(
    captions: Sequence[Sequence[Words]], vocabulary: Vocabulary
) -> tuple[Tensor, Tensor, Tensor]:
    """`CaptionStatistics.words`, `.shares` and `.usual` of these captions."""
    counts = word_counts(captions, vocabulary)
    most = max(1, max(map(len, counts)))
    ids = torch.zeros(len(captions), most, dtype=torch.int16)
    shares = torch.zeros(len(captions), most)
    for row, (photo, found) in enumerate(zip(captions, counts, strict=True)):
        ids[row, : len(found)] = torch.tensor(list(found), dtype=torch.int16)
        shares[row, : len(found)] = torch.tensor([count / len(photo) for count in found.values()])
    usual = torch.zeros(len(vocabulary)).index_add_(0, ids.flatten().long(), shares.flatten())
    return ids, (shares * 255).round(), usual / len(captions)


def _fill_table(result: Consensus, statistics: CaptionStatistics, vocabulary: Vocabulary) -> None:
    """Fill the table of n-grams in the order of their keys, so that bisection finds them."""
    grams, rarity = statistics.grams, statistics.rarity
    ids = torch.zeros(len(grams), LONGEST, dtype=torch.long)
    for row, gram in enumerate(grams):
        ids[row, : len(gram)] = torch.tensor([vocabulary.id(word) for word in gram])
    lengths = (ids > 0).sum(dim=1)
    keys = torch.zeros(len(grams), dtype=torch.long)
    for length in range(1, LONGEST + 1):
        of_length = lengths == length
        keys[of_length] = keys_of(ids[of_length, :length], length, len(vocabulary)).flatten()
    keys, order = keys.sort()
    result.grams.copy_(keys)
    result.rarity.copy_(torch.tensor([rarity.of(gram) for gram in grams])[order])
    result.rarest.fill_(rarity.of(()))
    entries = statistics.targets.index_select(1, order).T.coalesce()
    (of_gram, photos), cosines = entries.indices(), entries.values().float()
    largest = torch.zeros(len(grams)).scatter_reduce_(0, of_gram, cosines, "amax").clamp(min=1e-12)
    result.counts.copy_(of_gram.bincount(minlength=len(grams)))
    result.entry_photos.copy_(photos)
    result.entry_cosines.copy_((cosines / largest[of_gram] * 255).round())
    result.gram_scales.copy_(largest / 255)


def _quantise(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows rounded to whole numbers from -127 to 127, and the scale to multiply each row by."""
    scales = rows.abs().amax(dim=1).clamp(min=1e-12) / 127
    return (rows / scales.unsqueeze(1)).round(), scales
