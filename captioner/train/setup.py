"""Prepare a training run before its first step: model, batches, views, objective, dev score."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.configuration import ModelConfig, configuration
from captioner.datasets import CaptionedPhoto, encode
from captioner.errors import DataError
from captioner.model import CaptionModel
from captioner.model_folder import model_name, read_config
from captioner.networks.decoders import AttentionDecoder
from captioner.networks.detector import class_word_pairs
from captioner.networks.device import choose_device
from captioner.networks.encoder import GridEncoder
from captioner.tokens import words
from captioner.train.batches import Batches, CachedViews, CaptionsAlone, PhotoViews, TrainingDetections, Views
from captioner.train.caption_words import (
    TokenisedPhotos,
    build_vocabulary,
    remark_on_joined_words,
    tokeniser,
)
from captioner.train.detector import (
    DetectorRecipe,
    detectable_words,
    fit_detector,
    most_probable,
    word_labels,
)
from captioner.train.dev_score import DevScore
from captioner.train.features import Features, cached_features
from captioner.train.imagination import Imagination
from captioner.train.loop import Training
from captioner.train.objectives import CrossEntropy, SelfCritical
from captioner.train.processes import Processes
from captioner.train.recipe import Recipe
from captioner.train.watcher import Watcher
from captioner.train.word_vectors import WordVectors
from captioner.vocabulary import Vocabulary

#: A remark on self-critical training without a model to start from.
_NOTHING_TO_CRITICISE = (
    "self-critical training of a new model: the captions that it draws are random words, whose rewards teach "
    "next to nothing; train it without first, then start from that model"
)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a run learns from and is scored on."""

    train: Sequence[CaptionedPhoto]
    dev: Sequence[CaptionedPhoto]
    text: Sequence[Sequence[str]] = ()  # captions without photos, grouped by the photo they belong to
    names: tuple[str, ...] = ()  # names of the data sets, for the model's record
    text_names: Sequence[str] = ()  # names of the photos that `text` belongs to
    one_set: bool = False  # whether both are of one data set: there `x.jpg` and `b/x.jpg` are two photos


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A training run's place and choices."""

    config: ModelConfig
    recipe: Recipe
    folder: Path
    cache: Path
    start: Path | None = None  # a model to start from, instead of the encoder's ImageNet weights alone
    device: str | None = None
    grid: int | None = None  # look at grid x grid places, where it is not the starting model's number
    text_photos: int = 20  # imagined photos a batch, if there are captions without photos
    detector: DetectorRecipe = field(default_factory=DetectorRecipe)
    vectors: WordVectors | None = None  # for the decoder's embedding
    pretrained: bool = True

    @property
    def family(self) -> str:
        """The kind of decoder that is trained: the starting model's, or else the configuration's."""
        if self.start is None:
            return self.config.decoder
        return str(read_config(self.start)[0]["model"].get("decoder"))


@dataclass(frozen=True, slots=True)
class PreparedTraining:
    """What a run needs to begin or go on."""

    training: Training
    vocabulary: Vocabulary
    dev: DevScore


def prepare(run: TrainingRun, data: TrainingData, watcher: Watcher, processes: Processes) -> PreparedTraining:
    """Load or make the model and all that it learns from.

    The order of these steps must not change: they draw random numbers.
    """
    torch.manual_seed(run.recipe.seed)
    tokenise = tokeniser(run.family)
    captions = [[tokenise(caption) for caption in photo.captions] for photo in data.train]
    text = [[tokenise(caption) for caption in photo] for photo in data.text]
    if run.recipe.self_critical and run.start is None:
        watcher.remark(_NOTHING_TO_CRITICISE)
    if remark := remark_on_joined_words(line for photo in (*captions, *text) for line in photo):
        watcher.remark(remark)
    initial = _initial_checkpoint(run, captions, text, watcher)
    model, vocabulary = initial.model, initial.vocabulary
    _check_photos_per_process(run, data, model, processes)
    model.to(choose_device(run.device)).to(memory_format=torch.channels_last)
    detection = _DetectionSetup(run, model, vocabulary, processes)
    detected, imagined = detection.prepare(data, captions, text, watcher)
    if run.grid is not None:
        model.set_grid(run.grid)
    views, dev_views = _views(run, data, model, watcher, processes)
    ids = _encode_captions(run, vocabulary, captions)
    batches = Batches(ids, run.recipe.photos_per_batch, detected, imagined)
    objective = _objective(run, vocabulary, captions)
    references = [[words(text) for text in photo.captions] for photo in data.dev]
    made_with = _state_conditions(run, data, initial)
    training = Training(model, batches, views, objective, vocabulary, run.recipe, processes, made_with)
    return PreparedTraining(training, vocabulary, DevScore(dev_views, references, vocabulary))


