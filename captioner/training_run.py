"""From data and a recipe to a saved model: what `captioner train` does."""

from __future__ import annotations

import csv
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.datasets import check_apart
from captioner.errors import DataError
from captioner.processes import Processes
from captioner.train import EpochReport
from captioner.training_record import KEY, record
from captioner.training_setup import Data, Prepared, Run, Watcher, prepare

__all__ = ["BEST", "LOG", "STATE", "Data", "Run", "Watcher", "train"]

STATE, BEST, LOG = "training-state.pt", "best", "training-log.csv"


def train(run: Run, data: Data, watcher: Watcher, *, resume: bool = False) -> Checkpoint:
    """Train, keeping the best epoch by dev CIDEr-D in `run.folder`; gives the best model.

    The state is saved after each epoch, and when the run is interrupted (Ctrl-C, SIGTERM), so that
    `resume` goes on where it stopped. An earlier run in the same folder is never begun anew.
    """
    check_apart(data.train, data.dev)
    if not data.train or not data.dev:
        raise DataError("training needs photos with captions, for training and for development")
    _check_folder(run.folder, resume)
    processes = Processes.from_environment()
    prepared = prepare(run, data, watcher, processes)
    run.folder.mkdir(parents=True, exist_ok=True)
    if (run.folder / STATE).exists():
        prepared.training.load_state(run.folder / STATE)
    _all_epochs(run, data, prepared, watcher)
    return checkpoint.load(run.folder / BEST)


def _check_folder(folder: Path, resume: bool) -> None:
    """Refuse a folder whose run would be overwritten, before hours of work and not after them."""
    begun, best = (folder / STATE).exists(), (folder / BEST).exists()
    if begun and not resume:
        raise DataError(f"{folder}: holds a run already; go on with it by --resume, or name another folder")
    if best and not begun:
        raise DataError(f"{folder}: holds a model, and no state to go on from; name another folder")
    checkpoint.check_place(folder / BEST)


def _all_epochs(run: Run, data: Data, prepared: Prepared, watcher: Watcher) -> None:
    training, state = prepared.training, run.folder / STATE
    try:
        while training.epoch < run.recipe.epochs:
            _one_epoch(run, data, prepared, watcher)
            training.save_state(state)
    except KeyboardInterrupt:
        training.save_state(state)
        raise


def _one_epoch(run: Run, data: Data, prepared: Prepared, watcher: Watcher) -> None:
    start, training = time.monotonic(), prepared.training
    watcher.stage(f"epoch {training.epoch + 1}/{run.recipe.epochs}", training.batches.count)
    loss = training.run_epoch(lambda value: watcher.advance(1, value))
    if training.processes.first:
        scored = training.averaged if run.recipe.averaging else training.model
        score = prepared.dev(scored)
        report = EpochReport(training.epoch + 1, loss, score, time.monotonic() - start)
        watcher.epoch(report)
        _log(run.folder / LOG, report)
        if score > training.best:
            training.best = score
            best = Checkpoint(scored, prepared.vocabulary, _about(run, data, report))
            checkpoint.save(best, run.folder / BEST)
    training.finish_epoch()


def _about(run: Run, data: Data, report: EpochReport) -> dict[str, Any]:
    earlier = checkpoint.read_config(run.start)[1] if run.start is not None else None
    names = [*(photo.image.name for photo in data.train), *data.text_names]
    return {
        "data": list(dict.fromkeys([*((earlier or {}).get("data") or ()), *data.names])),
        "photos": len(data.train),
        "recipe": asdict(run.recipe),
        "epoch": report.epoch,
        "dev_cider_d": round(report.score, 4),
        KEY: record(names, earlier),
    }


def _log(path: Path, report: EpochReport) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, fieldnames=list(asdict(report)))
        if new:
            table.writeheader()
        table.writerow(asdict(report))
