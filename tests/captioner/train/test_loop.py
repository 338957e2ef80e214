"""Training: it learns, resumes bit for bit, joins processes, and stops in order."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch

from captioner.configuration import CONFIGURATIONS, ModelConfig
from captioner.datasets import encode
from captioner.errors import DataError, ModelError
from captioner.model import CaptionModel
from captioner.networks import device
from captioner.tokens import words
from captioner.train import objectives
from captioner.train.batches import Batches, CachedViews, TrainingDetections
from captioner.train.loop import Training
from captioner.train.objectives import CrossEntropy, SelfCritical
from captioner.train.processes import Processes
from captioner.train.recipe import STUDENT_RECIPE, Recipe
from captioner.vocabulary import END, START, Vocabulary
from tests.captioner.worlds import RECIPE, TINY, WORDS, in_two_processes
from tests.synced import Synced

COUNT = 8
TOLD = dataclasses.replace(TINY, words=2, detector_words=3, detector_pairs=1, dropout=0.3)
STUDENT = dataclasses.replace(CONFIGURATIONS["model2"], embedding=16, hidden=16)
pytestmark = pytest.mark.usefixtures("short_resnet")


def references() -> list[list[list[str]]]:
    colours = WORDS.words[-6:]
    return [
        [words(f"a {colours[n % 6]} field under the sky"), words(f"the {colours[n % 6]} wall")]
        for n in range(COUNT)
    ]


def new_training(
    config: ModelConfig = TINY,
    recipe: Recipe = RECIPE,
    processes: Processes | None = None,
    objective: CrossEntropy | SelfCritical | None = None,
    vocabulary: Vocabulary = WORDS,
    lines: list[list[list[str]]] | None = None,
) -> Training:
    """Eight photos that exist as features alone; both views of a photo are the same without dropout."""
    generator = np.random.default_rng(0)
    shape = (COUNT, 2, 2048) if config.decoder == "show_and_tell" else (COUNT, 2, config.grid**2, 1280)
    features = generator.normal(size=shape).astype(np.float16)
    detected = None
    if config.words:
        ids = torch.from_numpy(generator.integers(4, len(WORDS), (COUNT, config.words)))
        detected = TrainingDetections(
            ids, torch.rand(ids.shape, generator=torch.Generator().manual_seed(0)), ids, 0.5
        )
    else:
        features[:, 1] = features[:, 0]
    torch.manual_seed(1)
    model = CaptionModel(config, len(vocabulary))
    captions = [encode(vocabulary, photo) for photo in lines or references()]
    batches = Batches(captions, recipe.photos_per_batch, detected)
    objective = objective or CrossEntropy(recipe.label_smoothing)
    return Training(model, batches, CachedViews(features), objective, vocabulary, recipe, processes)


def run_to_end(training: Training) -> list[float]:
    losses = []
    while training.epoch < training.recipe.epochs:
        losses.append(training.run_epoch())
        training.finish_epoch()
    return losses


def stop_at(step: int) -> Callable[[float], None]:
    def progress(_: float) -> None:
        nonlocal step
        step -= 1
        if step == 0:
            raise KeyboardInterrupt

    return progress


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("config", [TINY, STUDENT], ids=["attention", "show_and_tell"])
def test_the_loss_falls(config: ModelConfig) -> None:
    losses = run_to_end(new_training(config, dataclasses.replace(RECIPE, epochs=12)))
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize(("warmup", "steps"), [(200, 4), (3, 3), (0, 1)])
def test_the_warm_up_is_at_most_a_tenth_of_all_steps(warmup: int, steps: int) -> None:
    """Of few photos all steps would be warm-up, and the model learns nothing."""
    recipe = dataclasses.replace(RECIPE, epochs=10, photos_per_batch=2, warmup_steps=warmup, cosine=False)
    training = new_training(TINY, recipe)
    assert training.steps == 40
    peak, rates = recipe.learning_rate, list[float]()

    def note(_: float) -> None:
        rates.append(training.optimizer.param_groups[0]["lr"])

    training.run_epoch(note)
    training.finish_epoch()
    training.run_epoch(note)
    assert rates == pytest.approx([peak * min(1, step / steps) for step in range(1, 9)])


@pytest.mark.parametrize("step", [1, 4, 6])
def test_a_resumed_run_gives_bit_for_bit_what_a_straight_run_gives(step: int, tmp_path: Path) -> None:
    """In mid-epoch, with dropout, two views and words that are hidden at random; 4 steps an epoch."""
    straight = new_training(TOLD)
    expected = run_to_end(straight)
    stopped = new_training(TOLD)
    found = []
    with pytest.raises(KeyboardInterrupt):
        while True:
            found.append(stopped.run_epoch(stop_at(step - stopped.step)))
            stopped.finish_epoch()
    stopped.save_state(tmp_path / "state.pt")
    torch.rand(7)  # whatever happens in between
    resumed = new_training(TOLD)
    resumed.load_state(tmp_path / "state.pt")
    assert found + run_to_end(resumed) == expected
    assert same(resumed.model, straight.model) and same(resumed.averaged, straight.averaged)


@pytest.mark.parametrize("rate", [0.0, 1e-5], ids=["frozen", "trained"])
def test_the_size_of_a_state_is_known_before_it_is_saved(rate: float, tmp_path: Path) -> None:
    training = new_training(recipe=dataclasses.replace(RECIPE, encoder_learning_rate=rate))
    expected = training.state_size
    for weights in training.model.parameters():
        if weights.requires_grad:
            weights.grad = torch.zeros_like(weights)
    training.optimizer.step()
    training.save_state(tmp_path / "state.pt")
    assert (tmp_path / "state.pt").stat().st_size == pytest.approx(expected, rel=0.03)


def test_a_state_of_another_recipe_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    new_training().save_state(path)
    with pytest.raises(DataError, match="another recipe"):
        new_training(recipe=dataclasses.replace(RECIPE, seed=3)).load_state(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="not a training state"):
        new_training().load_state(path)


def test_what_differs_in_the_recipe_is_named_with_both_values(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    begun = new_training()
    begun.save_state(path)
    other = dataclasses.replace(RECIPE, epochs=5, learning_rate=1e-3)
    told = f"{path}: was made with another recipe (epochs 3, now 5; learning_rate 0.01, now 0.001); use the"
    with pytest.raises(DataError, match=f"^{re.escape(told)} options"):
        new_training(recipe=other).load_state(path)
    state = torch.load(path, weights_only=True)
    state["made with"]["recipe"]["momentum"] = 0.9  # a choice of a later version
    torch.save(state, path)
    with pytest.raises(DataError, match=r"another recipe \(momentum 0\.9, now none\); use the options"):
        new_training().load_state(path)


def test_a_run_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """Its state lacks what has become a choice since, and the time that its epoch had taken."""
    path = tmp_path / "state.pt"
    begun = new_training()
    begun.save_state(path)
    state = torch.load(path, weights_only=True)
    del state["made with"]["recipe"]["cosine"], state["made with"]["recipe"]["beta2"], state["seconds"]
    torch.save(state, path)
    resumed = new_training()
    resumed.load_state(path)
    assert run_to_end(resumed) == run_to_end(begun)
    with pytest.raises(DataError, match="another recipe"):
        new_training(recipe=dataclasses.replace(RECIPE, cosine=False)).load_state(path)


def test_a_state_that_is_not_saved_to_its_end_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(state: object, file: BinaryIO) -> None:
        file.write(b"the first half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        new_training().save_state(tmp_path / "state.pt")
    assert list(tmp_path.iterdir()) == []


def test_a_state_lasts_a_loss_of_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one file of a run that cannot be made again; a name whose content is lost helps nobody."""
    synced, state = Synced(monkeypatch), tmp_path / "state.pt"
    new_training().save_state(state)
    assert state in synced


