"""A thing is named once in a caption."""

from __future__ import annotations

from captioner import Captioner
from captioner.guides.synonyms import SYNONYMS, others_by_word, synonym_ids
from captioner.vocabulary import SPECIALS, Vocabulary


def test_groups_are_those_words_that_a_vocabulary_has() -> None:
    words = Vocabulary((*SPECIALS, *"a bike sofa man bicycle couch canoe".split()))
    found = {frozenset(words.words[number] for number in group) for group in synonym_ids(words)}
    assert found == {frozenset({"bike", "bicycle"}), frozenset({"sofa", "couch"})}


def test_no_word_names_two_things() -> None:
    every = [word for group in SYNONYMS for word in group.split()]
    assert len(every) == len(set(every))


def test_each_word_keeps_the_others_of_its_group_away() -> None:
    assert others_by_word(((4, 7, 9), (5, 6))) == {4: (7, 9), 7: (4, 9), 9: (4, 7), 5: (6,), 6: (5,)}


def test_the_default_model_names_a_bike_once() -> None:
    captioner = Captioner.load("default", "cpu")
    bike, bicycle = map(captioner.vocabulary.id, ("bike", "bicycle"))
    assert bicycle in others_by_word(captioner.decoding(beam=3).synonyms)[bike]
