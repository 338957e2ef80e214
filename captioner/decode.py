"""Greedy and beam search over a decoder's step function, for a whole batch at once.

Searching knows nothing of images: a decoder is `begin` and `step` (captioner.decoders.Decoder), which give
scores of the next word. All hypotheses of all photos advance together, one step a word. What a model's own
way is, `usual` tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captioner.decoders import Decoder
from captioner.effort import USUAL_BEAM
from captioner.tokens import FUNCTION_WORDS
from captioner.vocabulary import END, PAD, START, UNK, Vocabulary

if TYPE_CHECKING:  # a search needs no encoder
    from captioner.model import CaptionModel


@dataclass(frozen=True, slots=True)
class Decoding:
    """How to decode. `beam` 1 is greedy.

    A hypothesis of T words (its `<end>` counted) with log probability L scores L / T^length_penalty.
    Source: Wu et al., "Google's Neural Machine Translation System" (2016), without its constants.
    Groups: Vijayakumar et al., "Diverse Beam Search" (AAAI 2018), with its Hamming penalty, which
    steers the choice and is no part of a score.
    """

    beam: int = USUAL_BEAM
    max_words: int = 20
    length_penalty: float = 0.7
    barred: tuple[int, ...] = ()  # ids that are never written, such as <unk>
    unrepeated: int = 0  # no run of so many words is written twice in a caption; 0: anything goes
    apart: int = 0  # so many other words stand between a word and the same word again; 0: anything goes
    repeatable: tuple[int, ...] | None = None  # only these words come twice at all; None: any
    groups: int = 1  # above 1: diverse beam search, `beam` hypotheses in each group
    diversity: float = 0.0  # taken off a word for each hypothesis of an earlier group that just chose it
    runners_up: bool = False  # what ends among the 2 * beam best continuations is given, too

    def key(self) -> str:
        """What of this decides the captions, for the name of a captioner: never changed for what stays.

        Runners-up are no part of it, since the consensus that chooses among them is named by itself.
        """
        named = (
            "beam",
            "max_words",
            "length_penalty",
            "barred",
            "unrepeated",
            "apart",
            "repeatable",
            "groups",
        )
        return f"Decoding({', '.join(f'{name}={getattr(self, name)!r}' for name in (*named, 'diversity'))})"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Word ids without `<end>`, the score that ranks it, and whether it came to its `<end>`."""

    ids: tuple[int, ...]
    score: float
    ended: bool


@dataclass(frozen=True, slots=True)
class _Closed:
    """The closed hypotheses of a row: those that fill the beam, and the runners-up, if they count."""

    full: list[Hypothesis] = field(default_factory=list)
    runners_up: list[Hypothesis] = field(default_factory=list)

    def take(self, one: Hypothesis, among_best: bool, how: Decoding, width: int) -> None:
        if among_best and len(self.full) < width:
            self.full.append(one)
        elif how.runners_up:
            self.runners_up.append(one)

    def score(self, rank: int) -> float:
        """Of the `rank`-th best, from 1; below all others where there are fewer."""
        scores = sorted((one.score for one in self.full), reverse=True)
        return scores[rank - 1] if len(scores) >= rank else -torch.inf


def usual(
    model: CaptionModel,
    vocabulary: Vocabulary,
    beam: int = USUAL_BEAM,
    groups: int = 1,
    diversity: float = 0.0,
) -> Decoding:
    """How a model decodes: the student project's as theirs did; ours without `<unk>` and without stammering.

    "a red shirt and a red shirt" is the commonest fault of a small decoder, "a white and white dog" and "a
    kitchen is in the kitchen" the next: docs/design.md says what barring repeated pairs of words, words that
    come back at once, and words other than function words that come back at all, gave. Where there is a
    consensus to choose by, it has all that a beam closes to choose from; greedy stays greedy.
    """
    how = Decoding(beam, model.config.max_words, groups=groups, diversity=diversity)
    if model.starts_with_image:
        return how
    return replace(
        how,
        barred=(PAD, START, UNK),
        unrepeated=2,
        apart=2,
        repeatable=tuple(sorted({vocabulary.id(word) for word in FUNCTION_WORDS} - {UNK})),
        runners_up=model.consensus is not None and beam > 1 and groups == 1,
    )


