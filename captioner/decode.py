"""Greedy and beam search over a decoder's step function, for a whole batch at once.

The search knows nothing of images: it calls a decoder's `begin` and `step`
(captioner.networks.decoders.Decoder), which give scores of the next word. All hypotheses of all photos
advance together, one step a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from captioner.effort import USUAL_BEAM
from captioner.guides.next_word import NextWordRules
from captioner.guides.noun_phrases import NounPhrases
from captioner.networks.decoders import Decoder
from captioner.vocabulary import END


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
    unrepeated: int = 0  # a caption never has the same run of this many words twice; 0: no limit
    apart: int = 0  # at least this many other words stand between a word and its next use; 0: no limit
    repeatable: tuple[int, ...] | None = None  # a caption may use only these words twice; None: any word
    synonyms: tuple[tuple[int, ...], ...] = ()  # of each group a caption uses one word only
    phrases: NounPhrases | None = None  # lowers what cannot follow an article and an adjective
    groups: int = 1  # above 1: diverse beam search, `beam` hypotheses in each group
    diversity: float = 0.0  # nats off a word for each hypothesis of an earlier group that just chose it
    runners_up: bool = False  # also give hypotheses that end among the 2 * beam best continuations

    def key(self) -> str:
        """The settings as text, for a captioner's identity: the same as long as captions stay the same.

        `runners_up` is left out: the consensus that chooses among them adds its own constants to the
        identity.
        """
        named = (
            "beam",
            "max_words",
            "length_penalty",
            "barred",
            "unrepeated",
            "apart",
            "repeatable",
            "synonyms",
            "phrases",
            "groups",
        )
        return f"Decoding({', '.join(f'{name}={getattr(self, name)!r}' for name in (*named, 'diversity'))})"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Word ids without `<end>`, the score that ranks it, and whether it ended with `<end>`."""

    ids: tuple[int, ...]
    score: float
    ended: bool


@dataclass(frozen=True, slots=True)
class _ClosedHypotheses:
    """The closed hypotheses of a row: those that fill the beam, and the runners-up where they are wanted."""

    full: list[Hypothesis] = field(default_factory=list)
    runners_up: list[Hypothesis] = field(default_factory=list)

    def add(self, hypothesis: Hypothesis, among_best: bool, how: Decoding, width: int) -> None:
        if among_best and len(self.full) < width:
            self.full.append(hypothesis)
        elif how.runners_up:
            self.runners_up.append(hypothesis)

    def score(self, rank: int) -> float:
        """The score of the `rank`-th best (1: the best) that fills the beam; -inf where there are fewer."""
        scores = sorted((hypothesis.score for hypothesis in self.full), reverse=True)
        return scores[rank - 1] if len(scores) >= rank else -torch.inf


@torch.inference_mode()
def decode(decoder: Decoder, features: Tensor, how: Decoding, n_best: int = 1) -> list[list[Hypothesis]]:
    """Up to `n_best` hypotheses for each row of `features`, the best first; all with `runners_up`.

    As in fairseq, `<end>` closes a hypothesis only if it is among the `beam` best continuations, and a
    row is done with `beam` closed hypotheses: so beam 1 is greedy search, and a beam as wide as all
    sequences is exhaustive search. A row leaves the batch as soon as nothing can change its answer, which
    saves about a quarter of the work.
    """
    if how.groups > 1:
        features = features.repeat_interleave(how.groups, dim=0)
    search = _BeamSearch(len(features), how, n_best, features.device)
    rules = NextWordRules(how, features.device)
    scores, fixed, state = decoder.begin(features)
    while True:
        logs = _log_probabilities(scores, how.barred)
        rules.apply(logs, search.captions())
        parents = search.advance(logs)
        kept = search.unsettled_rows()
        if search.length == how.max_words or not kept:
            return search.best_hypotheses()
        slots, left = len(state[0]) // len(parents), torch.tensor(kept, device=features.device)
        origin = (parents[left] + left.unsqueeze(1) * slots).flatten()
        if len(kept) < len(parents):
            search.keep_rows(left)
            fixed = tuple(part.index_select(0, left) for part in fixed)
        state = tuple(part.index_select(0, origin) for part in state)
        scores, state = decoder.step(search.words[..., -1].flatten(), fixed, state)


