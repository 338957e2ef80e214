"""How captions go on: which word comes after two others, and which verb after which subject.

A decoder writes of things that no training photo showed as of what it knows: "a motorcycle is riding a
motorbike", "a white plate is eating food". Captions without photos tell how such sentences are written. Two
tables are made of captions (captioner.train.phrasing), and both change the scores of the next word:

- *Continuations*: a trigram model with absolute discounting (Ney, Essen and Kneser, "On Structuring
  Probabilistic Dependences in Stochastic Language Modelling", 1994). Its smoothed probability of a word, less
  that of the word alone, is the same for all words that the text never has there, and a constant for all
  words changes no choice; so a word gains only where the text has it, for each of both lengths. It gains
  `SHARE` of that times the photo's novelty (captioner.guides.cooccurrence): where photos have taught the
  decoder, it needs no other teacher.
- *Subjects and verbs*: selectional preference (Resnik, "Selectional constraints", 1996). Right after the
  caption's subject, or after "is" or "are" behind it, verbs lose that captions hardly have of this subject:
  what is ridden or eaten does not ride or eat.

docs/captioner.md says what each gave.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from captioner.guides.packed import Packed
from captioner.networks.decoders import Decoder, State
from captioner.vocabulary import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from captioner.configuration import PhrasingSizes

# Chosen by CIDEr-D on dev photos and COCO's, and by reading; docs/tried.md has what other values gave.
SHARE = 0.2  # of the nats that a word gains by the text
FAMILIAR = 0.01  # the novelty up to which the text has no say, which saves its work
#: Contexts whose gains are kept whole: four bytes for each word of the vocabulary.
KEPT = 1024
#: All constants: they are part of a model's identity, as they change captions.
NUMBERS = (SHARE, FAMILIAR)

#: Gains and losses are stored as round(STEPS * nats).
STEPS = 16


class Kind(IntEnum):
    """What a word is to the search for a caption's subject: its last noun before any other phrase."""

    NOUN = 0  # or any word of no other kind
    ADJECTIVE = 1
    MEASURE = 2  # "group", "pair": of a "group of people" the people are the subject
    ARTICLE = 3  # or a number
    AND = 4
    OF = 5
    BE = 6
    OTHER = 7  # other function words, and verbs


class Phrasing(Packed["_Tables"]):
    """The tables, filled by training; what a caption has said so far; and the gains and losses by it."""

    kinds: Tensor  # (V,) uint8: `Kind` of each word
    # The continuations: pairs of words, by their first word in order, and triples, by their pair.
    pair_counts: Tensor  # (V,) pairs that begin with each word
    pair_words: Tensor  # (P,) second words, rising within a first word
    pair_gains: Tensor  # (P,) uint8: nats times `STEPS`
    triple_counts: Tensor  # (P,) triples that begin with each pair
    triple_words: Tensor  # (T,) third words
    triple_gains: Tensor  # (T,) uint8
    # Subjects and verbs.
    subjects: Tensor  # (S,) word ids
    verbs: Tensor  # (R,) word ids
    losses: Tensor  # (S, R) uint8: nats times `STEPS`

    def __init__(self, sizes: PhrasingSizes, vocabulary: int) -> None:
        """All zeros until training or a checkpoint fills them."""
        super().__init__()
        self.sizes = sizes
        ids = torch.int16 if vocabulary <= torch.iinfo(torch.int16).max else torch.int32
        for name, shape, kind in (
            ("kinds", (vocabulary,), torch.uint8),
            ("pair_counts", (vocabulary,), ids),
            ("pair_words", (sizes.pairs,), ids),
            ("pair_gains", (sizes.pairs,), torch.uint8),
            ("triple_counts", (sizes.pairs,), ids),
            ("triple_words", (sizes.triples,), ids),
            ("triple_gains", (sizes.triples,), torch.uint8),
            ("subjects", (sizes.subjects,), ids),
            ("verbs", (sizes.verbs,), ids),
            ("losses", (sizes.subjects, sizes.verbs), torch.uint8),
        ):
            self.register_buffer(name, torch.zeros(shape, dtype=kind))

    def out_of_range(self) -> str:
        """What is wrong with tables that a damaged file filled; "" where they are sound."""
        known = len(self.kinds)
        for name in ("pair_words", "triple_words", "subjects", "verbs"):
            ids = self.get_buffer(name)
            if ids.min() < 0 or ids.max() >= known:
                return f"{name} holds numbers outside 0 to {known - 1}"
        if self.kinds.max() > max(Kind):
            return f"kinds holds numbers above {max(Kind)}"
        for name, entries in (("pair_counts", self.pair_words), ("triple_counts", self.triple_words)):
            counts = self.get_buffer(name)
            if counts.min() < 0 or counts.sum() != len(entries):
                return f"{name} holds other numbers than those of {len(entries)} entries"
        return "" if (self.unpacked().pair_keys.diff() > 0).all() else "pair_words holds ids that do not rise"

    def begin(self, captions: int) -> Tensor:
        """What so many captions have said before their first word."""
        said = torch.zeros(captions, len(Said._fields), dtype=torch.long, device=self.kinds.device)
        said[:, :2] = START
        return said

    def follow(self, said: Tensor, words: Tensor) -> Tensor:
        """What captions have said once these words (N,) come after what they `said` (N, 6)."""
        before = Said(*said.unbind(dim=1))
        kind, of_subject = self.kinds[words], self.kinds[before.subject]
        started = before.subject > 0
        joins = (kind == Kind.AND) & started & (of_subject == Kind.ADJECTIVE)
        measures = (kind == Kind.OF) & started & (of_subject == Kind.MEASURE)
        names = (before.closed == 0) & (kind <= Kind.MEASURE)
        closes = (kind > Kind.ARTICLE) & ~joins & ~measures
        subject = torch.where(names, words, before.subject.masked_fill(measures & (before.closed == 0), 0))
        first_be = (kind == Kind.BE) & (before.been == 0) & started
        after = Said(
            before.last,
            words,
            subject,
            before.closed | closes.long(),
            before.been | first_be.long(),
            (names | first_be).long(),
        )
        return torch.stack(after, dim=1)

    def add_nats(self, scores: Tensor, said: Tensor, novelty: Tensor) -> None:
        """Add what words gain and lose to their scores (N, V); `novelty` (N,) of the photos."""
        tables, now = self.unpacked(), Said(*said.unbind(dim=1))
        new = (novelty > FAMILIAR).nonzero().squeeze(1)
        if len(new):
            gains = tables.gains(zip(now.before_last[new].tolist(), now.last[new].tolist(), strict=True))
            scores.index_add_(0, new, gains.mul_(SHARE * novelty[new].unsqueeze(1)))
        asking = ((now.asks > 0) & (tables.row_of[now.subject] >= 0)).nonzero()
        if len(asking):
            scores[asking, tables.verbs] -= tables.losses[tables.row_of[now.subject[asking.squeeze(1)]]]

    def _unpack(self) -> _Tables:
        return _Tables(self)


