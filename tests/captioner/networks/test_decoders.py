"""The two decoder families: word by word gives the scores of teacher forcing."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from captioner.configuration import CONFIGURATIONS, ModelConfig
from captioner.model import CaptionModel
from captioner.networks.decoders import DetectedWords, ShowAndTellDecoder, pack
from tests.captioner.worlds import TINY, WORDS

STUDENT = dataclasses.replace(CONFIGURATIONS["model4"], embedding=12, hidden=10)


def decoder_of(config: ModelConfig) -> CaptionModel:
    torch.manual_seed(0)
    return CaptionModel(config, len(WORDS)).eval()


@pytest.fixture(scope="module")
def attention() -> CaptionModel:
    return decoder_of(TINY)


@pytest.fixture(scope="module")
def student() -> CaptionModel:
    return decoder_of(STUDENT)


def whole(captions: Tensor) -> PackedSequence:
    return pack(captions, torch.full((len(captions),), captions.shape[1]))


def padded(scores: PackedSequence) -> Tensor:
    return pad_packed_sequence(scores, batch_first=True)[0]


@torch.no_grad()
def test_attention_steps_give_the_scores_of_teacher_forcing(attention: CaptionModel) -> None:
    features = torch.randn(2, 4, 1280)
    captions = torch.tensor([[1, 5, 6, 7], [1, 8, 9, 10], [1, 4, 4, 4]])
    owners = torch.tensor([0, 1, 0])
    together = padded(attention.decoder(features, whole(captions), owners))
    scores, fixed, state = attention.decoder.begin(features[owners])
    for place in range(4):
        torch.testing.assert_close(scores, together[:, place], rtol=1e-4, atol=1e-4)
        if place < 3:
            scores, state = attention.decoder.step(captions[:, place + 1], fixed, state)


@torch.no_grad()
def test_hypotheses_of_a_photo_share_what_stays_fixed(attention: CaptionModel) -> None:
    """A row a photo of what stays fixed gives the scores of a row a hypothesis."""
    _, fixed, state = attention.decoder.begin(torch.randn(2, 4, 1280))
    state = tuple(part.repeat_interleave(3, dim=0) for part in state)
    repeated = tuple(part.repeat_interleave(3, dim=0) for part in fixed)
    words = torch.tensor([4, 5, 6, 7, 8, 9])
    shared, _ = attention.decoder.step(words, fixed, state)
    torch.testing.assert_close(
        shared, attention.decoder.step(words, repeated, state)[0], rtol=1e-4, atol=1e-4
    )


@torch.no_grad()
def test_student_steps_give_the_scores_of_teacher_forcing(student: CaptionModel) -> None:
    features = torch.randn(2, 12)
    captions = torch.tensor([[1, 5, 6], [1, 8, 9], [1, 4, 4]])
    owners = torch.tensor([1, 0, 0])
    together = padded(
        student.decoder(features, whole(captions), owners)
    )  # scores of <start>, two words and the next
    scores, fixed, state = student.decoder.begin(features[owners])
    for place in range(4):
        torch.testing.assert_close(scores, together[:, place], rtol=1e-4, atol=1e-4)
        if place < 3:
            scores, state = student.decoder.step(captions[:, place], fixed, state)


@pytest.mark.parametrize(("config", "shape", "more"), [(TINY, (3, 4, 1280), 0), (STUDENT, (3, 12), 1)])
@torch.no_grad()
def test_captions_of_any_length_are_scored_together_as_alone(
    config: ModelConfig, shape: tuple[int, ...], more: int
) -> None:
    decoder, features, owners = decoder_of(config).decoder, torch.randn(shape), torch.tensor([2, 0, 1, 0])
    captions, lengths = torch.randint(4, len(WORDS), (4, 5)), torch.tensor([2, 5, 1, 3])
    scores, counts = pad_packed_sequence(decoder(features, pack(captions, lengths), owners), batch_first=True)
    assert counts.tolist() == (lengths + more).tolist()
    for caption, length, owner, row in zip(captions, lengths.tolist(), owners, scores, strict=True):
        alone = padded(
            decoder(features[owner].unsqueeze(0), whole(caption[None, :length]), torch.tensor([0]))
        )
        torch.testing.assert_close(row[: length + more], alone[0], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_hidden_photos_do_not_reach_the_decoder() -> None:
    model = decoder_of(dataclasses.replace(TINY, words=2, detector_words=3, detector_pairs=1))
    words_alone = DetectedWords(torch.tensor([[5, 6]]), torch.tensor([[0.9, 0.4]]), torch.tensor([True]))
    captions, owners = whole(torch.tensor([[1, 5, 6]])), torch.tensor([0])
    one, other = (
        model.decoder(torch.randn(1, 4, 1280), captions, owners, words_alone).data for _ in range(2)
    )
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    shown = words_alone._replace(blind=torch.tensor([False]))
    assert not torch.allclose(one, model.decoder(torch.randn(1, 4, 1280), captions, owners, shown).data)


def test_a_frozen_embedding_is_not_trained() -> None:
    model = CaptionModel(dataclasses.replace(STUDENT, frozen_embedding=True), len(WORDS))
    assert isinstance(model.decoder, ShowAndTellDecoder)
    assert not model.decoder.embed.weight.requires_grad
    assert model.decoder.linear.weight.requires_grad
