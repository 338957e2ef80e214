"""Words for one thing: a caption that has named it does not name it again.

No word of content comes twice in a caption, so decoders turned to the next best one: "a man is riding a
bicycle on a bike" (17 of 1,084 captions). Few of people's captions name such a thing by two words (of COCO's
that name a bike 3.7 %, a boat 2.2, a street 1.8), and those lose little; "a man and a woman" and "a laptop
computer" are two words of good captions.
"""

from __future__ import annotations

from collections.abc import Mapping

from captioner.vocabulary import UNK, Vocabulary

SYNONYMS = (
    "bike bikes bicycle bicycles motorcycle motorcycles motorbike motorbikes scooter scooters",
    "boat boats canoe canoes kayak kayaks raft rafts",
    "car cars automobile vehicle vehicles",
    "street streets road roads",
    "couch sofa",
)


def synonym_ids(vocabulary: Vocabulary) -> tuple[tuple[int, ...], ...]:
    """The groups in a vocabulary's numbers, without the words that it lacks."""
    groups = (sorted({vocabulary.id(word) for word in group.split()} - {UNK}) for group in SYNONYMS)
    return tuple(tuple(group) for group in groups if len(group) > 1)


def others_by_word(groups: tuple[tuple[int, ...], ...]) -> Mapping[int, tuple[int, ...]]:
    """Word -> the other words of its group."""
    return {word: tuple(other for other in group if other != word) for group in groups for word in group}
