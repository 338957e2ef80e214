"""Make a consensus of the training photos' captions: a ridge regression, and a table of words.

For each photo the target is the mean of its captions' CIDEr vectors (tf-idf of n-grams, each length of unit
norm). The regression from the pooled features to these vectors is of low rank: with H the features' penalised
covariance, L its Cholesky factor and R the products of features and targets, the largest left singular
vectors U of L^-1 R give the places of photos, L^-T U, and of n-grams, U^T L^-1 R (reduced-rank regression:
Izenman, 1975).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from captioner import checkpoint
from captioner.captioner import Captioner, find_model
from captioner.checkpoint import Checkpoint
from captioner.cider import LONGEST, NGram, Rarity, Words
from captioner.configuration import ConsensusSizes
from captioner.consensus import Consensus, keys_of
from captioner.datasets import CaptionedPhoto, PhotoPixels, check_there
from captioner.decoders import AttentionDecoder
from captioner.errors import DataError, ModelError
from captioner.tokens import words
from captioner.train.record import learnt
from captioner.vocabulary import UNK, Vocabulary

Progress = Callable[[int], None]

_MOST_WORDS = 32_767  # of a vocabulary: ids are kept in 16 bits, and four of them make a key


@dataclass(frozen=True, slots=True)
class ConsensusRecipe:
    """How much is kept, and how it is fitted."""

    space: int = 256
    smallest_count: int = 5  # photos whose captions have an n-gram
    grams: int = 20_000  # the most frequent ones
    photos: int = 20_000  # neighbours; of more photos, evenly spread ones
    penalty: float = 0.02  # of the regression, as a share of the features' mean variance


@dataclass(frozen=True, slots=True)
class Said:
    """What people wrote of N photos, as a consensus needs it."""

    rarity: Rarity
    grams: Mapping[NGram, int]  # those of the table, each with its row
    targets: Tensor  # mean CIDEr vector of each photo's captions, sparse (N, G)
    words: Tensor  # of each photo's captions, filled up by <pad> (N, W)
    shares: Tensor  # of the captions that have them, of 255 (N, W)
    usual: Tensor  # share of all captions that have a word (V,)

    @classmethod
    def of(
        cls,
        captions: Sequence[Sequence[Words]],
        vocabulary: Vocabulary,
        recipe: ConsensusRecipe = ConsensusRecipe(),
    ) -> Said:
        """`captions`: tokenised, photo by photo. Raises DataError where they agree on nothing."""
        if len(vocabulary) > _MOST_WORDS:
            raise DataError(f"a vocabulary of {len(vocabulary)} words; {_MOST_WORDS:,} are the most")
        rarity = Rarity(captions)
        grams = _table(rarity, vocabulary, recipe)
        if not grams:
            count = recipe.smallest_count
            raise DataError(f"too few photos: no {count} of them have a word of the model's in common")
        return cls(rarity, grams, _targets(rarity, captions, grams), *_words(captions, vocabulary))


def add_consensus(
    model: str | os.PathLike[str],
    photos: Sequence[CaptionedPhoto],
    names: Sequence[str],
    out: Path,
    device: str | None = None,
    progress: Progress = lambda done: None,
) -> Checkpoint:
    """Save in `out` a model, given by folder or name, with a consensus of these photos' captions; gives it.

    An earlier consensus goes. `names`: of the data, for the model's record. Raises DataError and ModelError.
    """
    folder = find_model(model)
    begun = checkpoint.load(folder)
    card = _peoples_card(begun, folder)
    if not isinstance(begun.model.decoder, AttentionDecoder):
        raise ModelError(
            f"{folder}: models of the student project's kinds write as they did, by no consensus"
        )
    check_there(photos)
    checkpoint.check_place(out)
    said = Said.of([[words(text) for text in photo.captions] for photo in photos], begun.vocabulary)
    pooled = torch.cat(list(_pooled(Captioner(begun, folder.name, device), photos, progress)))
    begun.model.set_consensus(fit(pooled, said, begun.vocabulary))
    made = Checkpoint(begun.model.cpu(), begun.vocabulary, _about(begun.about, photos, names))
    checkpoint.save(made, out, card=card)
    return checkpoint.load(out)


def _peoples_card(begun: Checkpoint, folder: Path) -> str:
    """What somebody wrote of the model; a card that was made for it is made anew for what comes of it."""
    card = checkpoint.read_card(folder)
    return "" if card == checkpoint.card_of(begun) else card


def _about(
    begun: Mapping[str, Any], photos: Sequence[CaptionedPhoto], names: Sequence[str]
) -> dict[str, Any]:
    """What is known of the model: it learnt from these photos, and its scores were of other captions."""
    kept = {name: value for name, value in begun.items() if name not in ("scores", "dev_cider_d")}
    return {**kept, **learnt(names, [photo.name for photo in photos], begun)}


def _pooled(captioner: Captioner, photos: Sequence[CaptionedPhoto], progress: Progress) -> Iterator[Tensor]:
    """What the model sees of photos when it is used, some at a time, in their order: (B, C)."""
    pixels = PhotoPixels(photos, captioner.model.config.preprocess)
    for _, some in DataLoader(pixels, batch_size=captioner.batch):
        yield captioner.features(some).float().mean(dim=1).cpu()
        progress(len(some))


def fit(
    pooled: Tensor, said: Said, vocabulary: Vocabulary, recipe: ConsensusRecipe = ConsensusRecipe()
) -> Consensus:
    """What is said of photos that are seen so: pooled features (N, C) -> a consensus. Raises DataError."""
    places, bias, gram_places = _regression(pooled.double(), said.targets, recipe)
    kept = torch.linspace(0, len(pooled) - 1, min(recipe.photos, len(pooled))).long()
    sizes = ConsensusSizes(places.shape[1], len(said.grams), len(kept), said.words.shape[1])
    made = Consensus(sizes, len(vocabulary), pooled.shape[1])
    located = pooled.double() @ places + bias
    made.place.weight.copy_(places.T)
    made.place.bias.copy_(bias)
    made.centre.copy_(located.mean(dim=0))
    made.photos.copy_(_whole((located - located.mean(dim=0))[kept])[0])
    made.words.copy_(said.words[kept])
    made.shares.copy_(said.shares[kept])
    made.usual.copy_(said.usual)
    _fill_table(made, said, vocabulary, gram_places)
    return made


def _table(rarity: Rarity, vocabulary: Vocabulary, recipe: ConsensusRecipe) -> dict[NGram, int]:
    """The most frequent n-grams that enough photos have, of words that the model knows; each with its row."""
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


def _regression(pooled: Tensor, targets: Tensor, recipe: ConsensusRecipe) -> tuple[Tensor, Tensor, Tensor]:
    """Places of photos: (C, S) and (S,); places of n-grams: (G, S). Their product is the expected target."""
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
    return places[:-1], places[-1] - centre @ places[:-1], reduced.T @ along


def _words(captions: Sequence[Sequence[Words]], vocabulary: Vocabulary) -> tuple[Tensor, Tensor, Tensor]:
    """Words of each photo's captions, filled up by <pad>; the shares (of 255) that have them; mean shares."""
    counts = [
        Counter(number for line in photo for number in {vocabulary.id(word) for word in line} if number > UNK)
        for photo in captions
    ]
    most = max(1, max(map(len, counts)))
    ids = torch.zeros(len(captions), most, dtype=torch.int16)
    shares = torch.zeros(len(captions), most)
    for row, (photo, found) in enumerate(zip(captions, counts, strict=True)):
        ids[row, : len(found)] = torch.tensor(list(found), dtype=torch.int16)
        shares[row, : len(found)] = torch.tensor([count / len(photo) for count in found.values()])
    usual = torch.zeros(len(vocabulary)).index_add_(0, ids.flatten().long(), shares.flatten())
    return ids, (shares * 255).round(), usual / len(captions)


