"""All that stands ready before the first step of a training run: model, batches, views, objective, score."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.configuration import ModelConfig, configuration
from captioner.datasets import CaptionedPhoto, encode
from captioner.decoders import AttentionDecoder
from captioner.detector import class_word_pairs
from captioner.device import choose_device
from captioner.encoder import GridEncoder
from captioner.errors import DataError
from captioner.model import CaptionModel
from captioner.tokens import words
from captioner.train.batches import Batches, CachedViews, Detected, PhotoViews, Text, Views
from captioner.train.detector import DetectorRecipe, detectable_words, fit, most_probable, word_labels
from captioner.train.features import Features, cached_features
from captioner.train.imagination import Imagination
from captioner.train.loop import DevScore, EpochReport, Recipe, Training
from captioner.train.objectives import CrossEntropy, SelfCritical
from captioner.train.processes import Processes
from captioner.train.word_vectors import WordVectors
from captioner.vocabulary import Vocabulary

#: Captions as words: photo -> its captions -> words.
Lines = Sequence[Sequence[Sequence[str]]]


class Watcher(Protocol):
    """Told of a run's progress."""

    def stage(self, name: str, total: int) -> None: ...
    def advance(self, count: int = 1, loss: float | None = None) -> None: ...
    def epoch(self, report: EpochReport) -> None: ...
    def done(self, best: Path) -> None: ...


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

    @property
    def family(self) -> str:
        """Of the decoder that is trained: that of the model to start from, or else of the configuration."""
        if self.start is None:
            return self.config.decoder
        return str(checkpoint.read_config(self.start)[0]["model"].get("decoder"))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that can begin."""

    training: Training
    vocabulary: Vocabulary
    dev: DevScore


def prepare(run: Run, data: Data, watcher: Watcher, processes: Processes) -> Prepared:
    """Load or make the model, and all that it learns from. The order is fixed: it draws random numbers."""
    torch.manual_seed(run.recipe.seed)
    captions, text = _tokenised(run, data)
    begun = _begun(run, captions, text)
    model, vocabulary = begun.model, begun.vocabulary
    _check_shares(run, data, model, processes)
    model.to(choose_device(run.device)).to(memory_format=torch.channels_last)
    detected, imagined = _Telling(run, model, vocabulary).told(data, captions, text, watcher)
    if run.grid is not None:
        model.set_grid(run.grid)
    views, dev_views = _views(run, data, model, watcher)
    batches = Batches(_encoded(run, vocabulary, captions), run.recipe.photos_per_batch, detected, imagined)
    objective = _objective(run, vocabulary, captions)
    references = [[words(text) for text in photo.captions] for photo in data.dev]
    made_with = _made_with(run, data, begun)
    training = Training(model, batches, views, objective, vocabulary, run.recipe, processes, made_with)
    return Prepared(training, vocabulary, DevScore(dev_views, references, vocabulary))


def _made_with(run: Run, data: Data, begun: Checkpoint) -> dict[str, object]:
    """What a state means something else without, and the steps of a training do not see."""
    dev = repr([(photo.name, photo.captions) for photo in data.dev])
    return {
        "model to start from": begun.digest,
        "set of dev photos": hashlib.sha256(dev.encode()).hexdigest(),
        "number of photos imagined from text": run.text_photos if data.text else 0,
    }


def _check_shares(run: Run, data: Data, model: CaptionModel, processes: Processes) -> None:
    """Refuse steps of which a process would have too few photos to learn from."""
    photos = min(run.recipe.photos_per_batch, len(data.train))
    needed = model.encoder.fewest * processes.count
    if photos < needed:
        raise DataError(
            f"a step of {photos} photos is too small: {needed} are needed, {model.encoder.fewest} for each "
            f"process; take more a step (there are {len(data.train)} training photos)"
        )


def _tokenised(run: Run, data: Data) -> tuple[Lines, Lines]:
    """Captions of the photos, and of the photos that are not there, as the model's vocabulary has words."""
    tokenise = _treebank if run.family == "show_and_tell" else words
    captions = [[tokenise(text) for text in photo.captions] for photo in data.train]
    return captions, [[tokenise(caption) for caption in photo] for photo in data.text]


def _treebank(caption: str) -> list[str]:
    """Words as the student project's vocabularies have them, punctuation and all."""
    from nltk.tokenize import word_tokenize

    return list(word_tokenize(caption.lower(), preserve_line=True))


def _encoded(run: Run, vocabulary: Vocabulary, lines: Lines) -> list[torch.Tensor]:
    """The captions of each photo as ids, none longer than the recipe says."""
    longest = run.recipe.longest
    return [encode(vocabulary, [line[:longest] for line in photo]) for photo in lines]


def _objective(run: Run, vocabulary: Vocabulary, captions: Lines) -> CrossEntropy | SelfCritical:
    recipe = run.recipe
    if not recipe.self_critical:
        return CrossEntropy(recipe.label_smoothing, recipe.detector_weight)
    return SelfCritical(
        vocabulary, captions, recipe.samples, recipe.longest, recipe.temperature, recipe.detector_weight
    )


# The model


