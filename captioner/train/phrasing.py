"""Fill a model's tables of phrasing: continuations from captions without photos, verbs from all captions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from captioner.cider import Words
from captioner.configuration import PhrasingSizes
from captioner.guides.noun_phrases import ADJECTIVES
from captioner.guides.phrasing import STEPS, Kind, Phrasing, Said
from captioner.tokens import FUNCTION_WORDS
from captioner.vocabulary import END, START, UNK, Vocabulary

_ARTICLES = "a an the this that one two three four five some several many".split()
#: In "a group of people" the people are the subject.
_MEASURES = "group couple bunch crowd pair herd flock number row lot team series line".split()
_BE = "is are".split()
#: Off each count of a continuation, for those that the text happens not to have.
_DISCOUNT = 0.75
_RAREST = 0.5  # times that a word of the vocabulary counts more than it comes
_FEWEST = 3  # times that a verb must come after "is" or "are"
#: A subject's verbs count as many captions more as other subjects would have them, the likest ones most.
_PRIOR = 10.0
_MOST_OF_ONE = 30.0  # captions of a subject that count for others
_LIKENESS = 6  # the power of two words' cosine, where the likest word has 1
_OF_ALL = 0.5  # captions of all subjects together that count beside the likest ones
#: A verb loses nothing where a subject has it e to this power more seldom than all subjects do, and
#: `_STRENGTH` of what goes beyond it, up to `_MOST` nats.
_TOLERATED = 1.0
_STRENGTH = 1.5
_MOST = 9.0


def fit_phrasing(
    text: Sequence[Words],
    photos: Sequence[Words],
    subjects: Tensor,
    embeddings: Tensor,
    vocabulary: Vocabulary,
) -> Phrasing | None:
    """Fit the tables to captions without photos and to those of the training photos.

    `subjects` (S,): ids of words that may be subjects; `embeddings` (V, E): words alike have like ones.
    Gives None where the text is too small: without verbs, or without a caption.
    """
    free, all_lines = (
        [[vocabulary.id(word) for word in line] for line in some] for some in (text, [*text, *photos])
    )
    verbs = _verbs(all_lines, vocabulary)
    ngrams = _Ngrams(free, len(vocabulary))
    pairs, triples = ngrams.pair_gains(), ngrams.triple_gains()
    if not (verbs and triples and len(subjects)):
        return None
    sizes = PhrasingSizes(len(pairs), len(triples), len(subjects), len(verbs))
    result = Phrasing(sizes, len(vocabulary))
    result.kinds.copy_(_kinds(verbs, vocabulary))
    _fill_continuations(result, pairs, triples)
    result.subjects.copy_(subjects)
    result.verbs.copy_(torch.tensor(verbs))
    result.losses.copy_((_losses(result, all_lines, embeddings) * STEPS).round())
    return result


def _verbs(lines: Sequence[Sequence[int]], vocabulary: Vocabulary) -> list[int]:
    """Words in -ing that come after "is" or "are"."""
    be = _ids(_BE, vocabulary)
    after = Counter(word for line in lines for before, word in pairwise(line) if before in be)
    return sorted(
        word
        for word, count in after.items()
        if word > UNK and count >= _FEWEST and vocabulary.words[word].endswith("ing")
    )


def _ids(words: Iterable[str], vocabulary: Vocabulary) -> set[int]:
    return {vocabulary.id(word) for word in words} - {UNK}


def _kinds(verbs: Sequence[int], vocabulary: Vocabulary) -> Tensor:
    kinds = torch.full((len(vocabulary),), int(Kind.NOUN))
    kinds[: UNK + 1] = Kind.OTHER
    for words, kind in (
        (FUNCTION_WORDS, Kind.OTHER),
        (_ARTICLES, Kind.ARTICLE),
        (ADJECTIVES, Kind.ADJECTIVE),
        (_MEASURES, Kind.MEASURE),
        (["and"], Kind.AND),
        (["of"], Kind.OF),
        (_BE, Kind.BE),
    ):
        kinds[sorted(_ids(words, vocabulary))] = kind
    kinds[list(verbs)] = Kind.OTHER
    return kinds


class _Ngrams:
    """Counts of a text's words, pairs and triples, and what words gain by those before them.

    `<start>` stands twice before and `<end>` once behind each caption.
    """

    def __init__(self, lines: Sequence[Sequence[int]], vocabulary: int) -> None:
        whole = [[START, START, *line, END] for line in lines]
        words = Counter(word for line in whole for word in line[2:])
        self.pairs = Counter(pair for line in whole for pair in pairwise(line))
        self.triples = Counter(
            triple for line in whole for triple in zip(line, line[1:], line[2:], strict=False)
        )
        self._follow_word = Counter(first for first, _ in self.pairs)  # different words, after each word
        self._follow_pair = Counter(triple[:2] for triple in self.triples)
        self._after: Counter[int] = Counter()
        for (first, _), count in self.pairs.items():
            self._after[first] += count
        self._total, self._words = words.total() + _RAREST * vocabulary, words

    def pair_gains(self) -> dict[tuple[int, ...], float]:
        """Nats that a word gains after another, against all that the text never has there."""
        return {
            pair: math.log1p(
                (count - _DISCOUNT) / (_DISCOUNT * self._follow_word[pair[0]] * self._alone(pair[1]))
            )
            for pair, count in self.pairs.items()
            if _written(pair)
        }

    def triple_gains(self) -> dict[tuple[int, ...], float]:
        """Nats that a word gains after two others, besides what it gains after the last of them."""
        return {
            triple: math.log1p(
                (count - _DISCOUNT)
                / (_DISCOUNT * self._follow_pair[triple[:2]] * self._after_one(triple[1:]))
            )
            for triple, count in self.triples.items()
            if _written(triple)
        }

    def _alone(self, word: int) -> float:
        return (self._words[word] + _RAREST) / self._total

    def _after_one(self, pair: tuple[int, int]) -> float:
        first, word = pair
        left = _DISCOUNT * self._follow_word[first] * self._alone(word)
        return (max(self.pairs[pair] - _DISCOUNT, 0.0) + left) / self._after[first]


def _written(words: Sequence[int]) -> bool:
    """Whether a decoder may write these words: `<unk>` it never does."""
    return UNK not in words


def _fill_continuations(
    result: Phrasing, pairs: dict[tuple[int, ...], float], triples: dict[tuple[int, ...], float]
) -> None:
    places = {pair: place for place, pair in enumerate(sorted(pairs))}
    for name, gains, contexts in (
        ("pair", pairs, [first for first, _ in sorted(pairs)]),
        ("triple", triples, [places[triple[:2]] for triple in sorted(triples)]),
    ):
        counts = result.get_buffer(f"{name}_counts")
        counts.copy_(torch.tensor(contexts).bincount(minlength=len(counts)))
        in_order = sorted(gains)
        result.get_buffer(f"{name}_words").copy_(torch.tensor([words[-1] for words in in_order]))
        nats = torch.tensor([gains[words] for words in in_order])
        result.get_buffer(f"{name}_gains").copy_((nats * STEPS).round().clamp(max=255))


def _losses(result: Phrasing, lines: Sequence[Sequence[int]], embeddings: Tensor) -> Tensor:
    """Nats that each verb loses after each subject (S, R)."""
    done, undergone = _roles(result, lines)
    usual = done.sum(dim=0) + 0.5
    usual = usual / usual.sum()
    captions = done.sum(dim=1, keepdim=True)
    places = functional.normalize(embeddings[result.subjects.long()].float(), dim=1)
    likeness = (places @ places.T).fill_diagonal_(0).clamp(min=0)
    likeness = (likeness / likeness.amax(dim=1, keepdim=True).clamp(min=1e-6)) ** _LIKENESS
    prior = likeness @ (done * (_MOST_OF_ONE / captions.clamp(min=_MOST_OF_ONE))) + _OF_ALL * usual
    prior = prior / prior.sum(dim=1, keepdim=True)
    expected = (done + _PRIOR * prior) / (captions + _PRIOR)
    by_role = (done + 1) / (done + undergone + 1)
    lift = (expected * by_role / usual).log()
    return (-_STRENGTH * (lift + _TOLERATED)).clamp(0, _MOST)


def _roles(result: Phrasing, lines: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """In how many captions each subject does what each verb says (S, R), and in how many it undergoes it."""
    verb_at = {word: place for place, word in enumerate(result.verbs.tolist())}
    noun_at = {word: place for place, word in enumerate(result.subjects.tolist())}
    done, undergone = torch.zeros(2, len(noun_at), len(verb_at))
    passed = {Kind.ARTICLE, Kind.ADJECTIVE}
    kinds = result.kinds.tolist()
    for line, subject, verb in zip(lines, *_subjects_with_verbs(result, lines), strict=True):
        if subject in noun_at and verb in verb_at:
            done[noun_at[subject], verb_at[verb]] += 1
        for place, word in enumerate(line):
            if word in verb_at:
                behind = next((later for later in line[place + 1 :] if kinds[later] not in passed), None)
                if behind in noun_at:
                    undergone[noun_at[behind], verb_at[word]] += 1
    return done, undergone


def _subjects_with_verbs(result: Phrasing, lines: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """The subject of each caption and the verb in its place; 0 where there is none."""
    longest = max(map(len, lines))
    words = torch.tensor([[*line, *[END] * (longest - len(line))] for line in lines])
    is_verb = torch.isin(words, result.verbs.long())
    said = result.begin(len(lines))
    subjects, verbs = torch.zeros(2, len(lines), dtype=torch.long)
    for word, fits in zip(words.T, is_verb.T, strict=True):
        now = Said(*said.unbind(dim=1))
        found = (now.asks > 0) & fits & (verbs == 0)
        subjects, verbs = torch.where(found, now.subject, subjects), torch.where(found, word, verbs)
        said = result.follow(said, word)
    return subjects.tolist(), verbs.tolist()