class _BeamSearch:
    """The open hypotheses of the rows that are still in the batch, and the closed ones of all rows."""

    def __init__(self, rows: int, how: Decoding, n_best: int, device: torch.device) -> None:
        self._how = how
        self._width = how.beam if how.groups > 1 else max(how.beam, n_best)
        self._wanted = self._width if how.runners_up else n_best
        self._finished = [_ClosedHypotheses() for _ in range(rows)]
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
        """Add a word to the best hypotheses, and close those that chose `<end>`.

        Gives the slot, before this step, of the hypothesis that each open one continues (B, width).
        """
        rows, vocabulary, width = len(self._totals), logs.shape[-1], self._width
        candidates = (self._totals.unsqueeze(-1) + logs.view(rows, -1, vocabulary)).flatten(1)
        ranks, places = _rank_continuations(
            candidates, min(2 * width, candidates.shape[1]), width, vocabulary, self._how
        )
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
        """Close the hypotheses that chose `<end>` among the `width` best, and runners-up where wanted."""
        looked_at = chosen.shape[1] if self._how.runners_up else self._width
        ends = (chosen[:, :looked_at] == END) & best[:, :looked_at].isfinite()
        for row, slot in ends.nonzero().tolist():
            ids = tuple(self.words[row, parents[row, slot]].tolist())
            hypothesis = Hypothesis(ids, self._score(best[row, slot].item(), self.length + 1), ended=True)
            self._rows[row].add(hypothesis, slot < self._width, self._how, self._width)

    def _score(self, total: float, length: int) -> float:
        return total / float(length**self._how.length_penalty)

    def unsettled_rows(self) -> list[int]:
        """The rows whose answer may still change: not full, with an open hypothesis that may still be wanted.

        A total only falls, so a hypothesis never scores more than its total now over the longest length.
        With groups all rows stay until all are full, as the groups of one photo stay together.
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

    def keep_rows(self, left: Tensor) -> None:
        """Take all rows but `left` out of the batch."""
        self._rows = [self._rows[row] for row in left.tolist()]
        self._totals, self.words = self._totals[left], self.words[left]

    def best_hypotheses(self) -> list[list[Hypothesis]]:
        """The hypotheses of each photo, the best first; those that are still open are closed as they are."""
        self._close_the_rest()
        photos = [
            _merge_groups(self._finished[row : row + self._how.groups])
            for row in range(0, len(self._finished), self._how.groups)
        ]
        most = None if self._how.runners_up else self._wanted
        return [sorted(hypotheses[:most], key=_by_score) for hypotheses in photos]

    def _close_the_rest(self) -> None:
        """Fill up the rows that are not full with their open hypotheses, marked as not ended."""
        for closed, words, totals in zip(self._rows, self.words.tolist(), self._totals.tolist(), strict=True):
            for ids, total in zip(words, totals, strict=True):
                if len(closed.full) < self._width and total > -torch.inf:
                    closed.full.append(Hypothesis(tuple(ids), self._score(total, len(ids)), ended=False))


def _by_score(hypothesis: Hypothesis) -> float:
    return -hypothesis.score


def _rank_continuations(
    candidates: Tensor, count: int, width: int, vocabulary: int, how: Decoding
) -> tuple[Tensor, Tensor]:
    """The values that rank the `count` best continuations of each row, and their places: (B, count) both.

    The groups of one photo choose one after the other: a later group ranks a word lower for each hypothesis
    of an earlier group that chose it.
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


def _merge_groups(groups: Sequence[_ClosedHypotheses]) -> list[Hypothesis]:
    """The hypotheses of one photo, each once: first the best of each group, then the others."""
    ordered = [sorted(group.full + group.runners_up, key=_by_score) for group in groups]
    first = sorted((hypothesis for group in ordered for hypothesis in group[:1]), key=_by_score)
    others = sorted((hypothesis for group in ordered for hypothesis in group[1:]), key=_by_score)
    return list({hypothesis.ids: hypothesis for hypothesis in reversed(first + others)}.values())[::-1]


def _log_probabilities(scores: Tensor, barred: Sequence[int]) -> Tensor:
    logs = scores.float().log_softmax(dim=-1)
    if barred:
        logs[:, list(barred)] = -torch.inf
    return logs


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

    `first`: a word that is fed in before the first draw, for decoders that must be given `<start>`.
    `temperature`: scores are divided by it; below 1 likely words become likelier.
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
