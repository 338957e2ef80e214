"""From data and a recipe to a saved model: what `captioner train` does."""

from __future__ import annotations

import csv
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.counted import counted
from captioner.datasets import CaptionedPhoto, check_photos_there
from captioner.errors import DataError
from captioner.files import is_file, real_path
from captioner.model_folder import BEST, CONFIG, read_config
from captioner.networks.device import choose_device
from captioner.readable import unreadable, without
from captioner.train.loop import EpochReport, Training
from captioner.train.processes import Processes, stopped_between_steps
from captioner.train.setup import PreparedTraining, TrainingData, TrainingRun, prepare
from captioner.train.watcher import UNWATCHED, Watcher
from captioner.training_record import check_unseen, learning_record

__all__ = ["BEST", "LOG", "STATE", "TrainingData", "TrainingRun", "Watcher", "train"]

STATE, LOG = "training-state.pt", "training-log.csv"
_ONE_DEV_PHOTO = (
    "a single photo to score on: CIDEr-D weighs words by how few of the photos have them, and is 0 for each "
    "epoch; the last one is kept. Hold out two photos or more, and the best one is"
)


def train(
    run: TrainingRun, data: TrainingData, watcher: Watcher = UNWATCHED, *, resume: bool = False
) -> Checkpoint:
    """Train, keeping the best epoch by dev CIDEr-D in `run.folder`; gives the best model.

    The state is saved after the last step of each epoch, after its scoring, and when the run is interrupted
    (Ctrl-C, SIGTERM), so that `resume` goes on where it stopped; where there is nothing to go on from it
    begins, and remarks on it. A run never starts over an earlier one in the same folder.
    """
    _check_data(run, data)
    _check_folder(run.folder, resume)
    begun = (run.folder / STATE).exists()
    processes = Processes.from_environment(choose_device(run.device))
    if not processes.first:
        watcher = UNWATCHED  # the first one speaks for all
    if resume and not begun:
        watcher.remark(f"{run.folder}: no run to go on from, so one begins")
    data = _readable_data(run, data, watcher, processes)
    if len(data.dev) == 1:
        watcher.remark(_ONE_DEV_PHOTO)
    about = _about(run, data)
    prepared = prepare(run, data, watcher, processes)
    run.folder.mkdir(parents=True, exist_ok=True)
    if begun:
        _go_on(run, prepared.training, watcher)
    if processes.first:
        _check_room(run.folder, prepared.training)
        if not begun:  # a log here is that of a run which was killed before it had learnt anything
            (run.folder / LOG).unlink(missing_ok=True)
    processes.wait()  # the first process must not replace a state before all have read it
    with stopped_between_steps() as stop:
        _Epochs(run, prepared, watcher, about).run_all(stop)
    processes.wait()  # the first process alone scores and saves the best model
    watcher.done(run.folder / BEST)
    return checkpoint.load(run.folder / BEST)


def _check_data(run: TrainingRun, data: TrainingData) -> None:
    """Refuse data whose faults would show hours later, or never."""
    dev = [photo.name for photo in data.dev]
    check_unseen(dev, "this run", data.text_names if data.one_set else _learnt_names(data))
    check_unseen(dev, f"{run.start}, which it starts from", (), _starting_about(run))
    if not data.train or not data.dev:
        raise DataError("training needs photos with captions, for training and for development")
    check_photos_there([*data.train, *data.dev])
    _check_apart(data)


def _check_apart(data: TrainingData) -> None:
    """Refuse photos to score on that are learnt from, as their files tell, whatever their names."""
    learnt = {real_path(photo.image): photo.name for photo in data.train}
    pairs = [(photo.name, learnt.get(real_path(photo.image))) for photo in data.dev]
    seen = [(name, other) for name, other in pairs if other is not None]
    if seen:
        (name, other), such = seen[0], f"{len(seen)} of the {len(pairs)} test photos"
        raise DataError(f"{such} are the same files as training photos of this run: {name} is {other}")


def _readable_data(
    run: TrainingRun, data: TrainingData, watcher: Watcher, processes: Processes
) -> TrainingData:
    """The data without photos that cannot be read, the same in all processes.

    Photos are left out before anything is made of their captions, so that a run that goes on has the same
    words, batches and features. The first process looks for all: a disk that does not answer one of them for
    a moment would let them learn from different photos.
    """

    def of(photos: Sequence[CaptionedPhoto], purpose: str) -> set[int]:
        return unreadable(photos, purpose, run.cache, watcher=watcher)

    train, dev = processes.by_first(lambda: (of(data.train, "to learn from"), of(data.dev, "to score on")))
    return replace(data, train=without(data.train, train), dev=without(data.dev, dev))


def _check_folder(folder: Path, resume: bool) -> None:
    """Refuse a folder whose run would be overwritten, before hours of work and not after them."""
    begun, best = (folder / STATE).exists(), (folder / BEST).exists()
    if is_file(folder / CONFIG):
        raise DataError(f"{folder}: is a model's folder; name another one for the run")
    if begun and not resume:
        raise DataError(f"{folder}: holds a run already; resume it, or name another folder")
    if best and not begun:
        raise DataError(f"{folder}: holds a model, and no state to go on from; name another folder")
    checkpoint.check_place(folder / BEST)


