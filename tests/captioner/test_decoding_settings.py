"""The settings that a model is decoded with."""

from __future__ import annotations

from dataclasses import replace

from captioner.configuration import ConsensusSizes
from captioner.decoding_settings import usual_decoding
from captioner.model import CaptionModel
from tests.captioner.worlds import TINY, WORDS


def test_runners_up_are_for_a_consensus_that_chooses_in_one_beam() -> None:
    plain = CaptionModel(TINY, len(WORDS))
    choosing = CaptionModel(replace(TINY, consensus=ConsensusSizes(1, 1, 1, 1, 1)), len(WORDS))
    assert not usual_decoding(plain, WORDS, 3).runners_up
    assert all(usual_decoding(choosing, WORDS, beam).runners_up for beam in (2, 3))
    assert not usual_decoding(choosing, WORDS, 3, groups=2).runners_up
    assert not usual_decoding(choosing, WORDS, 1).runners_up
