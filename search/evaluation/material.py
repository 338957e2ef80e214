"""Gather what is evaluated on from a folder of data sets, a file of generated captions, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.stages import UNWATCHED, StageWatcher
from search.evaluation import data
from search.evaluation.captions import DIVERSITY, generate, read_captions
from search.evaluation.data import Captions, Photos
from search.evaluation.encoder_output import class_nouns, pooled_features
from search.evaluation.evaluation import Material
from search.evaluation.gains import cider_relevance
from search.evaluation.rows import FEW, Extras

if TYPE_CHECKING:  # torch comes with it
    from captioner.streaming import StreamingCaptioner


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where data lies: FOLDER/coco/annotations, FOLDER/cxc/sis_val.csv, FOLDER/flickr8k."""

    folder: Path

    @property
    def coco(self) -> list[Path]:
        """Caption files of all photos, without small excerpts of them."""
        files = sorted((self.folder / "coco" / "annotations").glob("captions_*.json"))
        return [file for file in files if "mini" not in file.name]

    @property
    def ratings(self) -> Path:
        return self.folder / "cxc" / "sis_val.csv"

    @property
    def flickr8k(self) -> Path:
        return self.folder / "flickr8k"

    def digests(self) -> dict[str, str]:
        flickr8k = [self.flickr8k / name for name in ("captions.txt", "train.txt", "dev.txt")]
        groups = {"coco captions": self.coco, "ratings": [self.ratings], "flickr8k captions": flickr8k}
        return {name: data.digest(files) for name, files in groups.items() if all(f.exists() for f in files)}


@dataclass(frozen=True, slots=True)
class Choices:
    """What to evaluate on. Without captions (from files, a captioner or held out) it is the ratings alone."""

    data: Path  # as `DataFolder` has it
    captions: Path | None = None  # generated ones, as JSON lines; and the same by other ways to decode:
    greedy: Path | None = None
    diverse: Path | None = None
    captioner: str | None = None  # writes them, once; they are kept in `cache`
    hold_out: bool = False  # a written caption stands in for the generated one
    pictures: bool = False  # with what encoders see: the captioner's own, where there is one, and ImageNet's
    elasticsearch: str | None = None  # URL of the server of the BM25 row
    queries: int | None = None  # only the first so many query photos
    archive: int | None = None  # only the first so many archived photos
    beam: int | None = None  # of the captioner; None: its usual one
    several: int = 5  # captions a photo by the captioner
    cache: Path = Path(".cache/evaluation")


@dataclass(frozen=True, slots=True)
class Splits:
    """Photos to search with (dev) and photos to find (train)."""

    queries: Photos
    archive: Photos

    @classmethod
    def of(cls, folder: DataFolder, queries: int | None, archive: int | None) -> Splits:
        return cls(
            data.flickr8k(folder.flickr8k, "dev", queries), data.flickr8k(folder.flickr8k, "train", archive)
        )

    def paths(self) -> list[Path]:
        return [*self.queries.paths(), *self.archive.paths()]


def gather(chosen: Choices, watcher: StageWatcher = UNWATCHED) -> Material:
    """All that was chosen. Raises EvaluationError where something is missing, IndexerError for the server."""
    folder = DataFolder(chosen.data)
    material = ratings_only(folder)
    if not (chosen.captions or chosen.captioner or chosen.hold_out):
        return material
    if chosen.elasticsearch:  # before captions are written, which may take hours
        from search.evaluation.bm25 import check_server

        check_server(chosen.elasticsearch)
    splits = Splits.of(folder, chosen.queries, chosen.archive)
    captioner = _open(chosen.captioner)
    material = _with_captions(material, splits, chosen, captioner, watcher)
    if chosen.pictures:
        material = with_pictures(material, splits, captioner, chosen.cache, watcher)
    return with_server(material, chosen.elasticsearch) if chosen.elasticsearch else material


def _open(captioner: str | None) -> StreamingCaptioner | None:
    if captioner is None:
        return None
    from captioner.finding import open_captioner

    return open_captioner(captioner)


def _with_captions(
    material: Material,
    splits: Splits,
    chosen: Choices,
    captioner: StreamingCaptioner | None,
    watcher: StageWatcher,
) -> Material:
    if chosen.hold_out:
        return held_out(material, splits)
    if chosen.captions:
        files = {"greedy": chosen.greedy, "diverse": chosen.diverse}
        other_decodings = {way: read_captions(file) for way, file in files.items() if file}
        return with_photos(material, splits, read_captions(chosen.captions), other_decodings)
    if captioner is not None:
        cache, beam, several = chosen.cache, chosen.beam, chosen.several
        written = captions_by_model(captioner, splits, cache, beam, several, watcher)
        return with_photos(material, splits, *written)
    return material


def ratings_only(folder: DataFolder) -> Material:
    """Material for the first task alone: text, no photo."""
    rated = data.coco_captions(folder.coco)
    return Material(data.rated_pairs(folder.ratings, rated), rated, {}, {}, {}, {})


def with_photos(
    material: Material, splits: Splits, generated: Captions, other_decodings: Mapping[str, Captions]
) -> Material:
    queries, archive = splits.queries.captions, splits.archive.captions
    return replace(
        material,
        queries=queries,
        archive=archive,
        generated=generated,
        other_decodings=other_decodings,
        relevance=cider_relevance(queries, archive),
    )


def held_out(material: Material, splits: Splits) -> Material:
    """The first caption that people wrote of each photo stands in for a generated one.

    For trials without a model: the stand-ins are left out of everything else, relevance too.
    """
    captions = {**splits.queries.captions, **splits.archive.captions}
    rest = Splits(
        replace(splits.queries, captions=_without_first(splits.queries.captions)),
        replace(splits.archive, captions=_without_first(splits.archive.captions)),
    )
    return with_photos(material, rest, {image: group[:1] for image, group in captions.items()}, {})


def captions_by_model(
    model: StreamingCaptioner,
    splits: Splits,
    cache: Path,
    beam: int | None,
    several: int,
    watcher: StageWatcher,
) -> tuple[Captions, Mapping[str, Captions]]:
    """Captions by a model, n best of the beam, greedy, diverse and as usual; made once, kept in `cache`."""
    from captioner.captioner import Captioner

    photos = splits.paths()
    beam = beam or model.usual_beam
    best = generate(model, photos, cache, max(beam, several), several, watcher)
    other_decodings = {
        "greedy": generate(model, photos, cache, 1, 1, watcher),
        "usual": generate(model, photos, cache, beam, FEW, watcher),
    }
    if isinstance(model, Captioner):  # those from elsewhere have no beams that keep apart
        other_decodings["diverse"] = generate(model, photos, cache, 1, several, watcher, DIVERSITY)
    return read_captions(best), {way: read_captions(file) for way, file in other_decodings.items()}


def with_pictures(
    material: Material,
    splits: Splits,
    captioner: StreamingCaptioner | None,
    cache: Path,
    watcher: StageWatcher,
) -> Material:
    """Adds what encoders see: rows by cosine of the captioner's features, and with ImageNet's class words."""
    from captioner.captioner import Captioner

    photos, features = splits.paths(), Extras().features
    if isinstance(captioner, Captioner):  # those from elsewhere give none
        features = pooled_features(captioner, photos, cache, watcher)
    nouns = class_nouns(photos, cache, watcher)
    return replace(material, extras=replace(material.extras, features=features, nouns=nouns))


def with_server(material: Material, url: str) -> Material:
    return replace(material, extras=replace(material.extras, elasticsearch=url))


def _without_first(captions: Captions) -> Captions:
    return {image: group[1:] for image, group in captions.items() if len(group) > 1}
