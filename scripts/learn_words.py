"""Learn the word table of the analyzers `english/2` and `english/3` from captions alone.

    python scripts/learn_words.py COCO_CAPTIONS.json... --without RATED_PAIRS.csv

The captions that several people wrote for one photo tell how much a word says about it. Two things
are learned, both from pairs of different captions of the same photo:

- the weight of a word: how many nats a caption's word tells about the other captions,
  P(w|w) ln(P(w|w) / P(w)), in whole steps of 1 to 3. "zebra" is repeated by nearly everyone, "nice"
  by nobody.
- the words that a word implies ("puppy" implies "dog"). For `english/3`: where somebody uses the word
  without the other one, at least a quarter of the others use that, twice as many as for any photo.
  So it is what a word stands for. For `english/2` those count too that stand beside the word: most
  who write "lies" write "cat" as well, but of a dog that lies nobody says so.

Besides, how people write the stems that others imply, where the stem is no word itself ("tabl": "table").

Photos that people rated for likeness (`--without`) teach nothing, so that their ratings can judge it.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import permutations, product
from pathlib import Path
from types import MappingProxyType
from typing import Any

from captioner.tokens import WORD_TABLE, analyzer, words

#: Words seen in fewer pairs than this teach nothing for certain; they get the analyzer's own guess.
FEWEST_PAIRS = 20
#: Belief before looking: three of ten repeat a word, as strong as 20 pairs.
PRIOR, PRIOR_PAIRS = 0.3, 20
HEAVIEST = 3
#: A stem that is less than this share of the words it stands for is no word, but somebody's misspelling.
FEWEST_ITSELF = 0.01
IMPLIED_LIFT, IMPLIED_PRIOR_PAIRS = 2.0, 10
#: For `english/2`, and for `english/3`, which wants to see it in several photos.
IMPLIED_SHARE, STANDS_FOR_SHARE, FEWEST_PHOTOS = 0.3, 0.25, 5
#: What the captions do not teach: plurals that the stemmer leaves apart, two spellings of a colour, and what
#: people say in place of the words that COCO's writers prefer.
TOLD = {"children": "child", "men": "man", "women": "woman", "grey": "gray", "kid": "child", "sea": "ocean"}
#: What they teach only since "hot dog" is two words.
MISTAUGHT = frozenset(product(("bun", "chili", "ketchup", "mustard"), ("dog", "hot")))
ABOUT = {
    "what": "for captioner.tokens, by stems: weights, stems implied in each analyzer, how people write these",
    "made_by": "scripts/learn_words.py",
    "source": "statistics of the captions of Microsoft COCO (Chen et al., Microsoft COCO Captions, 2015)",
    "license": "CC BY 4.0 (COCO Consortium), https://creativecommons.org/licenses/by/4.0/",
}


def read_captions(files: Sequence[Path], without: frozenset[int]) -> list[list[str]]:
    """The captions, photo by photo."""
    photos: dict[int, list[str]] = defaultdict(list)
    for file in files:
        for row in json.loads(file.read_text(encoding="utf-8"))["annotations"]:
            if row["image_id"] not in without:
                photos[row["image_id"]].append(row["caption"])
    return [photos[image] for image in sorted(photos)]


def rated_images(file: Path | None) -> frozenset[int]:
    """COCO image numbers named by a table of rated pairs (`image1,image2,...`)."""
    if file is None:
        return frozenset()
    with file.open(encoding="utf-8", newline="") as stream:
        return frozenset(
            int(Path(row[column]).stem.rpartition("_")[2])
            for row in csv.DictReader(stream)
            for column in ("image1", "image2")
        )


class Counts:
    """How often words stand in captions, and in two captions of one photo."""

    def __init__(self, photos: Iterable[Sequence[frozenset[str]]]) -> None:
        self.captions = 0
        self.seen: Counter[str] = Counter()
        self.pairs: Counter[str] = Counter()  # pairs of captions whose first has the word
        self.together: Counter[tuple[str, str]] = Counter()  # ... and whose second has the other word
        self.beside: Counter[tuple[str, str]] = Counter()  # pairs whose first has both words
        self.instead: Counter[tuple[str, str]] = Counter()  # ... one, and only whose second has the other
        self.photos: Counter[tuple[str, str]] = Counter()  # with such a pair
        for captions in photos:
            self.captions += len(captions)
            for stems in captions:
                self.seen.update(stems)
            instead: Counter[tuple[str, str]] = Counter()
            for one, other in permutations(captions, 2):
                self.pairs.update(one)
                self.together.update(product(one, other))
                self.beside.update(product(one, one))
                instead.update(product(one, other - one))
            self.instead.update(instead)
            self.photos.update(instead.keys())

    def share(self, word: str) -> float:
        """P(w): how many captions have this word."""
        return self.seen[word] / self.captions

    def weight(self, word: str) -> int:
        again = (self.together[word, word] + PRIOR * PRIOR_PAIRS) / (self.pairs[word] + PRIOR_PAIRS)
        nats = again * math.log(again / self.share(word))
        return 1 + max(0, min(HEAVIEST - 1, math.floor(nats)))

    def implies(self, word: str, other: str) -> bool:
        share = self.together[word, other] / (self.pairs[word] + IMPLIED_PRIOR_PAIRS)
        return word != other and share >= max(IMPLIED_SHARE, IMPLIED_LIFT * self.share(other))

    def stands_for(self, word: str, other: str) -> bool:
        if self.photos[word, other] < FEWEST_PHOTOS or (word, other) in MISTAUGHT:
            return False
        alone = self.pairs[word] - self.beside[word, other]
        share = self.instead[word, other] / (alone + IMPLIED_PRIOR_PAIRS)
        return share >= max(STANDS_FOR_SHARE, IMPLIED_LIFT * self.share(other))


def learn(photos: Sequence[Sequence[str]]) -> dict[str, dict[str, Any]]:
    """`weights`: stem -> 1..3; `implied`: analyzer -> stem -> stems; `written`: stem, no word -> word."""
    stems = analyzer("english/1")
    counts = Counts([stems(caption) for caption in captions] for captions in photos)
    known = sorted(word for word, pairs in counts.pairs.items() if pairs >= FEWEST_PAIRS)
    implied = {
        "english/2": implications(counts, counts.implies),
        "english/3": implications(counts, counts.stands_for, TOLD),
    }
    shown = {stem for brought in implied.values() for several in brought.values() for stem in several}
    return {
        "weights": {word: counts.weight(word) for word in known},
        "implied": implied,
        "written": dict(written(photos, shown)),
    }


def implications(
    counts: Counts, implies: Callable[[str, str], bool], told: Mapping[str, str] = MappingProxyType({})
) -> dict[str, list[str]]:
    """stem -> the stems that it brings: those learned, and those that are told."""
    brought: dict[str, set[str]] = defaultdict(set)
    for word, other in counts.together:
        if counts.pairs[word] >= FEWEST_PAIRS and implies(word, other):
            brought[word].add(other)
    for word, other in told.items():
        brought[word].add(other)
    return {word: sorted(others) for word, others in brought.items()}


def written(photos: Iterable[Sequence[str]], stems: Container[str]) -> Iterator[tuple[str, str]]:
    """How people write those of these stems that are no words themselves, by the word that is commonest."""
    stem, uses = analyzer("english/1"), defaultdict[str, Counter[str]](Counter)
    for word, times in Counter(
        word for captions in photos for one in captions for word in words(one)
    ).items():
        for root in stem(word):
            uses[root][word] += times
    for root, several in uses.items():
        if root in stems and several[root] < FEWEST_ITSELF * several.total():
            yield root, max(several, key=lambda word: (several[word], word))


def write(table: dict[str, dict[str, Any]], file: Path) -> None:
    """JSON with one word a line, so that a change can be read in a diff."""
    parts = [f' "about": {json.dumps(ABOUT, indent=1)}']
    parts += [f' "{name}": {a_word_a_line(entries)}' for name, entries in table.items()]
    file.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def a_word_a_line(entries: dict[str, Any]) -> str:
    lines = (
        f"  {json.dumps(key)}: {a_word_a_line(value) if isinstance(value, dict) else json.dumps(value)}"
        for key, value in sorted(entries.items())
    )
    return "{\n" + ",\n".join(lines) + "\n }"


def main() -> None:
    parser = argparse.ArgumentParser(description="Learn the word table of the weighted analyzers.")
    parser.add_argument("annotations", nargs="+", type=Path, help="COCO caption annotations")
    parser.add_argument("--without", type=Path, help="table of rated pairs whose photos are left out")
    parser.add_argument("--output", type=Path, default=WORD_TABLE)
    options = parser.parse_args()
    table = learn(read_captions(options.annotations, rated_images(options.without)))
    write(table, options.output)
    print(
        f"{options.output}: {len(table['weights'])} weights; words that imply others:",
        ", ".join(f"{len(brought)} in {name}" for name, brought in table["implied"].items()),
    )


if __name__ == "__main__":
    main()
