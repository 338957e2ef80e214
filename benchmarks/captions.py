"""Captions by the million for benchmarks and scale tests: real ones first, then ones made from them.

A made caption begins as one real caption and goes on as another from a word that both contain, twice over. So
words are as frequent as in the real ones, lengths are alike, and neighbours in meaning exist.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from indexer import origins
from indexer.records import CaptionRecord

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
_COCO_FILES = ("captions_val2017.json", "captions_val2014_part.json")
_CAPTIONS_AN_IMAGE = 5


def coco_records(shared: Path = SHARED) -> list[CaptionRecord]:
    """The real COCO captions of the shared folder, in the files' order; empty where there are none."""
    records: list[CaptionRecord] = []
    for name in _COCO_FILES:
        path = shared / "coco" / "annotations" / name
        if not path.is_file():
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        url = {image["id"]: image.get("coco_url", image["file_name"]) for image in content["images"]}
        records += [
            CaptionRecord(
                str(row["image_id"]), row["caption"], url.get(row["image_id"], ""), source=origins.COCO
            )
            for row in content["annotations"]
        ]
    return records


def records(size: int, seed: int = 0, shared: Path = SHARED) -> Iterator[CaptionRecord]:
    """`size` captions, always the same ones for a seed: the real ones, then made ones without end."""
    real = coco_records(shared)
    yield from real[:size]
    base = [record.caption for record in real] or list(islice(grammar_captions(seed), 20_000))
    made = made_captions(base, seed)
    for number, caption in enumerate(islice(made, max(0, size - len(real)))):
        yield CaptionRecord(
            f"made-{number // _CAPTIONS_AN_IMAGE:08d}", caption, source="made", kind=origins.GENERATED
        )


def made_captions(base: Sequence[str], seed: int = 0) -> Iterator[str]:
    """Endless new captions that cross real ones at words they share."""
    chance = random.Random(seed)
    words = [caption.split() for caption in base if len(caption.split()) > 1]
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, caption in enumerate(words):
        for place, word in enumerate(caption):
            places[word].append((number, place))
    while True:
        caption = chance.choice(words)
        for _ in range(2):
            cut = int(chance.random() * len(caption))
            other, place = chance.choice(places[caption[cut]])
            caption = caption[:cut] + words[other][place:]
        yield " ".join(caption)


_WORDS = {
    "who": "man woman boy girl dog cat horse bird child skier surfer player zebra giraffe elephant cow sheep",
    "how": "young old small large brown black white red blue happy wet tall little two three several",
    "does": "sits stands runs walks jumps sleeps plays rides looks waits eats holds carries watches throws",
    "where": "on in near behind beside under above along across",
    "what": "beach street table field kitchen bench boat tree wave board ball train bus car bicycle bed "
    "couch umbrella window mountain river bridge pizza cake plate laptop phone clock fence road snow park",
}


def grammar_captions(seed: int = 0) -> Iterator[str]:
    """Endless plain captions from a small grammar, for machines without the real ones."""
    chance = random.Random(seed)
    words = {part: line.split() for part, line in _WORDS.items()}
    while True:
        sentence = "how who does" + " where how what" * chance.choice((1, 1, 2, 3))
        yield "A " + " ".join(chance.choice(words[part]) for part in sentence.split()) + "."