def _fill_table(made: Consensus, said: Said, vocabulary: Vocabulary, places: Tensor) -> None:
    """Put the n-grams in the order of their keys, so that they can be found by bisection."""
    grams, rarity = said.grams, said.rarity
    ids = torch.zeros(len(grams), LONGEST, dtype=torch.long)
    for row, gram in enumerate(grams):
        ids[row, : len(gram)] = torch.tensor([vocabulary.id(word) for word in gram])
    lengths = (ids > 0).sum(dim=1)
    keys = torch.zeros(len(grams), dtype=torch.long)
    for length in range(1, LONGEST + 1):
        of_length = lengths == length
        keys[of_length] = keys_of(ids[of_length, :length], length, len(vocabulary)).flatten()
    keys, order = keys.sort()
    made.grams.copy_(keys)
    made.rarity.copy_(torch.tensor([rarity.of(gram) for gram in grams])[order])
    made.rarest.fill_(rarity.of(()))
    whole, scales = _whole(places[order])
    made.gram_places.copy_(whole)
    made.gram_scales.copy_(scales)


def _whole(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows as whole numbers from -127 to 127, and what to multiply each row by."""
    scales = rows.abs().amax(dim=1).clamp(min=1e-12) / 127
    return (rows / scales.unsqueeze(1)).round(), scales