def _begun(run: Run, captions: Lines, text: Lines) -> Checkpoint:
    """A new model with the vocabulary of the captions, or the one to start from with its own."""
    if run.start is not None:
        begun = checkpoint.load(run.start)
        begun.model.set_consensus(None)  # it is made anew for what comes of this training
        return begun
    lines = [line for photo in (*captions, *text) for line in photo]
    vocabulary = Vocabulary.build(lines, run.recipe.smallest_count)
    model = _new_model(run, captions, vocabulary)
    _set_embedding(run, model, vocabulary)
    return Checkpoint(model, vocabulary)


def _new_model(run: Run, captions: Lines, vocabulary: Vocabulary) -> CaptionModel:
    """A model whose detector knows the words that can be learned from these captions, if it has one."""
    if not run.config.words:
        return CaptionModel(run.config, len(vocabulary), pretrained=run.pretrained)
    known = detectable_words(captions, vocabulary, run.detector.smallest_count)
    pairs = class_word_pairs({word: place for place, word in enumerate(known)})
    told = min(run.config.words, len(known))  # few photos: fewer words are known than would be told
    config = replace(run.config, words=told, detector_words=len(known), detector_pairs=len(pairs))
    model = CaptionModel(config, len(vocabulary), pretrained=run.pretrained)
    if told and isinstance(model.decoder, AttentionDecoder) and isinstance(model.encoder, GridEncoder):
        model.decoder.detector.set_words(vocabulary, known, model.encoder.network.classifier)
    return model


def _set_embedding(run: Run, model: CaptionModel, vocabulary: Vocabulary) -> None:
    if run.vectors is not None:
        matrix = run.vectors.matrix(vocabulary, run.config.embedding, run.recipe.seed)
        with torch.no_grad():
            model.decoder.embed.weight.copy_(matrix)
    elif run.config.frozen_embedding:
        raise DataError("this architecture has a frozen embedding: give it word vectors (GloVe)")


# What it sees


def _views(run: Run, data: Data, model: CaptionModel, watcher: Watcher) -> tuple[Views, Views]:
    if run.recipe.encoder_learning_rate > 0:
        preprocess = model.config.preprocess
        return PhotoViews(data.train, preprocess), PhotoViews(data.dev, preprocess)
    train, dev = (_features(run, model, photos, watcher) for photos in (data.train, data.dev))
    return CachedViews(train), CachedViews(dev)


def _features(run: Run, model: CaptionModel, photos: Sequence[CaptionedPhoto], watcher: Watcher) -> Features:
    watcher.stage("features", len(photos))
    return cached_features(model, photos, run.cache, watcher.advance)


# What it is told

_NOT_FROM_TEXT = "learns nothing from captions alone: leave them out"


class _Telling:
    """Makes ready what a decoder is told of photos while it trains, if it is one that is told words.

    A model to start from keeps its own detector. What its decoder is told is honest all the same: it comes
    from a detector on ImageNet's features, since an encoder that was trained knows its photos by heart.
    """

    def __init__(self, run: Run, model: CaptionModel, vocabulary: Vocabulary) -> None:
        self.run, self.model, self.vocabulary = run, model, vocabulary

    def told(
        self, data: Data, captions: Lines, text: Lines, watcher: Watcher
    ) -> tuple[Detected | None, Text | None]:
        """Words detected in the photos, and in photos imagined from text."""
        decoder, critical = self.model.decoder, self.run.recipe.self_critical
        if text and critical:
            raise DataError(f"self-critical training {_NOT_FROM_TEXT}")
        if not isinstance(decoder, AttentionDecoder) or not decoder.words:
            if text:
                raise DataError(f"a decoder that is told no words of a photo {_NOT_FROM_TEXT}")
            return None, None
        detected = self._detected(decoder, data, captions, watcher)
        # In self-critical training captions are drawn for the photos as they are shown in use.
        if critical:
            return replace(detected, blind=0.0), None
        return detected, self._imagined(decoder, text) if text else None

    def _detected(self, decoder: AttentionDecoder, data: Data, captions: Lines, watcher: Watcher) -> Detected:
        """Fit the detector (a copy, where the model has begun) and ask parts of it that never saw a photo."""
        run = self.run
        new = run.start is None
        taught = self.model if new else _untrained(self.model, run.pretrained)
        detector = decoder.detector if new else copy.deepcopy(decoder.detector)
        pooled = _features(run, taught, data.train, watcher).mean(axis=2, dtype="float32")
        watcher.stage("word detector", 1)
        labels = word_labels(captions, self._known(decoder))
        honest = fit(detector, torch.from_numpy(pooled), labels, run.detector, run.recipe.seed)
        seen = most_probable(detector, honest, decoder.words)
        return Detected(seen.words, seen.chances, honest)

    def _imagined(self, decoder: AttentionDecoder, text: Lines) -> Text:
        imagine = Imagination(text, self._known(decoder), decoder.detector.ids, decoder.words)
        return Text(_encoded(self.run, self.vocabulary, text), imagine, self.run.text_photos)

    def _known(self, decoder: AttentionDecoder) -> list[str]:
        """The words of the detector."""
        return [self.vocabulary.words[number] for number in decoder.detector.ids.tolist()]


def _untrained(model: CaptionModel, pretrained: bool) -> CaptionModel:
    """The same encoder as ImageNet left it, on the grid whose features a first training has cached."""
    plain = replace(model.config, words=0, grid=configuration("default").grid)
    found = CaptionModel(plain, 1, pretrained=pretrained)
    return found.to(model.device).to(memory_format=torch.channels_last)
