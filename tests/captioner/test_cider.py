"""The fast CIDEr-D gives the reference implementation's figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.cider import CiderD
from captioner.tokens import words

Captions = list[list[str]]

caption = st.lists(st.sampled_from(["a", "dog", "runs", "on", "grass", "the", "red"]), min_size=1, max_size=9)
photo = st.tuples(st.lists(caption, min_size=1, max_size=4), caption)


def reference_scores(references: list[Captions], captions: Captions) -> list[float]:
    cider = pytest.importorskip("pycocoevalcap.cider.cider", reason="needs the extra `evaluate`")
    theirs = {number: [" ".join(line) for line in lines] for number, lines in enumerate(references)}
    ours = {number: [" ".join(line)] for number, line in enumerate(captions)}
    return list(map(float, cider.Cider().compute_score(theirs, ours)[1]))


@settings(max_examples=50, deadline=None)
@given(st.lists(photo, min_size=2, max_size=6))
def test_random_captions_score_as_in_the_reference(photos: list[tuple[Captions, list[str]]]) -> None:
    references, captions = [one[0] for one in photos], [one[1] for one in photos]
    mine = CiderD(references)
    found = [mine.score(number, line) for number, line in enumerate(captions)]
    assert found == pytest.approx(reference_scores(references, captions), abs=1e-9)
    assert mine.mean(captions) == pytest.approx(sum(found) / len(found))


def test_real_captions_score_as_in_the_reference(shared_data: Path) -> None:
    path = shared_data / "coco" / "annotations" / "captions_mini.json"
    notes = json.loads(path.read_text(encoding="utf-8"))["annotations"]
    by_photo: dict[int, Captions] = {}
    for note in notes:
        by_photo.setdefault(note["image_id"], []).append(words(note["caption"]))
    references = [lines[1:] for lines in by_photo.values()]
    captions = [lines[0] for lines in by_photo.values()]
    mine = CiderD(references)
    found = [mine.score(number, line) for number, line in enumerate(captions)]
    assert found == pytest.approx(reference_scores(references, captions), abs=1e-9)
    assert mine.mean(captions) > 0.5


def test_no_words_and_no_references_score_nothing() -> None:
    mine = CiderD([[["a", "dog"]], []])
    assert mine.score(0, []) == 0.0
    assert mine.score(1, ["a", "dog"]) == 0.0