def _state_conditions(run: TrainingRun, data: TrainingData, initial: Checkpoint) -> dict[str, object]:
    """Conditions of a saved state that `Training` does not know, by their names in messages."""
    dev = repr([(photo.name, photo.captions) for photo in data.dev])
    return {
        "model to start from": initial.digest,
        "set of dev photos": hashlib.sha256(dev.encode()).hexdigest(),
        "number of photos imagined from text": run.text_photos if data.text else 0,
        "set of word vectors": _vectors_digest(run, initial),
    }


def _vectors_digest(run: TrainingRun, initial: Checkpoint) -> str:
    """SHA-256 of the embedding that word vectors gave the model; "" without them. A state replaces it."""
    if run.vectors is None:
        return ""
    embedding = initial.model.decoder.embed.weight.detach().cpu().contiguous().numpy()
    return hashlib.sha256(embedding.tobytes()).hexdigest()


def _check_photos_per_process(
    run: TrainingRun, data: TrainingData, model: CaptionModel, processes: Processes
) -> None:
    """Refuse a step so small that a process would get fewer photos than its encoder needs."""
    photos = min(run.recipe.photos_per_batch, len(data.train))
    needed = model.encoder.fewest * processes.count
    if photos < needed:
        raise DataError(
            f"a step of {photos} photos is too small: {needed} are needed, {model.encoder.fewest} for each "
            f"process; take more a step (there are {len(data.train)} training photos)"
        )


def _encode_captions(run: TrainingRun, vocabulary: Vocabulary, lines: TokenisedPhotos) -> list[torch.Tensor]:
    """The captions of each photo as ids, cut to the recipe's longest length."""
    longest = run.recipe.longest
    return [encode(vocabulary, [line[:longest] for line in photo]) for photo in lines]


def _objective(
    run: TrainingRun, vocabulary: Vocabulary, captions: TokenisedPhotos
) -> CrossEntropy | SelfCritical:
    recipe = run.recipe
    if not recipe.self_critical:
        return CrossEntropy(recipe.label_smoothing, recipe.detector_weight)
    return SelfCritical(
        vocabulary, captions, recipe.samples, recipe.longest, recipe.temperature, recipe.detector_weight
    )


# The model


def _initial_checkpoint(
    run: TrainingRun,
    captions: TokenisedPhotos,
    text: TokenisedPhotos,
    watcher: Watcher,
) -> Checkpoint:
    """A new model with a vocabulary made of the captions, or the model to start from with its own."""
    if run.start is not None:
        if remark := _not_carried_over(run.start):
            watcher.remark(remark)
        return checkpoint.load(run.start, statistics=False)
    lines = [line for photo in (*captions, *text) for line in photo]
    vocabulary, remark = build_vocabulary(lines, run.recipe.smallest_count)
    if remark:
        watcher.remark(remark)
    vectors = _word_vectors(run, vocabulary)  # what is wrong with them is told before an encoder is fetched
    model = _new_model(run, captions, vocabulary)
    if vectors is not None:
        with torch.no_grad():
            model.decoder.embed.weight.copy_(vectors)
    return Checkpoint(model, vocabulary)


def _not_carried_over(start: Path) -> str:
    """A remark on what the model has of captions, which would not fit the trained weights; "" if nothing."""
    settings = read_config(start)[0]["model"]
    tables = settings.get("cooccurrence") or settings.get("phrasing")
    left_out = ["its consensus"] * bool(settings.get("consensus")) + ["its word tables"] * bool(tables)
    if not left_out:
        return ""
    of_text = " (word tables of --text)" if tables else ""
    return (
        f"starts from {model_name(start)} without {' and '.join(left_out)}, made for its own weights alone; "
        f"once it is trained, `captioner consensus` makes new ones{of_text}"
    )


def _new_model(run: TrainingRun, captions: TokenisedPhotos, vocabulary: Vocabulary) -> CaptionModel:
    """A model whose detector, if it has one, knows the words that these captions can teach."""
    if not run.config.words:
        return CaptionModel(run.config, len(vocabulary), pretrained=run.pretrained)
    known = detectable_words(captions, vocabulary, run.detector.smallest_count)
    pairs = class_word_pairs({word: place for place, word in enumerate(known)})
    count = min(run.config.words, len(known))  # with few photos the detector may know fewer than wanted
    config = replace(run.config, words=count, detector_words=len(known), detector_pairs=len(pairs))
    model = CaptionModel(config, len(vocabulary), pretrained=run.pretrained)
    if count and isinstance(model.decoder, AttentionDecoder) and isinstance(model.encoder, GridEncoder):
        model.decoder.detector.set_words(vocabulary, known, model.encoder.network.classifier)
    return model


