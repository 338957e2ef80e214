"""A model as a whole: what its encoder gives is what its decoder reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from captioner.configuration import CONFIGURATIONS, ConsensusSizes, ModelConfig
from captioner.errors import ModelError
from captioner.model import CaptionModel
from tests.captioner.worlds import TINY, WORDS

STUDENT = dataclasses.replace(CONFIGURATIONS["model4"], embedding=12, hidden=10)


@torch.no_grad()
def test_encoders_give_what_their_decoders_read() -> None:
    attention, student = (CaptionModel(one, len(WORDS)).eval() for one in (TINY, STUDENT))
    assert attention.encoder(torch.randn(1, 3, 64, 64)).shape == (1, 4, 1280)
    assert student.encoder.head(torch.randn(2, 2048)).shape == (2, 12)


@pytest.mark.parametrize("config", [TINY, STUDENT])
def test_a_model_whose_weights_are_to_be_loaded_draws_none(config: ModelConfig) -> None:
    before = torch.get_rng_state()
    unfilled = CaptionModel.unfilled(config, len(WORDS))
    assert torch.equal(torch.get_rng_state(), before)
    drawn = CaptionModel(config, len(WORDS))
    assert not torch.equal(torch.get_rng_state(), before)
    assert all(not value.is_meta for value in unfilled.state_dict().values())
    unfilled.load_state_dict(drawn.state_dict())


class Calls(TorchFunctionMode):
    """While this is entered, it notes which functions of torch are called."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[Callable[..., Any]] = set()

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.seen.add(function)
        return function(*args, **(kwargs or {}))


def test_a_model_whose_weights_are_to_be_loaded_fills_no_memory() -> None:
    """A forged config.json may ask for gigabytes; they are refused by the weights, which come later."""
    sizes = ConsensusSizes(space=8, grams=9, photos=10, words=11, entries=12)
    config = dataclasses.replace(TINY, consensus=sizes)
    with Calls() as calls:
        unfilled = CaptionModel.unfilled(config, len(WORDS))
    assert torch.empty in calls.seen and torch.zeros not in calls.seen
    with Calls() as calls:
        filled = CaptionModel(config, len(WORDS))
    assert torch.zeros in calls.seen
    for name, value in filled.state_dict().items():
        other = unfilled.state_dict()[name]
        assert (other.shape, other.dtype) == (value.shape, value.dtype)


def test_more_places_can_be_looked_at_without_other_weights() -> None:
    model = CaptionModel(TINY, len(WORDS)).eval()
    model.set_grid(3)
    assert model.config.grid == 3
    with torch.no_grad():
        assert model.encoder(torch.randn(1, 3, 64, 64)).shape == (1, 9, 1280)


def test_a_pooled_encoder_has_no_grid() -> None:
    with pytest.raises(ModelError, match="it has no grid"):
        CaptionModel(STUDENT, len(WORDS)).set_grid(3)
