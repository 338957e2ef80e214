"""The architectures that have a name."""

from __future__ import annotations

import pytest

from captioner.configuration import CONFIGURATIONS, ConsensusSizes, configuration
from captioner.errors import ModelError


def test_the_named_models_are_those_of_the_student_project() -> None:
    sizes = {
        name: (one.encoder, one.layers, one.hidden, one.embedding, one.frozen_embedding)
        for name, one in CONFIGURATIONS.items()
        if name != "default"
    }
    assert sizes == {
        "model1": ("resnet152", 1, 512, 256, False),
        "model2": ("resnet101", 1, 512, 256, False),
        "model3": ("resnet152", 1, 256, 128, False),
        "model4": ("resnet101", 2, 512, 256, False),
        "model5": ("resnet101", 1, 512, 300, True),
    }
    with pytest.raises(ModelError, match="unknown architecture 'model9'; known: default, model1"):
        configuration("model9")


@pytest.mark.parametrize(
    ("space", "photos", "words", "says"),
    [
        (1, 32_768, 1, "photos is 32768; a number from 1 to 32,767 is expected"),
        (100_000, 20_000, 1, "space is 100000; a number from 1 to 5,000 is expected"),
        (256, 20_000, 5_001, "words is 5001; a number from 1 to 5,000 is expected"),
    ],
)
def test_a_consensus_fits_the_memory(space: int, photos: int, words: int, says: str) -> None:
    """Also where each size by itself is none to wonder at."""
    with pytest.raises(ModelError, match=says):
        ConsensusSizes(space=space, grams=1, photos=photos, words=words, entries=1)