def _word_vectors(run: TrainingRun, vocabulary: Vocabulary) -> torch.Tensor | None:
    """The embedding to begin with, if it is given. Raises DataError."""
    if run.vectors is not None:
        return run.vectors.matrix(vocabulary, run.config.embedding, run.recipe.seed)
    if run.config.frozen_embedding:
        raise DataError("this architecture has a frozen embedding: give it word vectors (GloVe)")
    return None


# Features of the photos


def _views(
    run: TrainingRun, data: TrainingData, model: CaptionModel, watcher: Watcher, processes: Processes
) -> tuple[Views, Views]:
    if run.recipe.encoder_learning_rate > 0:
        preprocess = model.config.preprocess
        return PhotoViews(data.train, preprocess), PhotoViews(data.dev, preprocess)
    train, dev = (_features(run, model, photos, watcher, processes) for photos in (data.train, data.dev))
    return CachedViews(train), CachedViews(dev)


def _features(
    run: TrainingRun,
    model: CaptionModel,
    photos: Sequence[CaptionedPhoto],
    watcher: Watcher,
    processes: Processes,
) -> Features:
    """Features that the first process makes for all; one that does not see its file makes its own."""

    def features() -> Features:
        return cached_features(model, photos, run.cache, watcher=watcher)

    if processes.count > 1:
        processes.by_first(lambda: len(features()))
    return features()


# Detected words of the photos


class _DetectionSetup:
    """Prepares the words that a decoder with a detector is given while it trains.

    They come from detectors that were fitted without the photo. A model to start from keeps its own detector;
    its words come from another one, on the features of the ImageNet encoder, since a trained encoder knows
    its photos by heart.
    """

    def __init__(
        self, run: TrainingRun, model: CaptionModel, vocabulary: Vocabulary, processes: Processes
    ) -> None:
        self.run, self.model, self.vocabulary, self.processes = run, model, vocabulary, processes

    def prepare(
        self, data: TrainingData, captions: TokenisedPhotos, text: TokenisedPhotos, watcher: Watcher
    ) -> tuple[TrainingDetections | None, CaptionsAlone | None]:
        """Words detected in the photos, and captions with imagined photos; None for what there is not."""
        decoder, critical = self.model.decoder, self.run.recipe.self_critical
        if text and critical:
            raise DataError("self-critical training cannot use captions without photos: leave them out")
        if not isinstance(decoder, AttentionDecoder) or not decoder.words:
            if text:
                raise DataError(
                    "captions without photos need an architecture with a word detector; this one has none"
                )
            return None, None
        detected = self._detect_training_words(decoder, data, captions, watcher)
        # Self-critical training hides no photo: captions are drawn as in use.
        if critical:
            return replace(detected, blind=0.0), None
        return detected, self._imagine_photos(decoder, text) if text else None

    def _detect_training_words(
        self, decoder: AttentionDecoder, data: TrainingData, captions: TokenisedPhotos, watcher: Watcher
    ) -> TrainingDetections:
        """Fit the detector (not that of a starting model), and detect words by detectors without the photo.

        It is fitted on the CPU, where features and captions are, and where a batch takes its words from.
        """
        run = self.run
        new = run.start is None
        encoder_model = self.model if new else _with_imagenet_encoder(self.model, run.pretrained)
        detector = copy.deepcopy(decoder.detector).cpu()
        features = _features(run, encoder_model, data.train, watcher, self.processes)
        pooled = features.mean(axis=2, dtype="float32")
        watcher.stage("word detector", 1, "step")
        labels = word_labels(captions, self._detector_words(decoder))
        held_out = fit_detector(detector, torch.from_numpy(pooled), labels, run.detector, run.recipe.seed)
        seen = most_probable(detector, held_out, decoder.words)
        if new:
            decoder.detector.load_state_dict(detector.state_dict())
        watcher.advance()
        return TrainingDetections(seen.words, seen.chances, held_out)

    def _imagine_photos(self, decoder: AttentionDecoder, text: TokenisedPhotos) -> CaptionsAlone:
        known, ids = self._detector_words(decoder), decoder.detector.ids.cpu()
        imagine = Imagination(text, known, ids, decoder.words)
        return CaptionsAlone(_encode_captions(self.run, self.vocabulary, text), imagine, self.run.text_photos)

    def _detector_words(self, decoder: AttentionDecoder) -> list[str]:
        """The words of the detector."""
        return [self.vocabulary.words[number] for number in decoder.detector.ids.tolist()]


def _with_imagenet_encoder(model: CaptionModel, pretrained: bool) -> CaptionModel:
    """A model with this one's encoder as ImageNet left it.

    Its grid is the default one, so that the features that a first training cached are used again.
    """
    plain = replace(model.config, words=0, grid=configuration("default").grid)
    found = CaptionModel(plain, 1, pretrained=pretrained)
    return found.to(model.device).to(memory_format=torch.channels_last)
