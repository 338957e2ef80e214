"""What all engines are given: captions, their token sets, questions, and the true answers to these.

Made once, before anything is measured, into a folder; every engine's process reads it from there.
"""

from __future__ import annotations

import json
import random
import time
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.captions import made_captions, records
from captioner.tokens import analyzer
from indexer.records import CaptionRecord

Array = np.ndarray[Any, Any]

#: How many images an answer holds.
HITS = 10
#: Of the captions that fill the index.
_CAPTION_SEED = 0
#: Of the questions, every second is a caption of the index, the others are new.
_QUESTION_SEED = 99


@dataclass(frozen=True, slots=True)
class Question:
    """A set to search by, and the scores of the ten images that are most like it, best first."""

    tokens: tuple[str, ...]
    best: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """`tokens[starts[r]:starts[r + 1]]` are caption r's tokens, as numbers of words in `vocabulary`;
    `names[images[r]]` is the id of its image."""

    folder: Path
    analyzer: str
    starts: Array
    tokens: Array
    images: Array
    names: list[str]
    vocabulary: list[str]
    questions: list[Question]
    analysis_seconds: float

    def __len__(self) -> int:
        return len(self.starts) - 1

    @staticmethod
    def load(folder: Path) -> Material:
        told = json.loads((folder / "told.json").read_text(encoding="utf-8"))
        starts, tokens, images = (
            np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("starts", "tokens", "images")
        )
        questions = [Question(tuple(one["tokens"]), tuple(one["best"])) for one in told["questions"]]
        return Material(
            folder,
            told["analyzer"],
            starts,
            tokens,
            images,
            told["names"],
            told["vocabulary"],
            questions,
            told["analysis_seconds"],
        )

    def records(self) -> Iterator[CaptionRecord]:
        with (self.folder / "captions.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield CaptionRecord(**json.loads(line))

    def token_lists(self) -> Iterator[list[str]]:
        """The tokens of each caption, as words."""
        edges, step = self.starts.tolist(), 50_000
        for first in range(0, len(self), step):
            last = min(first + step, len(self))
            words = [self.vocabulary[number] for number in self.tokens[edges[first] : edges[last]].tolist()]
            for row in range(first, last):
                yield words[edges[row] - edges[first] : edges[row + 1] - edges[first]]


def prepare(folder: Path, size: int, analyzer_name: str, questions: int) -> Material:
    """Make the captions, analyse them, choose the questions and answer them by brute force."""
    analyse = analyzer(analyzer_name)
    numbers: dict[str, int] = {}
    names: dict[str, int] = {}
    lengths, tokens, images = array("q"), array("i"), array("i")
    captions: list[str] = []
    spent = 0.0
    with (folder / "captions.jsonl").open("w", encoding="utf-8") as lines:
        for record in records(size, _CAPTION_SEED):
            # Empty fields are left out, as an export would.
            lines.write(json.dumps({name: value for name, value in asdict(record).items() if value}) + "\n")
            began = time.perf_counter()
            found = analyse(record.caption)
            spent += time.perf_counter() - began
            lengths.append(len(found))
            tokens.extend(numbers.setdefault(token, len(numbers)) for token in found)
            images.append(names.setdefault(record.image_id, len(names)))
            captions.append(record.caption)
    starts = np.concatenate([[0], np.cumsum(np.array(lengths, np.int64))])
    material = Material(
        folder,
        analyzer_name,
        starts,
        np.array(tokens, np.int32),
        np.array(images, np.int32),
        list(names),
        list(numbers),
        [],
        spent,
    )
    chosen = [analyse(caption) for caption in islice(_question_captions(captions), 4 * questions)]
    answered = true_answers(material, [tuple(sorted(one)) for one in chosen if one][:questions])
    for name in ("starts", "tokens", "images"):
        np.save(folder / f"{name}.npy", getattr(material, name))
    told = {
        "analyzer": analyzer_name,
        "names": material.names,
        "vocabulary": material.vocabulary,
        "questions": [asdict(one) for one in answered],
        "analysis_seconds": spent,
    }
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")
    return Material.load(folder)


def _question_captions(captions: list[str]) -> Iterator[str]:
    chance = random.Random(_QUESTION_SEED)
    new = made_captions(captions[:50_000], _QUESTION_SEED)
    while True:
        yield chance.choice(captions)
        yield next(new)


class Postings:
    """For each token the captions that hold it: what counting needs. Built with NumPy, in memory."""

    def __init__(self, material: Material) -> None:
        self.sizes = np.diff(material.starts).astype(np.int32)
        rows = np.repeat(np.arange(len(material), dtype=np.int32), self.sizes)
        self._rows = rows[np.argsort(material.tokens, kind="stable")]
        counts = np.bincount(material.tokens, minlength=len(material.vocabulary))
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._numbers = {token: number for number, token in enumerate(material.vocabulary)}

    def scores(self, tokens: tuple[str, ...]) -> Array:
        """The Jaccard similarity of every caption, by counting every posting of the tokens."""
        known = [self._numbers[token] for token in tokens if token in self._numbers]
        slices = [self._rows[self._starts[number] : self._starts[number + 1]] for number in known]
        overlap = np.bincount(np.concatenate(slices), minlength=len(self.sizes)) if slices else 0 * self.sizes
        return overlap / (len(tokens) + self.sizes - overlap)


def true_answers(material: Material, chosen: list[tuple[str, ...]]) -> list[Question]:
    postings, questions = Postings(material), []
    for tokens in chosen:
        best = np.zeros(len(material.names))
        np.maximum.at(best, material.images, postings.scores(tokens))
        questions.append(Question(tokens, tuple(np.sort(best[best > 0])[::-1][:HITS].tolist())))
    return questions