@torch.inference_mode()
def decode(decoder: Decoder, features: Tensor, how: Decoding, n_best: int = 1) -> list[list[Hypothesis]]:
    """Up to `n_best` hypotheses for each row of `features`, the best first; with `runners_up` all there are.

    As in fairseq, `<end>` closes a hypothesis only if it is among the `beam` best continuations, and a
    row is done with `beam` closed hypotheses: so beam 1 is greedy search, and a beam as wide as all
    sequences is exhaustive search. Rows whose answer is settled leave the batch, which saves about a
    quarter of the work and changes no answer.
    """
    if how.groups > 1:
        features = features.repeat_interleave(how.groups, dim=0)
    search = _Search(len(features), how, n_best, features.device)
    scores, fixed, state = decoder.begin(features)
    while True:
        logs = _log_probabilities(scores, how.barred)
        _bar_repeats(logs, search.captions(), how)
        parents = search.advance(logs)
        kept = search.unsettled()
        if search.length == how.max_words or not kept:
            return search.found()
        slots, left = len(state[0]) // len(parents), torch.tensor(kept, device=features.device)
        origin = (parents[left] + left.unsqueeze(1) * slots).flatten()
        if len(kept) < len(parents):
            search.keep(left)
            fixed = tuple(part.index_select(0, left) for part in fixed)
        state = tuple(part.index_select(0, origin) for part in state)
        scores, state = decoder.step(search.words[..., -1].flatten(), fixed, state)


class _Search:
    """The open hypotheses of the rows that are still in the batch, and the closed ones of all rows."""

    def __init__(self, rows: int, how: Decoding, n_best: int, device: torch.device) -> None:
        self._how = how
        self._width = how.beam if how.groups > 1 else max(how.beam, n_best)
        self._wanted = self._width if how.runners_up else n_best
        self._finished = [_Closed() for _ in range(rows)]
        self._rows = self._finished
        # Before the first word there is one hypothesis a row; the other slots open with the first choice.
        self._totals = torch.zeros(rows, 1, device=device)
        self.words = torch.empty(rows, 1, 0, dtype=torch.long, device=device)  # (B, slots, length)

    @property
    def length(self) -> int:
        return self.words.shape[-1]

    def captions(self) -> list[list[int]]:
        """The words of all open hypotheses, those of a row together."""
        words: list[list[int]] = self.words.flatten(0, 1).tolist()
        return words

    def advance(self, logs: Tensor) -> Tensor:
        """Add a word to the best hypotheses, or close them; the slots that they come from (B, width)."""
        rows, vocabulary, width = len(self._totals), logs.shape[-1], self._width
        candidates = (self._totals.unsqueeze(-1) + logs.view(rows, -1, vocabulary)).flatten(1)
        ranks, places = _best(candidates, min(2 * width, candidates.shape[1]), width, vocabulary, self._how)
        best = candidates.gather(1, places)
        parents, chosen = places // vocabulary, places % vocabulary
        self._close(best, parents, chosen)
        ended = chosen == END
        order = ranks.masked_fill(ended, -torch.inf).topk(min(width, best.shape[1]), dim=1).indices
        self._totals = best.masked_fill(ended, -torch.inf).gather(1, order)
        parents, chosen = parents.gather(1, order), chosen.gather(1, order)
        words = self.words.gather(1, parents.unsqueeze(-1).expand(-1, -1, self.length))
        self.words = torch.cat([words, chosen.unsqueeze(-1)], dim=-1)
        return parents

    def _close(self, best: Tensor, parents: Tensor, chosen: Tensor) -> None:
        """Take the hypotheses that chose `<end>`: among the `width` best, and runners-up."""
        looked_at = chosen.shape[1] if self._how.runners_up else self._width
        ends = (chosen[:, :looked_at] == END) & best[:, :looked_at].isfinite()
        for row, slot in ends.nonzero().tolist():
            ids = tuple(self.words[row, parents[row, slot]].tolist())
            one = Hypothesis(ids, self._score(best[row, slot].item(), self.length + 1), ended=True)
            self._rows[row].take(one, slot < self._width, self._how, self._width)

    def _score(self, total: float, length: int) -> float:
        return total / float(length**self._how.length_penalty)

    def unsettled(self) -> list[int]:
        """The rows that are not full, and whose open hypotheses may still come among those that are wanted.

        Totals only fall, so none can come to more than its total over the longest length. Groups of one
        photo stay together.
        """
        if self._how.groups > 1:
            full = all(len(row.full) >= self._width for row in self._rows)
            return [] if full else list(range(len(self._rows)))
        most = float(self._how.max_words**self._how.length_penalty)
        reachable = (self._totals.max(dim=1).values / most).tolist()
        return [
            row
            for row, (closed, best) in enumerate(zip(self._rows, reachable, strict=True))
            if len(closed.full) < self._width and closed.score(self._wanted) < best
        ]

    def keep(self, left: Tensor) -> None:
        """Let the other rows go."""
        self._rows = [self._rows[row] for row in left.tolist()]
        self._totals, self.words = self._totals[left], self.words[left]

    def found(self) -> list[list[Hypothesis]]:
        """The hypotheses of each photo, the best first."""
        self._close_the_rest()
        photos = [
            _merged(self._finished[row : row + self._how.groups])
            for row in range(0, len(self._finished), self._how.groups)
        ]
        most = None if self._how.runners_up else self._wanted
        return [sorted(found[:most], key=_by_score) for found in photos]

    def _close_the_rest(self) -> None:
        """Rows that are not full at the last word take their open hypotheses too, marked as not ended."""
        for closed, words, totals in zip(self._rows, self.words.tolist(), self._totals.tolist(), strict=True):
            for ids, total in zip(words, totals, strict=True):
                if len(closed.full) < self._width and total > -torch.inf:
                    closed.full.append(Hypothesis(tuple(ids), self._score(total, len(ids)), ended=False))


