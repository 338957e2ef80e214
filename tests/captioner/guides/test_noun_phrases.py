"""An adjective behind an article wants a noun."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from captioner.decode import Decoding, decode
from captioner.guides.noun_phrases import NounPhrases
from captioner.networks.decoders import State
from captioner.vocabulary import END, SPECIALS, START, Vocabulary

WORDS = Vocabulary((*SPECIALS, *"a the and in is dog man one black white small runs sitting".split()))
PHRASES = NounPhrases.of(WORDS)


def needs_noun(caption: str) -> bool:
    return PHRASES.needs_noun([WORDS.id(word) for word in caption.split()])


@pytest.mark.parametrize(
    "caption", ["a white", "the small black", "a man in a black and white", "a black and small"]
)
def test_a_phrase_without_its_noun(caption: str) -> None:
    assert needs_noun(caption)


@pytest.mark.parametrize(
    "caption", ["", "a", "a white dog", "a dog is white", "a man in black and white", "white", "a black and"]
)
def test_a_caption_that_may_go_on_with_any_word(caption: str) -> None:
    assert not needs_noun(caption)


def test_what_may_not_stand_in_the_nouns_place() -> None:
    lowered = {WORDS.words[number] for number in PHRASES.lowered}
    assert lowered == {"<end>", "a", "the", "in", "is", "runs"}


def test_a_vocabulary_of_another_language_has_no_such_phrases() -> None:
    russian = NounPhrases.of(Vocabulary((*SPECIALS, "белая", "собака")))
    assert (russian.articles, russian.adjectives, russian.lowered) == ((), (), (END,))


class _Fixed:
    """A decoder that gives each word of a caption the best score, whatever came before, and then `dog`.

    `margin`: nats by which the best is better than `dog`.
    """

    def __init__(self, caption: str, margin: float = 1.0) -> None:
        self._margin = margin
        self._ids = [WORDS.id(word) for word in caption.split()] + [END]

    def begin(self, features: Tensor) -> tuple[Tensor, State, State]:
        return self._scores(0), (), (torch.ones(1),)

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        return self._scores(int(state[0])), (state[0] + 1,)

    def _scores(self, place: int) -> Tensor:
        scores = torch.full((1, len(WORDS)), -90.0)
        scores[0, WORDS.id("dog")] = -self._margin
        scores[0, self._ids[min(place, len(self._ids) - 1)]] = 0.0
        return scores


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        ("a white is sitting", "a white dog sitting"),
        ("a man in a black", "a man in a black dog"),
        ("the small black runs", "the small black dog"),
        ("the dog is white", "the dog is white"),
        ("a white sitting", "a white sitting"),  # "a white sitting dog" may follow
        ("a man in a white one", "a man in a white one"),
    ],
)
def test_the_noun_comes_in_place_of_what_may_not(wanted: str, written: str) -> None:
    how = Decoding(beam=1, max_words=7, barred=(START,), phrases=PHRASES)
    [[best]] = decode(_Fixed(wanted), torch.zeros(1, 1), how)
    assert " ".join(WORDS.decode(best.ids)) == written
    [[free]] = decode(_Fixed(wanted), torch.zeros(1, 1), Decoding(beam=1, max_words=7, barred=(START,)))
    assert " ".join(WORDS.decode(free.ids)) == wanted


def test_a_model_that_is_sure_of_a_caption_without_a_noun_writes_it() -> None:
    """Of swatches of colour, or where there is no noun in the vocabulary at all."""
    how = Decoding(beam=1, max_words=7, barred=(START,), phrases=PHRASES)
    [[best]] = decode(_Fixed("a white", margin=9.0), torch.zeros(1, 1), how)
    assert " ".join(WORDS.decode(best.ids)) == "a white"
