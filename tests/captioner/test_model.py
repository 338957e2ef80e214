"""A model as a whole: what its encoder gives is what its decoder reads."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from captioner.configuration import CONFIGURATIONS
from captioner.errors import ModelError
from captioner.model import CaptionModel
from tests.captioner.worlds import TINY, WORDS

STUDENT = dataclasses.replace(CONFIGURATIONS["model4"], embedding=12, hidden=10)


@torch.no_grad()
def test_encoders_give_what_their_decoders_read() -> None:
    attention, student = (CaptionModel(one, len(WORDS)).eval() for one in (TINY, STUDENT))
    assert attention.encoder(torch.randn(1, 3, 64, 64)).shape == (1, 4, 1280)
    assert student.encoder.head(torch.randn(2, 2048)).shape == (2, 12)


def test_more_places_can_be_looked_at_without_other_weights() -> None:
    model = CaptionModel(TINY, len(WORDS)).eval()
    model.set_grid(3)
    assert model.config.grid == 3
    with torch.no_grad():
        assert model.encoder(torch.randn(1, 3, 64, 64)).shape == (1, 9, 1280)


def test_a_pooled_encoder_has_no_grid() -> None:
    with pytest.raises(ModelError, match="it has no grid"):
        CaptionModel(STUDENT, len(WORDS)).set_grid(3)