class Said(NamedTuple):
    """What matters of a caption's words so far, each (N,): the columns of one tensor."""

    before_last: Tensor  # word id; `<start>` before there are two
    last: Tensor  # word id; `<start>` before there is one
    subject: Tensor  # word id; 0 while there is none
    closed: Tensor  # 1 once the phrase of the subject has ended
    been: Tensor  # 1 once "is" or "are" came
    asks: Tensor  # 1 where a verb of the subject may come next


class _Tables:
    """A phrasing's tables as they are computed with.

    What words gain after two others is made whole, for all words, and kept for the contexts that came last: a
    few hundred contexts are most of what captions say, and adding a row of numbers is much faster than adding
    each of thousands to its place.
    """

    def __init__(self, phrasing: Phrasing) -> None:
        self._pairs = _Continuations(phrasing.pair_counts, phrasing.pair_words, phrasing.pair_gains)
        self._triples = _Continuations(phrasing.triple_counts, phrasing.triple_words, phrasing.triple_gains)
        words = torch.arange(len(phrasing.kinds), device=phrasing.kinds.device)
        self.row_of = torch.full_like(words, -1)  # in `losses`, of each subject; -1 where it has none
        self.row_of[phrasing.subjects.long()] = torch.arange(len(phrasing.subjects), device=words.device)
        self.pair_keys = words.repeat_interleave(phrasing.pair_counts.long()) * len(words) + self._pairs.words
        self.verbs = phrasing.verbs.long()
        self.losses = phrasing.losses / STEPS  # (S, R) float32
        self._row = lru_cache(KEPT)(self._fill_row)

    def gains(self, contexts: Iterable[tuple[int, int]]) -> Tensor:
        """Nats that all words gain after each of N pairs of words: (N, V)."""
        return torch.stack([self._row(*context) for context in contexts])

    def _fill_row(self, before_last: int, last: int) -> Tensor:
        row = self.losses.new_zeros(len(self.row_of))
        self._pairs.add_to(row, last)
        key = before_last * len(row) + last
        place = int(torch.searchsorted(self.pair_keys, key))
        if place < len(self.pair_keys) and self.pair_keys[place] == key:
            self._triples.add_to(row, place)
        return row


class _Continuations:
    """The words that follow each context, in one row."""

    def __init__(self, counts: Tensor, words: Tensor, gains: Tensor) -> None:
        self._ends = [0, *counts.long().cumsum(0).tolist()]
        self.words, self._gains = words.long(), gains / STEPS

    def add_to(self, row: Tensor, context: int) -> None:
        """Add what each word gains after a context, by its place, to a row for all words (V,)."""
        mine = slice(*self._ends[context : context + 2])
        row[self.words[mine]] += self._gains[mine]


class PhrasedDecoder:
    """A decoder whose next words gain and lose by what its caption has said: see the module."""

    def __init__(self, decoder: Decoder, phrasing: Phrasing, novelty: Callable[[Tensor], Tensor]) -> None:
        """`novelty`: features (B, P, C) -> how much each photo is unlike the training photos (B,)."""
        self._decoder, self._phrasing, self._novelty = decoder, phrasing, novelty

    def begin(self, features: Tensor) -> tuple[Tensor, State, State]:
        scores, fixed, state = self._decoder.begin(features)
        novelty, said = self._novelty(features), self._phrasing.begin(len(features))
        return self._phrased(scores, said, novelty), (*fixed, novelty), (*state, said)

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        scores, inner = self._decoder.step(words, fixed[:-1], state[:-1])
        said = self._phrasing.follow(state[-1], words)
        return self._phrased(scores, said, fixed[-1]), (*inner, said)

    def _phrased(self, scores: Tensor, said: Tensor, novelty: Tensor) -> Tensor:
        """Scores of hypotheses (N, V), those of one photo together; `novelty` (B,) of the photos."""
        changed = scores.float().clone()
        self._phrasing.add_nats(changed, said, novelty.repeat_interleave(len(said) // len(novelty)))
        return changed