def _renamed(words: Vocabulary) -> Vocabulary:
    return Vocabulary([{"field": "meadow"}.get(word, word) for word in words.words])


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (lambda: new_training(vocabulary=_renamed(WORDS)), "vocabulary"),  # of the same size
        (lambda: new_training(vocabulary=Vocabulary([*WORDS.words, "new"])), "vocabulary"),
        (lambda: new_training(dataclasses.replace(TINY, hidden=32)), "model"),
        (lambda: new_training(lines=references()[::-1]), "set of captions"),
        (lambda: new_training(lines=references()[:-2]), "set of captions"),
    ],
)
def test_a_state_made_with_anything_else_is_refused(
    other: Callable[[], Training], name: str, tmp_path: Path
) -> None:
    new_training().save_state(tmp_path / "state.pt")
    with pytest.raises(
        DataError, match=rf"state\.pt: was made with another {name}; use the options and data"
    ):
        other().load_state(tmp_path / "state.pt")


def _without(name: str) -> Callable[[Path], object]:
    def spoil(path: Path) -> None:
        state = torch.load(path, weights_only=True)
        del state[name]
        torch.save(state, path)

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"garbage"),
        lambda path: path.write_bytes(b""),
        lambda path: torch.save(torch.zeros(3), path),
        lambda path: torch.save({"made with": 3}, path),
        lambda path: torch.save({"made with": {"recipe": 3}}, path),
        _without("made with"),
        _without("model"),
        _without("counters"),
    ],
)
def test_what_is_no_state_is_said_in_one_line(spoil: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    new_training().save_state(path)
    spoil(path)
    with pytest.raises(ModelError, match=r"state\.pt: damaged, or not a training state") as caught:
        new_training().load_state(path)
    assert "\n" not in str(caught.value)


def test_a_further_process_whose_random_state_is_damaged_goes_on_with_a_fresh_one(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    new_training().save_state(path)
    (tmp_path / "state-1.pt").write_bytes(b"garbage")
    further = new_training(processes=Processes(1, 2))
    further.load_state(path)
    first = torch.get_rng_state()
    further.load_state(path)
    assert torch.equal(torch.get_rng_state(), first)


def test_the_student_recipe_trains_as_the_student_project_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam as PyTorch has it, at one rate from the first step to the last, and no gradient is clipped.

    In full precision on every machine: of a gradient that is nearly nothing Adam makes a whole step, and
    bfloat16's rounding would say in which direction.
    """
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: False)
    training = new_training(STUDENT, dataclasses.replace(STUDENT_RECIPE, epochs=3, photos_per_batch=4))
    with torch.no_grad():
        training.model.decoder.get_parameter("linear.weight").mul_(20)  # so that gradients are large
    model, norms = copy.deepcopy(training.model).train(), []
    adam = torch.optim.Adam([one for one in model.parameters() if one.requires_grad], lr=1e-3)
    for epoch in range(3):
        for batch in training.batches.epoch(epoch, training.recipe.seed):
            loss, count = CrossEntropy(0.0)(model, training.views(model, batch.photos), batch)
            adam.zero_grad()
            torch.autograd.backward(loss / count)
            norms.append(
                float(torch.nn.utils.get_total_norm(one.grad for one in adam.param_groups[0]["params"]))
            )
            adam.step()
    run_to_end(training)
    assert max(norms) > 2
    for name, value in training.model.decoder.state_dict().items():
        torch.testing.assert_close(value, model.decoder.state_dict()[name], msg=name)


#: Trained in two processes; of five photos a step one of them gets three, the other two.
JOINT: Mapping[str, tuple[ModelConfig, Recipe]] = {
    "attention": (TINY, RECIPE),
    "show_and_tell": (STUDENT, dataclasses.replace(RECIPE, photos_per_batch=5, epochs=6)),
}
_PROCESS = """
import pytest, sys, torch
from captioner.train.processes import Processes
from captioner.train.recipe import STUDENT_RECIPE, Recipe
from tests.captioner.conftest import shorten_resnets
from tests.captioner.train import test_loop
shorten_resnets(pytest.MonkeyPatch())
processes = Processes.from_environment(torch.device("cpu"))
training = test_loop.new_training(*test_loop.JOINT[sys.argv[1]], processes)
print(training.processes.rank, *(loss.hex() for loss in test_loop.run_to_end(training)))
print(*(float(value).hex() for value in test_loop.statistics(training)))
torch.distributed.destroy_process_group()
"""


def statistics(training: Training) -> list[float]:
    """What is kept of the features that went through batch normalisation (model1 to model5)."""
    buffers = training.model.encoder.named_buffers()
    return [float(number) for name, value in buffers if name.startswith("bn.") for number in value.view(-1)]


@pytest.mark.parametrize("decoder", JOINT)
def test_two_processes_give_the_loss_of_one_with_the_joint_batch(decoder: str) -> None:
    told = in_two_processes("-c", _PROCESS, decoder)
    training = new_training(*JOINT[decoder])
    alone = run_to_end(training)
    for rank, (output, errors) in enumerate(told):
        assert output.split()[:1] == [str(rank)], errors
        losses, kept = ([float.fromhex(one) for one in line.split()] for line in output[2:].splitlines())
        assert losses == pytest.approx(alone, rel=2e-3)  # sums of floats in another order
        assert kept == pytest.approx(statistics(training), rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("config", [TINY, STUDENT], ids=["attention", "show_and_tell"])
def test_self_critical_training_raises_the_reward(
    config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = dataclasses.replace(RECIPE, photos_per_batch=COUNT)  # batch statistics need several photos
    begun = new_training(config, dataclasses.replace(whole, epochs=15))
    run_to_end(begun)
    objective = SelfCritical(WORDS, references(), samples=6, longest=8)
    recipe = dataclasses.replace(whole, epochs=50)
    training = new_training(config, recipe, objective=objective)
    training.model.load_state_dict(begun.model.state_dict())
    rewards: list[float] = []
    scored = objective.reward.score

    def kept(photo: int, words: Sequence[str]) -> float:
        rewards.append(scored(photo, words))
        return rewards[-1]

    monkeypatch.setattr(objective.reward, "score", kept)
    run_to_end(training)
    quarter = len(rewards) // 4
    assert np.mean(rewards[-quarter:]) > 1.1 * np.mean(rewards[:quarter])


@pytest.mark.parametrize("config", [TOLD, STUDENT], ids=["attention", "show_and_tell"])
def test_every_weight_learns_from_drawn_captions_in_lower_precision(config: ModelConfig) -> None:
    """Up to torch 2.10 autocast keeps the copies of weights that drawing made, which have no gradient."""
    objective = SelfCritical(WORDS, references(), samples=4, longest=8)
    training = new_training(config, dataclasses.replace(RECIPE, photos_per_batch=COUNT), objective=objective)
    model, batch = training.model, next(training.batches.epoch(0, 0))
    features = training.views(model, batch.photos)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = objective(model, features, batch)
    torch.autograd.backward(loss)
    weights = model.decoder.named_parameters()
    untaught = [name for name, weight in weights if weight.grad is None and "detector." not in name]
    assert untaught == []


def test_a_caption_that_breaks_off_is_rewarded_less() -> None:
    """`<end>` is part of what is compared, so that "a dog in a" does not score like "a dog in a field"."""
    from captioner.train.batches import Batch

    lines = [[["red", "dog", "in", "snow"]], [["two", "boys", "on", "sand"]]]
    objective = SelfCritical(WORDS, lines, samples=2, longest=4)
    batch = Batch(torch.tensor([0]), torch.empty(0), torch.empty(0))
    broken, ended = lines[0][0], lines[0][0][:3]
    # Four words are the longest: the first was cut off there, the second ended where people do not.
    advantages = objective._advantages(batch, [broken, ended])
    assert advantages[0] > 0 and advantages.sum() == pytest.approx(0, abs=1e-5)
    roomy = SelfCritical(WORDS, lines, samples=2, longest=9)
    assert roomy._advantages(batch, [broken, ended])[0] > advantages[0]


@pytest.mark.parametrize("config", [TINY, STUDENT], ids=["attention", "show_and_tell"])
def test_the_end_of_a_caption_that_was_cut_is_not_learned(
    config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what was drawn has a probability: the words, and `<end>` where one was."""
    words_drawn = [[5, 6], [7]]  # the first was cut at the two words that are the longest
    monkeypatch.setattr(objectives, "sample", lambda *_: words_drawn)
    training = new_training(config)
    batch = next(training.batches.epoch(0, 0, 0, 1))
    batch = dataclasses.replace(batch, photos=batch.photos[:1])
    training.model.eval()
    features = training.views(training.model, batch.photos)
    objective = SelfCritical(WORDS, references(), samples=2, longest=2)
    monkeypatch.setattr(objective, "_advantages", lambda *_: torch.ones(2, 1))
    loss, count = objective(training.model, features, batch)
    assert count == 4  # not 5

    captions, owners = torch.tensor([[START, 5, 6], [START, 7, END]]), torch.tensor([0, 0])
    logs = objectives._scores(training.model, features, captions, owners, None)[-4:].log_softmax(1)
    expected = logs[0, 5] + logs[1, 7] + logs[2, 6] + logs[3, END]  # word by word
    assert loss.item() == pytest.approx(-expected.item(), rel=1e-4)
