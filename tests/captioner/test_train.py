"""Training: it learns, resumes bit for bit, joins processes, and stops in order."""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import models

from captioner import checkpoint, objectives
from captioner.batches import Batches, CachedViews, Detected
from captioner.configuration import CONFIGURATIONS, ModelConfig
from captioner.datasets import CaptionedPhoto, encode
from captioner.errors import DataError, ModelError
from captioner.model import CaptionModel
from captioner.objectives import CrossEntropy, SelfCritical
from captioner.processes import Processes
from captioner.tokens import words
from captioner.train import EpochReport, Recipe, Training
from captioner.training_record import learnt_from
from captioner.training_run import BEST, STATE, Data, Run, train
from captioner.vocabulary import END, START, Vocabulary
from captioner.word_vectors import WordVectors
from tests.captioner.worlds import TINY, WORDS, coloured_photos

COUNT = 8
RECIPE = Recipe(epochs=3, photos_per_batch=2, learning_rate=1e-2, warmup_steps=2, label_smoothing=0.0)
TOLD = dataclasses.replace(TINY, words=2, detector_words=3, detector_pairs=1, dropout=0.3)
STUDENT = dataclasses.replace(CONFIGURATIONS["model2"], embedding=16, hidden=16)


@pytest.fixture(autouse=True)
def short_resnet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few blocks, since these tests are of training."""

    def short(weights: None = None) -> torch.nn.Module:
        return models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1])

    monkeypatch.setattr(models, "resnet101", short)


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
        detected = Detected(ids, torch.rand(ids.shape, generator=torch.Generator().manual_seed(0)), ids, 0.5)
    else:
        features[:, 1] = features[:, 0]
    torch.manual_seed(1)
    model = CaptionModel(config, len(vocabulary))
    captions = [encode(vocabulary, photo) for photo in lines or references()]
    batches = Batches(captions, recipe.photos_per_batch, detected)
    objective = objective or CrossEntropy(recipe.label_smoothing)
    return Training(model, batches, CachedViews(model, features), objective, vocabulary, recipe, processes)


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


def test_a_state_of_another_recipe_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    new_training().save_state(path)
    with pytest.raises(DataError, match="another recipe"):
        new_training(recipe=dataclasses.replace(RECIPE, seed=3)).load_state(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="not a training state"):
        new_training().load_state(path)


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


_PROCESS = """
import dataclasses
from captioner.processes import Processes
from tests.captioner.test_train import RECIPE, new_training, run_to_end
training = new_training(processes=Processes.from_environment())
print(training.processes.rank, *(loss.hex() for loss in run_to_end(training)))
import torch
torch.distributed.destroy_process_group()
"""


def test_two_processes_give_the_loss_of_one_with_the_joint_batch() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS],
            env=os.environ
            | {"WORLD_SIZE": "2", "RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    alone = run_to_end(new_training())
    told = [process.communicate(timeout=240) for process in started]
    for rank, (output, errors) in enumerate(told):
        found = output.split()
        assert found[:1] == [str(rank)], errors
        losses = [float.fromhex(loss) for loss in found[1:]]
        assert losses == pytest.approx(alone, rel=2e-3)  # sums of floats in another order


@pytest.mark.parametrize("config", [TINY, STUDENT], ids=["attention", "show_and_tell"])
def test_self_critical_training_raises_the_reward(config: ModelConfig) -> None:
    whole = dataclasses.replace(RECIPE, photos_per_batch=COUNT)  # batch statistics need several photos
    begun = new_training(config, dataclasses.replace(whole, epochs=15))
    run_to_end(begun)
    objective = SelfCritical(WORDS, references(), samples=6, longest=8)
    recipe = dataclasses.replace(whole, epochs=50)
    training = new_training(config, recipe, objective=objective)
    training.model.load_state_dict(begun.model.state_dict())
    rewards: list[float] = []
    scored = objective.reward.score
    objective.reward.score = lambda photo, line: rewards.append(scored(photo, line)) or rewards[-1]  # type: ignore[method-assign,func-returns-value]
    run_to_end(training)
    quarter = len(rewards) // 4
    assert np.mean(rewards[-quarter:]) > 1.1 * np.mean(rewards[:quarter])


def test_a_caption_that_breaks_off_is_rewarded_less() -> None:
    """`<end>` is part of what is compared, so that "a dog in a" does not score like "a dog in a field"."""
    from captioner.batches import Batch

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
    features = training.views(batch.photos)
    objective = SelfCritical(WORDS, references(), samples=2, longest=2)
    monkeypatch.setattr(objective, "_advantages", lambda *_: torch.ones(2, 1))
    loss, count = objective(training.model, features, batch)
    assert count == 4  # not 5

    captions, owners = torch.tensor([[START, 5, 6], [START, 7, END]]), torch.tensor([0, 0])
    logs = objectives._scores(training.model, features, captions, owners, None)[-4:].log_softmax(1)
    expected = logs[0, 5] + logs[1, 7] + logs[2, 6] + logs[3, END]  # word by word
    assert loss.item() == pytest.approx(-expected.item(), rel=1e-4)


# The whole run, from photos to a saved model


class Watch:
    """Remembers the epochs; `act` may interrupt at a step (in the epochs alone) or at an epoch's report."""

    def __init__(self, at_step: int = 0, at_epoch: int = 0, act: Callable[[], None] | None = None) -> None:
        self.reports: list[EpochReport] = []
        self._at_step, self._at_epoch, self._act = at_step, at_epoch, act or self._stop

    @staticmethod
    def _stop() -> None:
        raise KeyboardInterrupt

    def stage(self, name: str, total: int) -> None:
        assert name and total > 0

    def advance(self, count: int = 1, loss: float | None = None) -> None:
        if loss is not None:
            self._at_step -= 1
            if self._at_step == 0:
                self._act()

    def epoch(self, report: EpochReport) -> None:
        if report.epoch == self._at_epoch:
            self._act()
        self.reports.append(report)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("photos")
    return Data(coloured_photos(folder, 6), coloured_photos(folder, 3, first=6), names=("colours",))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def small_run(folder: Path, cache: Path) -> Run:
    recipe = dataclasses.replace(RECIPE, epochs=2, smallest_count=1)
    return Run(TINY, recipe, folder, cache, device="cpu")


