"""From data and a recipe to a saved model: what `captioner train` does."""

from __future__ import annotations

import copy
import csv
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from captioner import checkpoint
from captioner.augment import Augment
from captioner.batches import Batches, CachedViews, Detected, PhotoViews, Text, Views
from captioner.checkpoint import Checkpoint
from captioner.datasets import CaptionedPhoto, check_apart, encode
from captioner.detector import named_pairs
from captioner.detector_training import DetectorRecipe, detectable_words, fit, most_probable, word_labels
from captioner.device import choose_device
from captioner.encoder import GridEncoder
from captioner.errors import DataError
from captioner.features import Features, cached_features
from captioner.imagination import Imagination
from captioner.model import AttentionDecoder, CaptionModel, ModelConfig, Seen, configuration
from captioner.objectives import CrossEntropy, SelfCritical
from captioner.processes import Processes
from captioner.tokens import words
from captioner.train import DevScore, EpochReport, Recipe, Training
from captioner.training_record import KEY, record
from captioner.vocabulary import Vocabulary
from captioner.word_vectors import WordVectors

STATE, LOG = "training-state.pt", "training-log.csv"


class Watcher(Protocol):
    """Told of a run's progress."""

    def stage(self, name: str, total: int) -> None: ...
    def advance(self, count: int = 1, loss: float | None = None) -> None: ...
    def epoch(self, report: EpochReport) -> None: ...


@dataclass(frozen=True, slots=True)
class Data:
    """What a run learns from and is scored on."""

    train: Sequence[CaptionedPhoto]
    dev: Sequence[CaptionedPhoto]
    text: Sequence[Sequence[str]] = ()  # captions of photos that are not there, by photo
    names: tuple[str, ...] = ()  # of the data sets, for the model's own record
    text_names: Sequence[str] = ()  # of the photos that are not there


@dataclass(frozen=True, slots=True)
class Run:
    """A training run's place and choices."""

    config: ModelConfig
    recipe: Recipe
    folder: Path
    cache: Path
    start: Path | None = None  # a model to start from, instead of the encoder's ImageNet weights alone
    device: str | None = None
    grid: int | None = None  # another number of places to look at than the model to start from has
    text_photos: int = 20  # imagined photos a batch, when there is text
    detector: DetectorRecipe = field(default_factory=DetectorRecipe)
    vectors: WordVectors | None = None  # for the decoder's embedding
    pretrained: bool = True


def train(run: Run, data: Data, watcher: Watcher, *, resume: bool = False) -> Checkpoint:
    """Train, keeping the best epoch by dev CIDEr-D in `run.folder`; gives the best model.

    The state is saved after each epoch, and when the run is interrupted (Ctrl-C, SIGTERM), so that
    `resume` goes on where it stopped.
    """
    check_apart(data.train, data.dev)
    if not data.train or not data.dev:
        raise DataError("training needs photos with captions, for training and for development")
    processes = Processes.from_environment()
    training, vocabulary, dev = _prepare(run, data, watcher, processes)
    state = run.folder / STATE
    run.folder.mkdir(parents=True, exist_ok=True)
    if resume and state.exists():
        training.load_state(state)
    try:
        while training.epoch < run.recipe.epochs:
            _one_epoch(run, data, training, vocabulary, dev, watcher)
            training.save_state(state)
    except KeyboardInterrupt:
        training.save_state(state)
        raise
    return checkpoint.load(run.folder / "best")


def _one_epoch(
    run: Run, data: Data, training: Training, vocabulary: Vocabulary, dev: DevScore, watcher: Watcher
) -> None:
    start = time.monotonic()
    watcher.stage(f"epoch {training.epoch + 1}/{run.recipe.epochs}", training.batches.count)
    loss = training.run_epoch(lambda value: watcher.advance(1, value))
    if training.processes.first:
        _score(run, data, training, vocabulary, dev, watcher, loss, start)
    training.finish_epoch()


def _score(
    run: Run,
    data: Data,
    training: Training,
    vocabulary: Vocabulary,
    dev: DevScore,
    watcher: Watcher,
    loss: float,
    start: float,
) -> None:
    """Score the epoch on the dev photos, and keep the model if it is the best so far."""
    scored = training.averaged if run.recipe.averaging else training.model
    score = dev(scored)
    report = EpochReport(training.epoch + 1, loss, score, time.monotonic() - start)
    watcher.epoch(report)
    _log(run.folder / LOG, report)
    if score > training.best:
        training.best = score
        about = _about(run, data, report)
        checkpoint.save(Checkpoint(scored, vocabulary, about), run.folder / "best")