def _go_on(run: TrainingRun, training: Training, watcher: Watcher) -> None:
    """Take over the state of the run; remark on one that is done."""
    training.load_state(run.folder / STATE)
    if training.epoch >= run.recipe.epochs:
        watcher.remark(
            f"{run.folder}: nothing left to do, {counted(training.epoch, 'epoch is', 'epochs are')} done; "
            f"the best has dev CIDEr-D {training.best:.4f}"
        )


def _check_room(folder: Path, training: Training) -> None:
    """Refuse a disk that a save would fill, which may come after hours; a run that is done saves nothing."""
    if training.epoch >= training.recipe.epochs:
        return
    state, usage = folder / STATE, shutil.disk_usage(folder)
    free = usage.free + (state.stat().st_size if state.exists() else 0)
    needed = 2 * training.state_size + training.state_size // 4  # the best model is at most a quarter of it
    if usage.total and free < needed:  # some file systems of networks tell no sizes
        raise DataError(
            f"{folder}: has room for {free // 10**6} MB, and this training may take {needed // 10**6} MB "
            "(its state, twice while one replaces another, and the best model); "
            "make room, or name another folder"
        )


@dataclass(frozen=True, slots=True)
class _Epochs:
    """The epochs that a prepared run has still to do."""

    run: TrainingRun
    prepared: PreparedTraining
    watcher: Watcher
    about: Mapping[str, Any]  # what is known of the model before the first epoch

    def run_all(self, stop: list[int]) -> None:
        """Train all epochs; a signal in `stop` ends them between two steps or while scoring.

        The state is saved then; a second signal does not interrupt the saving.
        """
        training, state = self.prepared.training, self.run.folder / STATE
        try:
            if self.run.start is not None and not training.step:
                self._score_start(stop)
            while training.epoch < self.run.recipe.epochs:
                self._run_one(stop)
                training.save_state(state)
        except KeyboardInterrupt:
            training.save_state(state)
            raise

    def _score_start(self, stop: list[int]) -> None:
        """Tell the score of the model to start from, so that it is seen whether an epoch gains."""
        training, log = self.prepared.training, self.run.folder / LOG
        with self._stopped_together(stop):
            if training.processes.first and not log.exists():
                report = EpochReport(0, None, self._score(stop), training.seconds)
                self.watcher.epoch(report)
                _append_to_log(log, report, self.run.recipe.self_critical)
        training.start_clock()

    def _run_one(self, stop: list[int]) -> None:
        training = self.prepared.training
        if left := training.steps_left:
            name = f"epoch {training.epoch + 1}/{self.run.recipe.epochs}"
            self.watcher.stage(name, left, "step", later=training.steps - training.step - left)
        loss = training.run_epoch(lambda loss: self.watcher.advance(1, loss, training.step_reward), stop)
        training.save_state(self.run.folder / STATE)  # whatever fails from here on, no step is lost
        with self._stopped_together(stop):
            if training.processes.first:
                score = self._score(stop)
                report = EpochReport(training.epoch + 1, loss, score, training.seconds, training.reward)
                self._keep_if_best(report)
            training.finish_epoch()

    def _score(self, stop: list[int]) -> float:
        return self.prepared.dev(self.prepared.training.scored, stop, watcher=self.watcher)

    @contextmanager
    def _stopped_together(self, stop: list[int]) -> Iterator[None]:
        """Where the first process alone works: an interruption of it stops the others, which wait here."""
        try:
            yield
        except KeyboardInterrupt:
            stop.append(signal.SIGINT)
        self.prepared.training.processes.stop_after_first(stop)

    def _keep_if_best(self, report: EpochReport) -> None:
        """Report and log the epoch, and save its model if it is the best so far.

        While all epochs score 0, as on a single photo, the later one is. `best` changes only after the save,
        so that an interrupted save is repeated.
        """
        self.watcher.epoch(report)
        training, vocabulary = self.prepared.training, self.prepared.vocabulary
        if report.score > training.best or report.score == training.best == 0:
            known = {**self.about, "epoch": report.epoch, "dev_cider_d": round(report.score, 4)}
            checkpoint.save(Checkpoint(training.scored, vocabulary, known), self.run.folder / BEST)
            training.best = report.score
        _append_to_log(self.run.folder / LOG, report, self.run.recipe.self_critical)


def _about(run: TrainingRun, data: TrainingData) -> dict[str, Any]:
    """What is known of the model before the first epoch."""
    return {
        "photos": len(data.train),
        "captions": sum(len(photo.captions) for photo in data.train),
        "dev_photos": len(data.dev),
        "recipe": asdict(run.recipe),
        **learning_record(data.names, _learnt_names(data), _starting_about(run)),
    }


def _starting_about(run: TrainingRun) -> dict[str, Any]:
    """What is known of the model to start from."""
    return read_config(run.start)[1] if run.start is not None else {}


def _learnt_names(data: TrainingData) -> list[str]:
    """Names of all photos whose captions are learnt from."""
    return [*(photo.name for photo in data.train), *data.text_names]


def _append_to_log(path: Path, report: EpochReport, self_critical: bool) -> None:
    """Add a row; of rewards there is a column in self-critical training, but in no log that began without."""
    names = [name for name in asdict(report) if name != "reward" or self_critical]
    new = not path.exists()
    if not new:
        with path.open(newline="", encoding="utf-8") as file:
            names = next(csv.reader(file), names)
    with path.open("a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, names, extrasaction="ignore")
        if new:
            table.writeheader()
        table.writerow(asdict(report))
