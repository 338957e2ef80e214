"""From options, examples and indexed images to a query."""

from __future__ import annotations

import pytest

from captioner.tokens import analyzer
from indexer.records import CaptionRecord, Document
from search.errors import QueryError
from search.query import blended, representative, sampled, written
from tests.indexer.memory import MemoryIndex


def test_the_caption_that_agrees_best_stands_for_an_image() -> None:
    texts = ["something else entirely", "a dog on the beach", "a brown dog runs on the beach"]
    documents = [Document(CaptionRecord("i", text), analyzer()(text)) for text in texts]
    # beach+dog against brown+dog+run+beach share 2 of 4; the third one is longer, so the sums tie at 1 + 1/2.
    assert representative(documents).record.caption == "a brown dog runs on the beach"
    assert representative(documents[::-1]) == representative(documents)


def test_a_sample_has_every_caption_of_its_images_and_is_the_same_again() -> None:
    records = [CaptionRecord("i0", text) for text in ("a dog", "an animal")]
    records += [CaptionRecord("i1", "two dogs"), CaptionRecord("i2", "a cat")]
    index = MemoryIndex(records)
    for images in (1, 2, 10):
        found = sampled(index, images)
        chosen = {record.image_id for record in found}
        assert len(chosen) == min(images, 3)
        assert {*found} == {one for one in records if one.image_id in chosen}
        assert sampled(index, images) == found


def test_blended_words_stand_in_more_liked_than_unliked() -> None:
    dog, cat, both = frozenset({"dog", "run"}), frozenset({"cat", "run"}), frozenset({"dog", "cat"})
    assert blended([dog], []) == {"dog", "run"}
    assert blended([dog], [cat]) == {"dog"}
    assert blended([dog, both], [cat]) == {"dog"}  # cat: 1 of 2 against 1 of 1
    assert blended([dog], [dog]) == frozenset()
    with pytest.raises(QueryError, match="at least one example"):
        blended([], [dog])


@pytest.mark.parametrize(
    ("text", "caption", "without"),
    [
        ("a dog -beach", "a dog", ("beach",)),
        ("a dog -beach -élan  runs", "a dog runs", ("beach", "élan")),
        ("a dog -hot-dog,", "a dog", ("hot-dog,",)),
        ("a  man in a T-shirt - two-tone", "a  man in a T-shirt - two-tone", ()),
        ("-beach", "", ("beach",)),
        ("-beach a dog", "a dog", ("beach",)),
        ("-hot-dog -T-shirt", "", ("hot-dog", "T-shirt")),
        ("T-shirt", "T-shirt", ()),
        ("- a dog", "- a dog", ()),
        ("-5 dogs", "-5 dogs", ()),
        ("10 -5 --x -- -_", "10 -5 --x -- -_", ()),
        ("", "", ()),
    ],
)
def test_a_hyphen_before_a_word_does_without_it(text: str, caption: str, without: tuple[str, ...]) -> None:
    assert written(text) == (caption, without)