def _prepare(
    run: Run, data: Data, watcher: Watcher, processes: Processes
) -> tuple[Training, Vocabulary, DevScore]:
    torch.manual_seed(run.recipe.seed)
    start = checkpoint.read_config(run.start)[0]["model"] if run.start is not None else {}
    family = start.get("decoder", run.config.decoder)
    tokenise = _treebank if family == "show_and_tell" else words
    captions = [[tokenise(text) for text in photo.captions] for photo in data.train]
    text = [[tokenise(caption) for caption in photo] for photo in data.text]
    model, vocabulary = _model(run, captions, text)
    model.to(choose_device(run.device)).to(memory_format=torch.channels_last)
    detected, imagined = _words(run, data, model, vocabulary, captions, text, watcher)
    if run.grid is not None:
        model.look_closer(run.grid)
    views, dev_views = _views(run, data, model, watcher)
    encoded = [encode(vocabulary, [line[: run.recipe.longest] for line in photo]) for photo in captions]
    batches = Batches(encoded, run.recipe.photos_per_batch, detected, imagined)
    objective: CrossEntropy | SelfCritical = CrossEntropy(
        run.recipe.label_smoothing, run.recipe.detector_weight
    )
    if run.recipe.self_critical:
        objective = SelfCritical(
            vocabulary,
            captions,
            run.recipe.samples,
            run.recipe.longest,
            run.recipe.temperature,
            run.recipe.detector_weight,
        )
    references = [[words(text) for text in photo.captions] for photo in data.dev]
    training = Training(model, batches, views, objective, run.recipe, processes)
    return training, vocabulary, DevScore(dev_views, references, vocabulary)


def _model(
    run: Run, captions: Sequence[Sequence[Sequence[str]]], text: Sequence[Sequence[Sequence[str]]]
) -> tuple[CaptionModel, Vocabulary]:
    """A new model with the vocabulary of the captions, or the one to start from with its own."""
    if run.start is not None:
        begun = checkpoint.load(run.start)
        return begun.model, begun.vocabulary
    lines = [line for photo in (*captions, *text) for line in photo]
    vocabulary = Vocabulary.build(lines, run.recipe.smallest_count)
    config = run.config
    if config.words:
        known = detectable_words(captions, vocabulary, run.detector.smallest_count)
        pairs = named_pairs({word: place for place, word in enumerate(known)})
        config = replace(config, detector_words=len(known), detector_pairs=len(pairs))
    model = CaptionModel(config, len(vocabulary), pretrained=run.pretrained)
    if (
        config.words
        and isinstance(model.decoder, AttentionDecoder)
        and isinstance(model.encoder, GridEncoder)
    ):
        model.decoder.detector.tell(vocabulary, known, model.encoder.network.classifier)
    _set_embedding(run, model, vocabulary)
    return model, vocabulary


def _set_embedding(run: Run, model: CaptionModel, vocabulary: Vocabulary) -> None:
    if run.vectors is not None:
        matrix = run.vectors.matrix(vocabulary, run.config.embedding, run.recipe.seed)
        with torch.no_grad():
            model.decoder.embed.weight.copy_(matrix)
    elif run.config.frozen_embedding:
        raise DataError("this architecture has a frozen embedding: give its word vectors with --glove")


def _treebank(caption: str) -> list[str]:
    """Words as the student project's vocabularies have them, punctuation and all."""
    from nltk.tokenize import word_tokenize

    return list(word_tokenize(caption.lower(), preserve_line=True))


def _views(run: Run, data: Data, model: CaptionModel, watcher: Watcher) -> tuple[Views, Views]:
    if run.recipe.encoder_learning_rate > 0:
        return PhotoViews(model, data.train, Augment()), PhotoViews(model, data.dev, Augment())
    train, dev = (_features(run, model, photos, watcher) for photos in (data.train, data.dev))
    return CachedViews(model, train), CachedViews(model, dev)


def _features(run: Run, model: CaptionModel, photos: Sequence[CaptionedPhoto], watcher: Watcher) -> Features:
    watcher.stage("features", len(photos))
    return cached_features(model, photos, run.cache, watcher.advance)


def _words(
    run: Run,
    data: Data,
    model: CaptionModel,
    vocabulary: Vocabulary,
    captions: Sequence[Sequence[Sequence[str]]],
    text: Sequence[Sequence[Sequence[str]]],
    watcher: Watcher,
) -> tuple[Detected | None, Text | None]:
    """Fit the detector, and make ready what the decoder is told while it trains.

    A model to start from keeps its own detector. What its decoder is told is honest all the same: it comes
    from a detector on ImageNet's features, since an encoder that was trained knows its photos by heart.
    """
    decoder = model.decoder
    if not isinstance(decoder, AttentionDecoder) or not decoder.words:
        return None, None
    known = [vocabulary.words[number] for number in decoder.detector.ids.tolist()]
    taught = model if run.start is None else _untrained(model, run.pretrained)
    detector = decoder.detector if run.start is None else copy.deepcopy(decoder.detector)
    pooled = torch.from_numpy(_features(run, taught, data.train, watcher).mean(axis=2, dtype="float32"))
    watcher.stage("word detector", 1)
    honest = fit(detector, pooled, word_labels(captions, known), run.detector, run.recipe.seed)
    seen: Seen = most_probable(detector, honest, decoder.words)
    if run.recipe.self_critical:  # captions are drawn for the photos as they are shown in use
        return Detected(seen.words, seen.chances, honest, blind=0.0), None
    detected = Detected(seen.words, seen.chances, honest)
    if not text:
        return detected, None
    imagine = Imagination(text, known, decoder.detector.ids, decoder.words)
    lines = [encode(vocabulary, [line[: run.recipe.longest] for line in photo]) for photo in text]
    return detected, Text(lines, imagine, run.text_photos)


def _untrained(model: CaptionModel, pretrained: bool) -> CaptionModel:
    """The same encoder as ImageNet left it, on the grid whose features a first training has cached."""
    plain = replace(model.config, words=0, grid=configuration("default").grid)
    found = CaptionModel(plain, 1, pretrained=pretrained)
    return found.to(next(model.parameters()).device).to(memory_format=torch.channels_last)


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
