"""The decoder in bfloat16 is the decoder it was made of, up to rounding."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from captioner.configuration import CONFIGURATIONS
from captioner.decode import decode
from captioner.decoding_settings import usual_decoding
from captioner.model import CaptionModel
from captioner.networks import cpu_decoder
from captioner.networks.cpu_decoder import HalvedDecoder, faster_decoder
from captioner.networks.decoders import AttentionDecoder
from tests.captioner.worlds import TINY, WORDS

CHANNELS = 1280


def decoder(seed: int = 0) -> AttentionDecoder:
    torch.manual_seed(seed)
    return AttentionDecoder(TINY, len(WORDS), CHANNELS).eval()


@pytest.mark.parametrize("frequent", [1, 8, 10_000])
def test_scores_are_those_of_float32_up_to_rounding(frequent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_decoder, "FREQUENT", frequent)
    plain = decoder()
    halved = HalvedDecoder(plain)
    features, words = torch.randn(3, 4, CHANNELS), torch.tensor([5, 6, 7])
    with torch.inference_mode():
        first, fixed, state = plain.begin(features)
        second, (hidden, cell) = plain.step(words, fixed, state)
        halved_first, fixed, state = halved.begin(features)
        halved_second, (halved_hidden, halved_cell) = halved.step(words, fixed, state)
    for exact, rounded in (
        (first, halved_first),
        (second, halved_second),
        (hidden, halved_hidden),
        (cell, halved_cell),
    ):
        assert rounded.dtype == torch.float32
        assert rounded.shape == exact.shape
        assert 0 < (rounded - exact).abs().max() < 0.02 * exact.abs().max()


def test_what_it_was_made_of_stays_as_it_was() -> None:
    plain = decoder()
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    HalvedDecoder(plain)
    assert plain.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())


def test_captions_are_the_same_in_any_batch() -> None:
    halved = HalvedDecoder(decoder(seed=2))
    model = CaptionModel(TINY, len(WORDS))
    features, how = torch.randn(5, 4, CHANNELS), usual_decoding(model, WORDS)
    together = decode(halved, features, how)
    alone = [decode(halved, features[row : row + 1], how)[0] for row in range(5)]
    assert [row[0].ids for row in together] == [row[0].ids for row in alone]


def test_a_cpu_without_bfloat16_keeps_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = decoder()
    monkeypatch.setattr(cpu_decoder, "cpu_has_bfloat16", lambda: False)
    assert faster_decoder(plain) is plain
    monkeypatch.setattr(cpu_decoder, "cpu_has_bfloat16", lambda: True)
    assert isinstance(faster_decoder(plain), HalvedDecoder)


def test_the_student_projects_decoders_stay_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_decoder, "cpu_has_bfloat16", lambda: True)
    config = dataclasses.replace(CONFIGURATIONS["model2"], embedding=16, hidden=16)
    made = CaptionModel(config, len(WORDS))
    assert faster_decoder(made.decoder) is made.decoder
