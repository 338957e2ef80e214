"""The architectures that have a name."""

from __future__ import annotations

import pytest

from captioner.configuration import CONFIGURATIONS, configuration
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
