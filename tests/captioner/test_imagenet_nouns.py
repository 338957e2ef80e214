"""The table from ImageNet-1k classes to caption nouns: whole, in class order, and made of caption words."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from torchvision.models import ResNet101_Weights

#: A word seen less often than this in the captions cannot be learnt from them.
SEEN_AT_LEAST = 5
#: torchvision tells the two pairs of classes of one name apart.
TOLD_APART = {"crane bird": "crane", "maillot tank suit": "maillot"}


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    path = files("captioner") / "data" / "imagenet_nouns.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def test_every_class_is_there_in_the_classifiers_order(table: dict[str, Any]) -> None:
    known = ResNet101_Weights.IMAGENET1K_V1.meta["categories"]
    expected = [TOLD_APART.get(name, name) for name in known]
    assert [name for name, _ in table["classes"]] == expected


def test_nouns_are_single_lower_case_words_without_repeats(table: dict[str, Any]) -> None:
    for name, nouns in table["classes"]:
        assert len(nouns) <= 4, name
        assert len(set(nouns)) == len(nouns), name
        assert all(re.fullmatch(r"[a-z]+", noun) for noun in nouns), (name, nouns)


def test_file_says_where_it_comes_from(table: dict[str, Any]) -> None:
    assert set(table) == {"source", "classes"}
    assert "ImageNet-1k" in table["source"]


@pytest.mark.parametrize(
    ("name", "noun"),
    [
        ("tabby", "cat"),
        ("beagle", "dog"),
        ("jay", "bird"),
        ("washbasin", "sink"),
        ("toilet seat", "bathroom"),
        ("schooner", "boat"),
        ("cab", "taxi"),
        ("racket", "tennis"),
        ("ski", "snow"),
        ("parking meter", "meter"),
        ("crane", "bird"),  # the first of two classes of this name is the bird
    ],
)
def test_classes_give_the_everyday_word(table: dict[str, Any], name: str, noun: str) -> None:
    assert noun in next(nouns for known, nouns in table["classes"] if known == name)


def test_every_dog_is_a_dog_and_no_cat_is(table: dict[str, Any]) -> None:
    nouns = [words for _, words in table["classes"]]
    assert all("dog" in words for words in nouns[151:269])
    assert not any("dog" in words for words in nouns[281:294])


def test_every_noun_is_a_word_of_the_captions(table: dict[str, Any], shared_data: Path) -> None:
    annotations = shared_data / "coco" / "annotations"
    texts = [(shared_data / "flickr8k" / "captions.txt").read_text(encoding="utf-8")]
    for name in ("captions_val2017.json", "captions_val2014_part.json"):
        captions = json.loads((annotations / name).read_text(encoding="utf-8"))["annotations"]
        texts.extend(caption["caption"] for caption in captions)
    seen = Counter(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))
    nouns = {noun for _, words in table["classes"] for noun in words}
    assert not {noun: seen[noun] for noun in nouns if seen[noun] < SEEN_AT_LEAST}
