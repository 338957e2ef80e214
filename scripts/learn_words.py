"""Learn the word table of the analyzer `english/2` from captions alone.

    python scripts/learn_words.py COCO_CAPTIONS.json... --without RATED_PAIRS.csv

The captions that several people wrote for one photo tell how much a word says about it. Two numbers
are learned, both from pairs of different captions of the same photo:

- the weight of a word: how many nats a caption's word tells about the other captions,
  P(w|w) ln(P(w|w) / P(w)), in whole steps of 1 to 3. "zebra" is repeated by nearly everyone, "nice"
  by nobody.
- the words that a word implies: those that other people use for the same photo in three of ten
  cases, and at least twice as often as for any photo ("puppy" implies "dog").

Besides, how people write the stems that others imply, where the stem is no word itself ("tabl": "table").

Photos that people rated for likeness (`--without`) teach nothing, so that their ratings can judge it.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import permutations
from pathlib import Path

from captioner.tokens import WORD_TABLE, analyzer, words

#: Words seen in fewer pairs than this teach nothing for certain; they get the analyzer's own guess.
FEWEST_PAIRS = 20
#: Belief before looking: three of ten repeat a word, as strong as 20 pairs.
PRIOR, PRIOR_PAIRS = 0.3, 20
HEAVIEST = 3
#: A stem that is less than this share of the words it stands for is no word, but somebody's misspelling.
FEWEST_ITSELF = 0.01
IMPLIED_SHARE, IMPLIED_LIFT, IMPLIED_PRIOR_PAIRS = 0.3, 2.0, 10
ABOUT = {
    "what": "for captioner.tokens english/2, by stems: weights, implied stems, and how people write these",
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
        for captions in photos:
            self.captions += len(captions)
            for stems in captions:
                self.seen.update(stems)
            for one, other in permutations(captions, 2):
                self.pairs.update(one)
                self.together.update((word, second) for word in one for second in other)

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


def learn(photos: Sequence[Sequence[str]]) -> dict[str, dict[str, object]]:
    """`weights`: stem -> 1..3; `implied`: stem -> stems; `written`: stem that is no word -> word."""
    stems = analyzer("english/1")
    counts = Counts([stems(caption) for caption in captions] for captions in photos)
    known = sorted(word for word, pairs in counts.pairs.items() if pairs >= FEWEST_PAIRS)
    implied: dict[str, list[str]] = {}
    for word, other in sorted(counts.together):
        if counts.pairs[word] >= FEWEST_PAIRS and counts.implies(word, other):
            implied.setdefault(word, []).append(other)
    return {
        "weights": {word: counts.weight(word) for word in known},
        "implied": dict(implied),
        "written": dict(written(photos, {stem for several in implied.values() for stem in several})),
    }


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


def write(table: dict[str, dict[str, object]], file: Path) -> None:
    """JSON with one word a line, so that a change can be read in a diff."""
    parts = [f' "about": {json.dumps(ABOUT, indent=1)}']
    for name, entries in table.items():
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(entries[key])}" for key in sorted(entries))
        parts.append(f' "{name}": {{\n{lines}\n }}')
    file.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Learn the word table of the analyzer english/2.")
    parser.add_argument("annotations", nargs="+", type=Path, help="COCO caption annotations")
    parser.add_argument("--without", type=Path, help="table of rated pairs whose photos are left out")
    parser.add_argument("--output", type=Path, default=WORD_TABLE)
    options = parser.parse_args()
    table = learn(read_captions(options.annotations, rated_images(options.without)))
    write(table, options.output)
    print(
        f"{options.output}: {len(table['weights'])} weights, {len(table['implied'])} words that imply others"
    )


if __name__ == "__main__":
    main()