def _by_score(one: Hypothesis) -> float:
    return -one.score


def _best(
    candidates: Tensor, count: int, width: int, vocabulary: int, how: Decoding
) -> tuple[Tensor, Tensor]:
    """What ranks the `count` best continuations of each row, and their places: (B, count) both.

    The groups of one photo choose one after the other; what the earlier chose is worth less to the later.
    """
    if how.groups == 1 or not how.diversity:
        ranks, places = candidates.topk(count, dim=1)
        return ranks, places
    photos = candidates.view(-1, how.groups, candidates.shape[1] // vocabulary, vocabulary)
    used = photos.new_zeros(len(photos), vocabulary)
    chosen = []
    for group in photos.unbind(dim=1):
        ranks, places = (group - how.diversity * used.unsqueeze(1)).flatten(1).topk(count, dim=1)
        words = (places % vocabulary)[:, :width]
        used = used.scatter_add(1, words, (words != END).to(used))  # every caption may end
        chosen.append((ranks, places))
    ranks, places = (torch.stack(parts, dim=1).flatten(0, 1) for parts in zip(*chosen, strict=True))
    return ranks, places


def _merged(groups: Sequence[_Closed]) -> list[Hypothesis]:
    """The hypotheses of one photo: first the best of each group, then the others, each once."""
    ordered = [sorted(group.full + group.runners_up, key=_by_score) for group in groups]
    first = sorted((one for group in ordered for one in group[:1]), key=_by_score)
    others = sorted((one for group in ordered for one in group[1:]), key=_by_score)
    return list({one.ids: one for one in reversed(first + others)}.values())[::-1]


def _log_probabilities(scores: Tensor, barred: Sequence[int]) -> Tensor:
    logs = scores.float().log_softmax(dim=-1)
    if barred:
        logs[:, list(barred)] = -torch.inf
    return logs


def _bar_repeats(logs: Tensor, captions: Sequence[Sequence[int]], how: Decoding) -> None:
    """Bar the words (one row of `logs` a caption) that would come back too soon or at all, or repeat a run.

    Source: Paulus, Xiong and Socher, "A Deep Reinforced Model for Abstractive Summarization" (ICLR 2018).
    """
    run, repeatable = how.unrepeated, None if how.repeatable is None else set(how.repeatable)
    barred: list[tuple[int, int]] = []
    for row, ids in enumerate(captions):
        again = list(ids[-how.apart :]) if how.apart else []
        again += [] if repeatable is None else [word for word in ids if word not in repeatable]
        if run:
            last = ids[len(ids) - run + 1 :]
            again += [ids[i + run - 1] for i in range(len(ids) - run + 1) if ids[i : i + run - 1] == last]
        barred += [(row, word) for word in again]
    if barred:  # in one go: a call for each caption costs more than all the rest of this
        rows, words = torch.tensor(barred, device=logs.device).unbind(dim=1)
        logs[rows, words] = -torch.inf


@torch.no_grad()
def sample(
    decoder: Decoder,
    features: Tensor,
    max_words: int,
    barred: Sequence[int] = (),
    first: int | None = None,
    temperature: float = 1.0,
) -> list[list[int]]:
    """One caption a row, drawn word by word from the decoder's own distribution (ids up to `<end>`).

    `first`: a word that is given and not drawn, for decoders whose first word is `<start>`.
    `temperature`: below 1 the probable words become more probable still.
    """
    scores, fixed, state = decoder.begin(features)
    if first is not None:
        given = torch.full((len(features),), first, device=scores.device)
        scores, state = decoder.step(given, fixed, state)
    drawn: list[Tensor] = []
    ended = torch.zeros(len(features), dtype=torch.bool, device=scores.device)
    for _ in range(max_words):
        words = _log_probabilities(scores / temperature, barred).exp().multinomial(1).squeeze(1)
        words = words.masked_fill(ended, END)
        drawn.append(words)
        ended |= words == END
        if bool(ended.all()):
            break
        scores, state = decoder.step(words, fixed, state)
    return [row[: row.index(END)] if END in row else row for row in torch.stack(drawn, dim=1).tolist()]