def outcome(watch: Watch, folder: Path) -> tuple[list[tuple[int, float, float]], str]:
    reports = [(one.epoch, one.loss, one.score) for one in watch.reports]
    return reports, checkpoint.load(folder / "best").digest


def test_a_run_leaves_a_model_a_log_and_a_record_of_its_photos(
    data: Data, cache: Path, tmp_path: Path
) -> None:
    made = train(small_run(tmp_path, cache), data, Watch())
    assert made.about["data"] == ["colours"]
    assert learnt_from(made.about, ["photo0.png", "photo6.png"]) == ["photo0.png"]
    lines = (tmp_path / "training-log.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss,score,seconds" and len(lines) == 3


def _sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    "watch", [lambda: Watch(at_step=4), lambda: Watch(at_epoch=1), lambda: Watch(at_step=2, act=_sigterm)]
)
def test_an_interrupted_run_resumes_to_the_same_model(
    watch: Callable[[], Watch], data: Data, cache: Path, tmp_path: Path
) -> None:
    """Ctrl-C in an epoch, Ctrl-C while its score is reported, and SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    straight, stopped, resumed = Watch(), watch(), Watch()
    train(small_run(tmp_path / "straight", cache), data, straight)
    with pytest.raises(KeyboardInterrupt):
        train(small_run(tmp_path / "resumed", cache), data, stopped)
    assert (tmp_path / "resumed" / STATE).exists()
    assert signal.getsignal(signal.SIGTERM) == before
    train(small_run(tmp_path / "resumed", cache), data, resumed, resume=True)
    stopped.reports += resumed.reports
    assert outcome(stopped, tmp_path / "resumed") == outcome(straight, tmp_path / "straight")


def test_test_photos_among_the_training_photos_are_refused(data: Data, cache: Path, tmp_path: Path) -> None:
    leaky = dataclasses.replace(data, dev=[*data.dev, data.train[0]])
    with pytest.raises(DataError, match=r"1 test photos are training photos too, such as photo0\.png"):
        train(small_run(tmp_path, cache), leaky, Watch())


def test_coco_names_a_photo_in_two_ways(data: Data, cache: Path, tmp_path: Path) -> None:
    def named(name: str) -> CaptionedPhoto:
        return dataclasses.replace(data.train[0], image=tmp_path / name)

    long, short = named("COCO_train2014_000000000009.jpg"), named("000000000009.jpg")
    for train_photo, dev_photo in ((long, short), (short, long)):
        leaky = dataclasses.replace(data, train=[train_photo], dev=[dev_photo])
        with pytest.raises(DataError, match=f"such as {dev_photo.image.name}"):
            train(small_run(tmp_path, cache), leaky, Watch())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_not_begun_anew_over_an_earlier_one(data: Data, cache: Path, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", cache)
    made = train(run, data, Watch())
    before = contents(run.folder)
    with pytest.raises(DataError, match="run: holds a run already; go on with it by --resume, or name"):
        train(run, data, Watch())
    assert contents(run.folder) == before
    assert train(run, data, Watch(), resume=True).digest == made.digest
    (run.folder / STATE).unlink()
    before = contents(run.folder)
    for resume in (False, True):
        with pytest.raises(DataError, match="run: holds a model, and no state to go on from"):
            train(run, data, Watch(), resume=resume)
    assert contents(run.folder) == before


def test_files_in_the_way_of_the_best_model_are_found_before_training(
    data: Data, cache: Path, tmp_path: Path
) -> None:
    run, watch = small_run(tmp_path / "run", cache), Watch(at_step=1)
    with pytest.raises(KeyboardInterrupt):
        train(run, data, watch)
    (run.folder / BEST).mkdir()
    (run.folder / BEST / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match=r"best: holds notes\.txt"):
        train(run, data, Watch(), resume=True)


@pytest.mark.parametrize(("caption", "words"), [("all is red", 0), ("a red dog", 1)])
def test_few_photos_train_a_detector_of_few_words(
    caption: str, words: int, data: Data, cache: Path, tmp_path: Path
) -> None:
    """No word is in 30 photos; what is left are nouns of ImageNet's classes, fewer than are to be told."""
    few = dataclasses.replace(
        data, train=[dataclasses.replace(one, captions=(caption,)) for one in data.train]
    )
    run = small_run(tmp_path, cache)
    run = dataclasses.replace(run, config=dataclasses.replace(TINY, words=2))
    config = train(run, few, Watch()).model.config
    assert (config.words, config.detector_words) == (words, words)


