"""Training and captioning on a GPU, as far as a pretended one tells: all that meets there was moved there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from captioner.captioner import Captioner
from captioner.configuration import CONFIGURATIONS
from captioner.networks.decoders import AttentionDecoder
from captioner.networks.device import choose_device
from captioner.train.consensus import add_consensus
from captioner.train.detector import DetectorRecipe
from captioner.train.run import BEST, TrainingData, TrainingRun, train
from tests.captioner.pretended_gpu import GPU, PretendedGpu
from tests.captioner.worlds import RECIPE, TINY, coloured_photos

#: The default architecture in small: with a detector, whose learnt part knows some words.
DEFAULT = dataclasses.replace(TINY, words=2, detector_words=3, detector_pairs=1)
STUDENT = dataclasses.replace(CONFIGURATIONS["model2"], embedding=16, hidden=16, preprocess=TINY.preprocess)


@pytest.fixture(autouse=True)
def gpu() -> Iterator[None]:
    with PretendedGpu():
        yield


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    photos = coloured_photos(tmp_path / "photos", 7)
    return TrainingData(photos[:4], photos[4:])


def run_of(folder: Path, start: Path | None = None, *, critical: bool = False) -> TrainingRun:
    """A run of one epoch of the default architecture."""
    recipe = dataclasses.replace(RECIPE, epochs=1, smallest_count=1, self_critical=critical)
    words = DetectorRecipe(smallest_count=1, epochs=1)
    return TrainingRun(DEFAULT, recipe, folder, folder.parent / "cache", start, str(GPU), detector=words)


@pytest.mark.parametrize(
    "mix",
    [
        lambda: torch.ones(2, device=GPU) + torch.ones(2),
        lambda: torch.zeros(2, device=GPU).__setitem__(torch.tensor([True, False]), torch.ones(1)),
        lambda: torch.nn.Linear(2, 2).to(choose_device(GPU.type))(torch.ones(1, 2)),
        lambda: torch.nn.Linear(2, 2)(torch.ones(1, 2).to(GPU)),
    ],
)
def test_the_pretended_gpu_takes_nothing_of_the_cpu(mix: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match="all tensors to be on the same device"):
        mix()


def test_the_default_architecture_trains(data: TrainingData, tmp_path: Path) -> None:
    """From nothing with text, then self-critically with its encoder; then it gets a consensus."""
    text = [("a red field under the sky",), ("the blue wall",)]
    made = train(run_of(tmp_path / "new"), dataclasses.replace(data, text=text, text_names=("1", "2")))
    assert isinstance(made.model.decoder, AttentionDecoder)
    assert made.model.decoder.detector.learnt.weight.any()
    critical = run_of(tmp_path / "critical", tmp_path / "new" / BEST, critical=True)
    recipe = dataclasses.replace(critical.recipe, encoder_learning_rate=1e-5)
    train(dataclasses.replace(critical, recipe=recipe), data)
    told = add_consensus(tmp_path / "critical" / BEST, [*data.train] * 5, (), tmp_path / "told", str(GPU))
    assert told.model.consensus is not None


@pytest.mark.usefixtures("short_resnet")
def test_a_student_model_trains(data: TrainingData, tmp_path: Path) -> None:
    run = run_of(tmp_path / "new")
    train(dataclasses.replace(run, config=STUDENT, pretrained=False), data)
    train(run_of(tmp_path / "critical", run.folder / BEST, critical=True), data)


def test_the_default_model_captions_with_its_guides(photos: Path) -> None:
    captioner = Captioner.load("default", str(GPU))
    model = captioner.model
    assert model.consensus is not None and model.cooccurrence is not None and model.phrasing is not None
    for name in ("astronaut.png", "coffee.png"):  # one by one: other threads have no pretended GPU
        for beam, captions, diversity in ((1, 1, 0.0), (3, 3, 0.5)):
            [told] = captioner.stream([photos / name], beam=beam, captions=captions, diversity=diversity)
            assert told.error is None and all(caption.text for caption in told.captions)
