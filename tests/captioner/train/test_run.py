"""The whole run, from photos to a saved model: what it leaves, refuses, and goes on from."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import distributed

from captioner import checkpoint
from captioner.configuration import CONFIGURATIONS
from captioner.datasets import CaptionedPhoto
from captioner.errors import DataError, ModelError
from captioner.train import loop, processes, setup
from captioner.train.command import _Bars
from captioner.train.loop import EpochReport
from captioner.train.processes import Processes
from captioner.train.run import BEST, LOG, STATE, TrainingData, TrainingRun, train
from captioner.train.word_vectors import WordVectors
from captioner.training_record import record, seen_in_training
from tests.captioner.worlds import RECIPE, TINY, coloured_photos, in_two_processes, tiny_model, write_coco

TOLD = dataclasses.replace(TINY, words=2, detector_words=3, detector_pairs=1)


class Watch:
    """Remembers the epochs; `act` may interrupt at a step (in the epochs alone) or at an epoch's report."""

    def __init__(self, at_step: int = 0, at_epoch: int = -1, act: Callable[[], None] | None = None) -> None:
        self.reports: list[EpochReport] = []
        self.remarks: list[str] = []
        self.rewards: list[float] = []
        self._at_step, self._at_epoch, self._act = at_step, at_epoch, act or self._stop

    @staticmethod
    def _stop() -> None:
        raise KeyboardInterrupt

    def stage(self, name: str, total: int, unit: str = "photo", later: int = 0) -> None:
        assert name and total > 0 and unit in ("step", "photo") and later >= 0

    def remark(self, what: str) -> None:
        self.remarks.append(what)

    def advance(self, count: int = 1, loss: float | None = None, reward: float | None = None) -> None:
        if reward is not None:
            self.rewards.append(reward)
        if loss is not None:
            self._at_step -= 1
            if self._at_step == 0:
                self._act()

    def epoch(self, report: EpochReport) -> None:
        if report.epoch == self._at_epoch:
            self._act()
        self.reports.append(report)

    def done(self, best: Path) -> None:
        assert (best / "config.json").exists()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = tmp_path_factory.mktemp("photos")
    return TrainingData(coloured_photos(folder, 6), coloured_photos(folder, 3, first=6), names=("colours",))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def small_run(folder: Path, cache: Path) -> TrainingRun:
    recipe = dataclasses.replace(RECIPE, epochs=2, smallest_count=1)
    return TrainingRun(TINY, recipe, folder, cache, device="cpu")


def self_critical(run: TrainingRun) -> TrainingRun:
    return dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, self_critical=True))


def outcome(watch: Watch, folder: Path) -> tuple[list[tuple[int, float | None, float]], str]:
    reports = [(one.epoch, one.loss, one.score) for one in watch.reports]
    return reports, checkpoint.load(folder / "best").digest


def epochs_in_log(folder: Path) -> list[str]:
    return [line.split(",")[0] for line in (folder / LOG).read_text().splitlines()[1:]]