# The student project's architectures


def test_a_named_architecture_trains_with_frozen_word_vectors(data: Data, tmp_path: Path) -> None:
    """model5 in small: its own words with punctuation, GloVe for those that it has, frozen."""
    (tmp_path / "glove.txt").write_text("red 1 2 3\nsky -1 0 0.5\nunused 9 9 9\n")
    config = dataclasses.replace(
        CONFIGURATIONS["model5"], embedding=3, hidden=8, preprocess=TINY.preprocess, max_words=6
    )
    recipe = dataclasses.replace(RECIPE, epochs=1, smallest_count=1)
    vectors = WordVectors(tmp_path / "glove.txt")
    run = Run(
        config, recipe, tmp_path / "run", tmp_path / "cache", device="cpu", pretrained=False, vectors=vectors
    )
    stopped = dataclasses.replace(
        data, train=[dataclasses.replace(one, captions=(f"{one.captions[0]}.",)) for one in data.train]
    )
    made = train(run, stopped, Watch())
    assert "." in made.vocabulary
    rows = made.model.decoder.embed.weight
    assert rows[made.vocabulary.id("red")].tolist() == [1, 2, 3]
    assert rows[made.vocabulary.id("sky")].tolist() == [-1, 0, 0.5]
    with pytest.raises(DataError, match="give its word vectors with --glove"):
        train(dataclasses.replace(run, folder=tmp_path / "other", vectors=None), stopped, Watch())


def test_word_vectors_are_found_by_word_in_a_pickled_matrix_too(tmp_path: Path) -> None:
    from tests.captioner.test_legacy import pickled_vocabulary

    theirs = [*WORDS.words[:4], "sky", "moon", "wall"]
    (tmp_path / "vocab.pkl").write_bytes(pickled_vocabulary(theirs))
    (tmp_path / "weights_matrix.pkl").write_bytes(pickle.dumps([[float(n), -1.0] for n in range(7)]))
    vectors = WordVectors(tmp_path / "weights_matrix.pkl", tmp_path / "vocab.pkl")
    rows = vectors.matrix(WORDS, 2)
    assert rows[WORDS.id("wall")].tolist() == [6.0, -1.0]
    assert torch.equal(rows, vectors.matrix(WORDS, 2))
    with pytest.raises(DataError, match="vectors of 2 numbers; 5 are expected"):
        vectors.matrix(WORDS, 5)
    with pytest.raises(DataError, match="not GloVe's text"):
        WordVectors(tmp_path / "weights_matrix.pkl").matrix(WORDS, 2)
