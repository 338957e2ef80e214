"""Fill a model's table of lifts: from captions without photos, and from the photos that it was trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.cider import Words
from captioner.counted import counted
from captioner.errors import DataError
from captioner.guides.cooccurrence import STEPS, Cooccurrence, recognised_words
from captioner.networks.detector import WordDetector
from captioner.vocabulary import UNK, Vocabulary

#: Captions of one image, each as its words.
_Image = Sequence[Words]

_FEWEST = 20  # images whose captions must have a noun, or nothing is said of its company
#: So many images more, in which every word is as frequent as in all: a lift seen in few images is no news.
_PRIOR = 5.0
_RAREST = 1e-5  # added to the frequency of each word, for those that no caption has
#: With so many captioned photos of a noun, the text has half its say.
_HALF_TRUST = 30.0


@dataclass(frozen=True, slots=True)
class NounsOfText:
    """Which of ImageNet's nouns come often enough in I images' captions, and where."""

    shares: Tensor  # (I, V) sparse: share of an image's captions that have a word
    nouns: Tensor  # (N,) their numbers in the detector
    have: Tensor  # (I, N) sparse: 1 where an image's captions have a noun

    @classmethod
    def of(cls, text: Sequence[_Image], detector: WordDetector, vocabulary: Vocabulary) -> NounsOfText:
        """Raises DataError where no noun comes often enough in the text."""
        shares, candidates = _word_shares(text, vocabulary), torch.unique(detector.word_of)
        have = _presence(shares, detector.ids[candidates])
        frequent = (_images_with(have) >= _FEWEST).nonzero().squeeze(1)
        if not len(frequent):
            raise DataError(
                f"no {_FEWEST} images of the text have a noun of ImageNet's classes in common; "
                f"give --text captions of more than {counted(len(shares), 'image')}, or leave it out"
            )
        return cls(shares, candidates[frequent], have.index_select(1, frequent))


@torch.no_grad()
def fit_cooccurrence(
    text: NounsOfText,
    photos: Sequence[_Image],
    pooled: Tensor,
    detector: WordDetector,
    vocabulary: Vocabulary,
) -> Cooccurrence:
    """Fit a table of lifts to a text, for a model trained on `photos`.

    `pooled` (B, C): the photos' features. Raises DataError where all photos look the same.
    """
    result = Cooccurrence(len(text.nouns), len(vocabulary))
    result.nouns.copy_(text.nouns)
    seen = _images_with(_presence(_word_shares(photos, vocabulary), detector.ids[text.nouns]))
    result.trust.copy_(_HALF_TRUST / (_HALF_TRUST + seen))
    lifts = _lifts(text)
    result.lifts.copy_((lifts.log() * STEPS).round().clamp(-127, 127))
    recognised = recognised_words(pooled.float(), detector)
    usual = torch.stack([recognised.mean(), recognised.std()])
    if not usual[1].half() > 0:  # as it is stored
        raise DataError("all photos look the same to the model: none is unlike them")
    result.recognised.copy_(usual)
    return result


def _lifts(text: NounsOfText) -> Tensor:
    """Lift (N, V) of each word for each noun."""
    usual = torch.sparse.sum(text.shares, dim=0).to_dense() / len(text.shares) + _RAREST
    together = torch.sparse.mm(text.shares.T, text.have.to_dense()).T
    images = _images_with(text.have).unsqueeze(1)
    lifts: Tensor = (together + _PRIOR * usual) / ((images + _PRIOR) * usual)
    return lifts


def _word_shares(images: Sequence[_Image], vocabulary: Vocabulary) -> Tensor:
    """Share of each image's captions that have a word: sparse (I, V)."""
    counts = word_counts(images, vocabulary)
    rows = [row for row, found in enumerate(counts) for _ in found]
    columns = [number for found in counts for number in found]
    shares = [
        count / len(captions)
        for found, captions in zip(counts, images, strict=True)
        for count in found.values()
    ]
    size = (len(images), len(vocabulary))
    places = torch.tensor([rows, columns])
    return torch.sparse_coo_tensor(places, torch.tensor(shares), size, check_invariants=True).coalesce()


def word_counts(images: Sequence[_Image], vocabulary: Vocabulary) -> list[Counter[int]]:
    """For each image, in how many of its captions each word comes, by the words' ids."""
    return [
        Counter(number for line in image for number in {vocabulary.id(word) for word in line} if number > UNK)
        for image in images
    ]


def _presence(shares: Tensor, words: Tensor) -> Tensor:
    """1 where an image has a caption with one of these words: sparse (I, N)."""
    chosen = shares.index_select(1, words).coalesce()
    ones = torch.ones_like(chosen.values())
    return torch.sparse_coo_tensor(chosen.indices(), ones, chosen.shape, check_invariants=False)


def _images_with(have: Tensor) -> Tensor:
    """How many images have each noun (N,)."""
    return torch.sparse.sum(have, dim=0).to_dense()