def test_a_run_leaves_a_model_a_log_and_a_record_of_its_photos(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    made = train(small_run(tmp_path, cache), data, Watch())
    assert made.about["data"] == ["colours"]
    assert seen_in_training(made.about, ["photo0.png", "photo6.png"]) == ["photo0.png"]
    card = checkpoint.read_card(tmp_path / BEST)
    epoch, score = made.about["epoch"], made.about["dev_cider_d"]
    assert f"{len(made.vocabulary)} words.\n" in card and "LSTM of 1 layer with 16 units" in card
    assert "**Data.** colours. The last training learnt from 6 photos with 12 captions, and was" in card
    assert f"Epoch {epoch} of 2 is kept: dev CIDEr-D {score}. By epochs 2, " in card
    assert card.endswith("seed 0.\n") and str(tmp_path) not in card
    lines = (tmp_path / "training-log.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss,score,seconds" and len(lines) == 3


def test_of_epochs_that_all_score_nothing_the_last_one_is_kept(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    """CIDEr-D of a single photo is 0, so the first epoch was kept, and nothing was said."""
    watch = Watch()
    made = train(small_run(tmp_path, cache), dataclasses.replace(data, dev=data.dev[:1]), watch)
    assert (made.about["epoch"], [report.score for report in watch.reports]) == (2, [0.0, 0.0])
    assert any(remark.startswith("a single photo to score on: CIDEr-D") for remark in watch.remarks)


def test_the_start_is_scored_before_the_first_epoch(data: TrainingData, cache: Path, tmp_path: Path) -> None:
    """Once, as the epochs are, so that it is seen whether one gains; the training is the same without it."""
    run = dataclasses.replace(small_run(tmp_path / "run", cache), start=tiny_model(tmp_path / "tiny"))
    first, resumed = Watch(at_epoch=1), Watch()
    with pytest.raises(KeyboardInterrupt):
        train(run, data, first)
    train(run, data, resumed, resume=True)
    assert [report.epoch for report in [*first.reports, *resumed.reports]] == [0, 1, 2]
    assert epochs_in_log(run.folder) == ["0", "1", "2"]
    still = dataclasses.replace(
        run, folder=tmp_path / "still", recipe=dataclasses.replace(run.recipe, learning_rate=1e-30)
    )
    train(still, data, alike := Watch())
    before, after, _ = alike.reports
    assert (before.score, before.loss) == (first.reports[0].score, None) and before.score == after.score


def test_a_scoring_of_the_start_that_was_stopped_is_done_again(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    run = dataclasses.replace(small_run(tmp_path / "run", cache), start=tiny_model(tmp_path / "tiny"))
    straight = dataclasses.replace(run, folder=tmp_path / "straight")
    train(straight, data, expected := Watch())
    with pytest.raises(KeyboardInterrupt):
        train(run, data, Watch(at_epoch=0))
    train(run, data, resumed := Watch(), resume=True)
    assert outcome(resumed, run.folder) == outcome(expected, straight.folder)
    assert epochs_in_log(run.folder) == ["0", "1", "2"]


def test_a_run_that_was_killed_before_its_first_state_leaves_the_next_no_score(
    data: TrainingData, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log has the score of the model that it began with, which may be another one."""
    run = dataclasses.replace(small_run(tmp_path / "run", cache), start=tiny_model(tmp_path / "tiny"))
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(loop.Training, "save_state", lambda *_: None)
        train(run, data, Watch(at_step=1))
    assert epochs_in_log(run.folder) == ["0"] and not (run.folder / STATE).exists()
    train(dataclasses.replace(run, start=tiny_model(tmp_path / "other", 1)), data, watch := Watch())
    assert epochs_in_log(run.folder) == ["0", "1", "2"]
    scores = [line.split(",")[2] for line in (run.folder / LOG).read_text().splitlines()[1:]]
    assert scores == [str(report.score) for report in watch.reports]


def test_self_critical_training_tells_the_reward_of_what_it_drew(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    """Its loss goes up and down about nought. An epoch's mean is that of all its steps, resumed or not."""
    run = self_critical(small_run(tmp_path / "run", cache))
    run = dataclasses.replace(run, start=tiny_model(tmp_path / "tiny"))
    train(run, data, straight := Watch())
    stopped, resumed = Watch(at_step=2), Watch()
    again = dataclasses.replace(run, folder=tmp_path / "again")
    with pytest.raises(KeyboardInterrupt):
        train(again, data, stopped)
    train(again, data, resumed, resume=True)
    rewards = [report.reward for report in straight.reports]
    assert rewards == [report.reward for report in [*stopped.reports, *resumed.reports]]
    assert rewards[0] is None and all(0 <= reward < 10 for reward in rewards[1:] if reward is not None)
    drawn = [*stopped.rewards, *resumed.rewards]
    assert drawn == straight.rewards and len(drawn) == 6
    assert rewards[1] == pytest.approx(sum(drawn[:3]) / 3)
    lines = (run.folder / LOG).read_text().splitlines()
    assert lines[0] == "epoch,loss,score,seconds,reward" and lines[1].startswith("0,,")
    assert float(lines[2].split(",")[4]) == rewards[1]


def test_self_critical_training_of_a_new_model_is_remarked_on(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    run = self_critical(small_run(tmp_path / "run", cache))
    with pytest.raises(KeyboardInterrupt):
        train(run, data, watch := Watch(at_step=1))
    assert (
        len(watch.remarks) == 1 and "train it without first, then start from that model" in watch.remarks[0]
    )


def test_a_log_that_began_without_rewards_goes_on_without(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    run = self_critical(small_run(tmp_path / "run", cache))
    with pytest.raises(KeyboardInterrupt):
        train(run, data, Watch(at_step=1))
    (run.folder / LOG).write_text("epoch,loss,score,seconds\n")
    train(run, data, Watch(), resume=True)
    assert {line.count(",") for line in (run.folder / LOG).read_text().splitlines()} == {3}


def test_the_command_tells_what_each_epoch_gave(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    bars = _Bars()
    bars.epoch(EpochReport(0, None, 0.25, 2.0))
    bars.epoch(EpochReport(1, 3.5, 0.5, 2.0))
    bars.stage("epoch 2/2", 3, "step")
    bars.advance(3, -0.011, 0.75)
    bars.epoch(EpochReport(2, -0.011, 0.5, 2.0, 0.75))
    assert capsys.readouterr().out.splitlines() == [
        "before training: dev CIDEr-D 0.2500, 2 s",
        "epoch 1: loss 3.500, dev CIDEr-D 0.5000, 2 s",
        "epoch 2: reward 0.750, dev CIDEr-D 0.5000, 2 s",
    ]
    assert "reward=0.750" in terminal.getvalue() and "loss" not in terminal.getvalue()


def test_weights_that_an_epochs_last_step_broke_leave_the_state_of_before(
    data: TrainingData, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(small_run(tmp_path, cache), data, Watch(at_step=2))
    kept = (tmp_path / STATE).read_bytes()

    @torch.no_grad()
    def break_weights(training: loop.Training) -> None:
        if training.step == 3:  # the first epoch's last
            next(training.model.decoder.parameters()).fill_(1e38)

    monkeypatch.setattr(loop.Training, "_average", break_weights)
    with pytest.raises(ModelError, match="no usable numbers after step 3; try a lower learning rate"):
        train(small_run(tmp_path, cache), data, Watch(), resume=True)
    assert (tmp_path / STATE).read_bytes() == kept


def test_a_state_that_finds_no_room_is_told_by_the_systems_own_reason(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(small_run(tmp_path, cache), data, Watch(at_step=1))
    kept = (tmp_path / STATE).read_bytes()
    soft, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def leave_no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(kept) // 2, most))

    try:
        with pytest.raises(ModelError, match=r"state could not be saved \(.*File too large"):
            train(small_run(tmp_path, cache), data, Watch(at_step=1, act=leave_no_room), resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, most))
    assert (tmp_path / STATE).read_bytes() == kept and not list(tmp_path.glob(".*"))


class Disk:
    """How full a disk is, as `shutil.disk_usage` tells it."""

    def __init__(self, free: int, total: int = 10**12) -> None:
        self.free, self.total = free, total

    def __call__(self, _: Path) -> Disk:
        return self


def test_a_disk_too_full_for_the_state_is_refused_before_training(
    data: TrainingData, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first save may come after hours. A state that is replaced is there until the new one is whole."""
    run = small_run(tmp_path / "run", cache)
    with pytest.raises(KeyboardInterrupt):
        train(run, data, Watch(at_step=1))
    kept = (run.folder / STATE).stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", Disk(kept))
    told = r"run: has room for \d+ MB, and this training may take \d+ MB \(its state, twice while"
    with pytest.raises(DataError, match=told):
        train(run, data, Watch(at_step=1), resume=True)
    with pytest.raises(DataError, match=told):
        train(small_run(tmp_path / "another" / "run", cache), data, Watch(at_step=1))
    monkeypatch.setattr(shutil, "disk_usage", Disk(2 * kept))
    train(run, data, Watch(), resume=True)
    monkeypatch.setattr(shutil, "disk_usage", Disk(0))
    train(run, data, Watch(), resume=True)  # which is done already


def test_a_file_system_that_tells_no_sizes_is_not_taken_for_full(
    data: TrainingData, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", Disk(0, total=0))
    assert train(small_run(tmp_path / "run", cache), data, Watch())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_every_stage_has_a_bar_in_its_own_units_while_it_works(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features that are there already have none. Beside the epoch's time left stands that of the run."""
    shown = []
    for number in range(2):
        monkeypatch.setattr(sys, "stderr", terminal := Terminal())
        train(small_run(tmp_path / f"run{number}", tmp_path / "cache"), data, _Bars())
        shown.append(terminal.getvalue())
    for total in ("6/6", "3/3"):
        assert re.search(rf"features: 100%[^\r]* {total} \[[^\r]*photo", shown[0])
    assert "features" not in shown[1]
    for bars in shown:
        assert re.search(r"epoch 2/2: 100%[^\r]* 3/3 \[[^\r]*step[^\r]*, loss=\d", bars)
        assert bars.count("scoring:   0%") == 2, "where a bar is full it may be shown twice"
        assert re.search(r"scoring: 100%[^\r]* 3/3 \[[^\r]*photo", bars)
        assert re.search(r"epoch 1/2:[^\r]*run left=\d\d:\d\d", bars)
        assert not re.search(r"epoch 2/2:[^\r]*run left", bars)


def test_the_log_has_the_time_of_the_whole_epoch_also_where_it_was_resumed(
    data: TrainingData, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step takes a minute of this clock, and the pause a day."""
    now = 0.0
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now))

    class Slow(Watch):
        def advance(self, count: int = 1, loss: float | None = None, reward: float | None = None) -> None:
            nonlocal now
            now += 60 * (loss is not None)
            super().advance(count, loss, reward)

    run, resumed = small_run(tmp_path / "run", cache), Slow()
    with pytest.raises(KeyboardInterrupt):
        train(run, data, Slow(at_step=2))
    now += 24 * 60 * 60
    train(run, data, resumed, resume=True)
    assert [report.seconds for report in resumed.reports] == [180, 180]


def _sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    "watch", [lambda: Watch(at_step=4), lambda: Watch(at_epoch=1), lambda: Watch(at_step=2, act=_sigterm)]
)
def test_an_interrupted_run_resumes_to_the_same_model(
    watch: Callable[[], Watch], data: TrainingData, cache: Path, tmp_path: Path
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


@pytest.fixture(scope="module")
def stopped(
    data: TrainingData, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingRun, TrainingData]:
    """A run that was begun with a model and captions without photos."""
    folder = tmp_path_factory.mktemp("stopped")
    told = dataclasses.replace(data, text=[["a red dog"]], text_names=["text.png"])
    run = dataclasses.replace(small_run(folder / "run", cache), start=tiny_model(folder / "one", 0, TOLD))
    with pytest.raises(KeyboardInterrupt):
        train(run, told, Watch(at_step=1))
    return run, told


def _other_dev(run: TrainingRun, data: TrainingData) -> tuple[TrainingRun, TrainingData]:
    return run, dataclasses.replace(data, dev=data.dev[:-1])


def _other_references(run: TrainingRun, data: TrainingData) -> tuple[TrainingRun, TrainingData]:
    dev = [dataclasses.replace(photo, captions=photo.captions[:1]) for photo in data.dev]
    return run, dataclasses.replace(data, dev=dev)


def _other_text_photos(run: TrainingRun, data: TrainingData) -> tuple[TrainingRun, TrainingData]:
    return dataclasses.replace(run, text_photos=run.text_photos + 1), data


def _other_start(run: TrainingRun, data: TrainingData) -> tuple[TrainingRun, TrainingData]:
    return dataclasses.replace(run, start=tiny_model(run.folder.parent / "other", 1, TOLD)), data


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (_other_dev, "set of dev photos"),
        (_other_references, "set of dev photos"),
        (_other_text_photos, "number of photos imagined from text"),
        (_other_start, "model to start from"),
    ],
)
def test_a_run_goes_on_with_what_it_began_with(
    other: Callable[[TrainingRun, TrainingData], tuple[TrainingRun, TrainingData]],
    name: str,
    stopped: tuple[TrainingRun, TrainingData],
) -> None:
    """Scores of two sets of photos do not compare, and a decoder is told other words by another model."""
    with pytest.raises(DataError, match=rf"{STATE}: was made with another {name}; use the options and data"):
        train(*other(*stopped), Watch(), resume=True)


def _ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_second_signal_while_the_state_is_saved_loses_nothing(
    data: TrainingData, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is impatient, or a supervisor signals the program as well as its group."""
    straight, stopped, resumed = Watch(), Watch(at_step=2, act=_ctrl_c), Watch()
    train(small_run(tmp_path / "straight", cache), data, straight)
    save = torch.save

    def signalled(*given: Any) -> None:
        _ctrl_c()
        save(*given)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(torch, "save", signalled)
        train(small_run(tmp_path / "resumed", cache), data, stopped)
    assert (tmp_path / "resumed" / STATE).exists()
    train(small_run(tmp_path / "resumed", cache), data, resumed, resume=True)
    assert outcome(resumed, tmp_path / "resumed") == outcome(straight, tmp_path / "straight")


_SCORED_IN_TWO = """
import sys
from pathlib import Path
from typing import Any
from captioner.datasets import coco
from tests.captioner.train.test_run import TrainingData, Watch, _ctrl_c, small_run, train
folder = Path(sys.argv[1])
photos = coco(folder / "captions.json", folder)
try:
    data = TrainingData(photos[:6], photos[6:])
    train(small_run(folder / "run", folder), data, Watch(at_epoch=1, act=_ctrl_c))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_two_processes_stop_together_while_the_first_one_scores(tmp_path: Path) -> None:
    write_coco(tmp_path / "captions.json", coloured_photos(tmp_path, 8))
    told = in_two_processes("-c", _SCORED_IN_TWO, tmp_path)
    assert [output for output, _ in told] == ["interrupted\n"] * 2, told
    assert {path.name for path in (tmp_path / "run").glob("*.pt")} == {STATE, "training-state-1.pt"}


def test_two_processes_leave_one_model_and_say_so_once(tmp_path: Path) -> None:
    """The first one scores alone; the other must not look for a model before there is one."""
    photos = coloured_photos(tmp_path / "photos", 8)
    place = tmp_path / "photos"
    learnt, held_out = (write_coco(tmp_path / f"{len(some)}.json", some) for some in (photos[:5], photos[5:]))
    sources = ["--coco", learnt, "--images", place, "--dev-coco", held_out]
    how = ["--from", tiny_model(tmp_path / "tiny"), "--epochs", 1, "--batch", 2, "--encoder-rate", 1e-5]
    where = ["--device", "cpu", "-o", tmp_path / "run"]
    told = in_two_processes("-m", "captioner.cli", "train", *sources, *how, *where)
    assert not any("Error" in errors for _, errors in told), told
    assert "the best model is in" in told[0][0] and told[1][0] == ""
    assert checkpoint.load(tmp_path / "run" / BEST)


_PREPARED_IN_TWO = """
import os, sys, torch
from pathlib import Path
from captioner.datasets import coco
from captioner.train import features, setup
from captioner.train.processes import Processes
from captioner.train.watcher import UNWATCHED
from tests.captioner.train.test_run import TrainingData, small_run
write = features._write_features
def written(model, photos, *more):
    print(len(photos))
    write(model, photos, *more)
features._write_features = written
folder = Path(sys.argv[1])
photos = coco(folder / "captions.json", folder)
data = TrainingData(photos[:6], photos[6:])
processes = Processes.from_environment(torch.device("cpu"))
for cache in ("shared", "of process " + os.environ["RANK"]):
    prepared = setup.prepare(small_run(folder / "run", folder / cache), data, UNWATCHED, processes)
    assert len(prepared.training.views.features) == 6
"""


def test_of_two_processes_the_first_one_makes_the_features(tmp_path: Path) -> None:
    """And the other where it does not find them: its folder may be on another machine."""
    write_coco(tmp_path / "captions.json", coloured_photos(tmp_path, 8))
    told = in_two_processes("-c", _PREPARED_IN_TWO, tmp_path)
    assert [output.split() for output, _ in told] == [["6", "2", "6", "2"], ["6", "2"]], told


def test_processes_wait_for_the_first_one_as_long_as_it_scores(
    data: TrainingData, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group that they learn in gives up after 10 to 30 minutes."""
    patient, met = object(), list[object]()

    def meet(*_: object, group: object = None) -> None:
        met.append(group)

    monkeypatch.setattr(distributed, "all_reduce", meet)
    monkeypatch.setattr(distributed, "barrier", meet)
    monkeypatch.setattr(processes, "_patient_group", lambda: patient)
    monkeypatch.setattr(Processes, "from_environment", lambda _: Processes(1, 2))
    monkeypatch.setattr(Processes, "by_first", lambda _, work: work())  # the first one is not there
    run = dataclasses.replace(small_run(tmp_path / "run", cache), start=tiny_model(tmp_path / "tiny"))
    with pytest.raises(ModelError, match="best"):
        train(run, data, Watch())
    turns = [(group is patient, len(list(times))) for group, times in groupby(met)]
    assert [waits for waits, _ in turns] == [True, False, True, False, True]
    # it waits for all to begin and a scoring; for one; for one and the end of all
    assert [times for waits, times in turns if waits] == [2, 1, 2]


def test_a_best_model_whose_saving_was_stopped_is_saved_when_the_run_goes_on(
    data: TrainingData, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, stopped = Watch(), Watch()
    train(small_run(tmp_path / "straight", cache), data, straight)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(checkpoint, "save", stop)
        train(small_run(tmp_path / "resumed", cache), data, stopped)
    resumed = Watch()
    train(small_run(tmp_path / "resumed", cache), data, resumed, resume=True)
    assert outcome(resumed, tmp_path / "resumed") == outcome(straight, tmp_path / "straight")
    assert epochs_in_log(tmp_path / "resumed") == ["1", "2"]


def test_what_fails_after_the_last_step_of_an_epoch_costs_no_epoch(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    """Such as a file that a desktop puts into the folder of the best model."""
    straight, resumed = Watch(), Watch(at_step=4)  # stops where more than the three steps of epoch 2 are made
    train(small_run(tmp_path / "straight", cache), data, straight)
    run = small_run(tmp_path / "resumed", cache)
    stray = run.folder / BEST / ".DS_Store"

    def come() -> None:
        stray.parent.mkdir()
        stray.touch()

    with pytest.raises(ModelError, match=r"best: holds \.DS_Store"):
        train(run, data, Watch(at_epoch=1, act=come))
    stray.unlink()
    train(run, data, resumed, resume=True)
    assert outcome(resumed, run.folder) == outcome(straight, tmp_path / "straight")
    assert epochs_in_log(run.folder) == ["1", "2"]


@pytest.mark.parametrize("rate", [0.0, 1e-5])
def test_photos_that_are_not_there_are_named_before_training(
    rate: float, data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    gone = dataclasses.replace(data.dev[0], image=tmp_path / "gone.png")
    run = small_run(tmp_path / "run", cache)
    run = dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, encoder_learning_rate=rate))
    with pytest.raises(DataError, match=r"gone\.png: no such photo \(1 of 9 photos is missing\)"):
        train(run, dataclasses.replace(data, dev=[gone, *data.dev[1:]]), Watch(at_step=1))


def test_a_start_with_a_damaged_record_is_refused_before_training(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    start = tiny_model(tmp_path / "tiny", trained_on="!")
    run = dataclasses.replace(small_run(tmp_path / "run", cache), start=start)
    with pytest.raises(ModelError, match="record of its training photos"):
        train(run, data, Watch(at_step=1))


def test_a_start_whose_data_sets_are_no_names_can_be_gone_on_from(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    start = tiny_model(tmp_path / "tiny", data=[{"name": "odd"}])
    run = dataclasses.replace(small_run(tmp_path / "run", cache), start=start)
    assert train(run, data, Watch()).about["data"] == ["{'name': 'odd'}", "colours"]


def test_test_photos_among_the_training_photos_are_refused(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    leaky = dataclasses.replace(data, dev=[*data.dev, data.train[0]])
    with pytest.raises(DataError, match=r"1 of the 4 test photos .* of this run, such as photo0\.png"):
        train(small_run(tmp_path, cache), leaky, Watch())


def test_test_photos_whose_captions_are_learnt_from_are_refused(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    leaky = dataclasses.replace(data, text=[["a field"]], text_names=["images/photo7.png"])
    with pytest.raises(DataError, match=r"1 of the 3 test photos .* of this run, such as photo7\.png"):
        train(small_run(tmp_path, cache), leaky, Watch())


def test_test_photos_that_the_start_has_learnt_from_are_refused(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    start = tiny_model(tmp_path / "tiny", trained_on=record(["/data/photo8.png"]))
    run = dataclasses.replace(small_run(tmp_path / "run", cache), start=start)
    with pytest.raises(DataError, match=r"1 of the 3 .* of .*tiny, which it starts from, such as photo8"):
        train(run, data, Watch())


def test_coco_names_a_photo_in_two_ways(data: TrainingData, cache: Path, tmp_path: Path) -> None:
    def named(name: str) -> CaptionedPhoto:
        return dataclasses.replace(data.train[0], name=name)

    long, short = named("COCO_train2014_000000000009.jpg"), named("000000000009.jpg")
    for train_photo, dev_photo in ((long, short), (short, long)):
        leaky = dataclasses.replace(data, train=[train_photo], dev=[dev_photo])
        with pytest.raises(DataError, match=f"such as {dev_photo.name}"):
            train(small_run(tmp_path, cache), leaky, Watch())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_not_begun_anew_over_an_earlier_one(data: TrainingData, cache: Path, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", cache)
    made = train(run, data, Watch())
    before = contents(run.folder)
    with pytest.raises(DataError, match="run: holds a run already; resume it, or name"):
        train(run, data, Watch())
    assert contents(run.folder) == before
    assert train(run, data, done := Watch(), resume=True).digest == made.digest
    told = f"{run.folder}: nothing left to do, 2 epochs are done; the best has dev CIDEr-D "
    assert done.remarks == [f"{told}{made.about['dev_cider_d']:.4f}"]
    (run.folder / STATE).unlink()
    before = contents(run.folder)
    for resume in (False, True):
        with pytest.raises(DataError, match="run: holds a model, and no state to go on from"):
            train(run, data, Watch(), resume=resume)
    assert contents(run.folder) == before


def test_more_epochs_of_a_run_that_is_done_are_another_run(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    run = small_run(tmp_path / "run", cache)
    train(run, data, Watch())
    more = dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, epochs=5))
    told = r"another recipe \(epochs 2, now 5\); that run is done: `captioner train --from .*run/best` in an"
    with pytest.raises(DataError, match=told):
        train(more, data, Watch(), resume=True)


def test_a_run_is_not_begun_in_a_models_folder(data: TrainingData, cache: Path, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", cache)
    train(run, data, Watch())
    inside = dataclasses.replace(run, folder=run.folder / BEST)
    before = contents(run.folder)
    with pytest.raises(DataError, match="best: is a model's folder; name another one for the run"):
        train(inside, data, Watch())
    assert contents(run.folder) == before


def test_a_run_that_goes_on_from_nothing_begins_and_says_so(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    """A script that starts again after every crash always resumes; who mistyped the folder should see it."""
    run = small_run(tmp_path / "run", cache)
    remarks = []
    for watch in (Watch(at_step=1), Watch(at_step=1)):
        with pytest.raises(KeyboardInterrupt):
            train(run, data, watch, resume=True)
        remarks.append(watch.remarks)
    assert remarks == [[f"{run.folder}: no run to go on from, so one begins"], []]


def test_files_in_the_way_of_the_best_model_are_found_before_training(
    data: TrainingData, cache: Path, tmp_path: Path
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
    caption: str, words: int, data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    """No word is in 30 photos; what is left are nouns of ImageNet's classes, fewer than are to be told."""
    few = dataclasses.replace(
        data, train=[dataclasses.replace(one, captions=(caption,)) for one in data.train]
    )
    run = small_run(tmp_path, cache)
    run = dataclasses.replace(run, config=dataclasses.replace(TINY, words=2))
    config = train(run, few, Watch()).model.config
    assert (config.words, config.detector_words) == (words, words)


def _few_captions(data: TrainingData, *captions: str) -> TrainingData:
    """Photos with one of these captions each."""
    pairs = zip(data.train, captions, strict=False)
    return dataclasses.replace(
        data, train=[dataclasses.replace(photo, captions=(caption,)) for photo, caption in pairs]
    )


def _usual_run(folder: Path, cache: Path) -> TrainingRun:
    """Its vocabulary has the words that come four times."""
    return dataclasses.replace(small_run(folder, cache), recipe=dataclasses.replace(RECIPE, epochs=1))


def test_captions_too_few_to_learn_a_word_from_are_refused(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    few, run = _few_captions(data, "a red dog", "a big dog", "a dog"), _usual_run(tmp_path / "run", cache)
    told = (
        "none of the 4 words of 3 captions comes 4 times, as it must for a model to know it; "
        "take more captions, or start from a model, which has words of its own"
    )
    with pytest.raises(DataError, match=f"^{told}$"):
        train(run, few, Watch())
    assert not run.folder.exists()
    train(dataclasses.replace(run, start=tiny_model(tmp_path / "tiny")), few, watch := Watch())
    assert watch.remarks == []


def test_a_vocabulary_that_lacks_much_of_the_captions_is_remarked_on(
    data: TrainingData, cache: Path, tmp_path: Path
) -> None:
    """Of a model that writes "red" and little else nobody would know why."""
    remarks = []
    for number, last in enumerate(("a big dog runs", "a dog", "a red")):
        few, watch = _few_captions(data, *["red"] * 5, last), Watch()
        train(_usual_run(tmp_path / f"{number}", cache), few, watch)
        remarks.append(watch.remarks)
    told = (
        "the model will know 1 word, 56% of all that its 6 captions say, since the others come fewer than "
        "4 times; take more captions, or start from a model, which has words of its own"
    )
    assert remarks == [[told], [told.replace("56", "71")], []]


def test_captions_without_blanks_are_remarked_on(data: TrainingData, cache: Path, tmp_path: Path) -> None:
    chinese = _few_captions(data, *["一只狗在草地上跑"] * 6)
    with pytest.raises(KeyboardInterrupt):
        train(_usual_run(tmp_path / "run", cache), chinese, watch := Watch(at_step=1))
    assert len(watch.remarks) == 1 and "6 of 6 captions have no blanks between words" in watch.remarks[0]


@pytest.mark.usefixtures("short_resnet")
@pytest.mark.parametrize(
    ("arch", "batch", "count", "needed"),
    [("default", 1, 2, 2), ("model2", 1, 1, 2), ("model2", 3, 2, 4), ("model2", 7, 4, 8)],
)
def test_a_step_has_photos_for_every_process(
    arch: str,
    batch: int,
    count: int,
    needed: int,
    data: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """model1 to model5 normalise over the photos of a step, and of one there is nothing to normalise."""
    monkeypatch.setattr(Processes, "from_environment", lambda _: Processes(0, count))
    monkeypatch.setattr(Processes, "by_first", lambda _, work: work())  # the others are not there
    recipe = dataclasses.replace(RECIPE, photos_per_batch=batch)
    run = TrainingRun(CONFIGURATIONS[arch], recipe, tmp_path, tmp_path, device="cpu", pretrained=False)
    photos = min(batch, 6)
    with pytest.raises(DataError, match=f"a step of {photos} photos is too small: {needed} are needed"):
        train(run, data, Watch())


# The student project's architectures


@pytest.mark.usefixtures("short_resnet")
def test_a_named_architecture_trains_with_frozen_word_vectors(data: TrainingData, tmp_path: Path) -> None:
    """model5 in small: its own words with punctuation, GloVe for those that it has, frozen."""
    (tmp_path / "glove.txt").write_text("red 1 2 3\nsky -1 0 0.5\nunused 9 9 9\n")
    config = dataclasses.replace(
        CONFIGURATIONS["model5"], embedding=3, hidden=8, preprocess=TINY.preprocess, max_words=6
    )
    recipe = dataclasses.replace(RECIPE, epochs=1, smallest_count=1)
    vectors = WordVectors(tmp_path / "glove.txt")
    run = TrainingRun(
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
    (tmp_path / "other.txt").write_text("red 3 2 1\n")
    other = dataclasses.replace(run, vectors=WordVectors(tmp_path / "other.txt"))
    with pytest.raises(DataError, match="was made with another set of word vectors"):
        train(other, stopped, Watch(), resume=True)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [(None, r"give it word vectors \(GloVe\)"), (WordVectors(Path("none.txt")), r"none\.txt: not GloVe")],
)
def test_word_vectors_that_are_missing_are_told_before_the_encoder_is_fetched(
    vectors: WordVectors | None,
    message: str,
    data: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise AssertionError("the encoder was made")

    monkeypatch.setattr(setup, "CaptionModel", fetch)
    run = TrainingRun(CONFIGURATIONS["model5"], RECIPE, tmp_path / "run", tmp_path, vectors=vectors)
    with pytest.raises(DataError, match=message):
        train(run, data, Watch())
