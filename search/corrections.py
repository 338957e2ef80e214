"""What words that no caption has may have been meant to be, as captions write it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from captioner.tokens import analyzer, forms, plain_words, spelled, words
from indexer.contract import View
from indexer.errors import IndexerError
from indexer.records import Query
from search.pursuit import Plan

#: A query with more unknown words than this is probably in another language: nothing is suggested.
MOST_WORDS = 5
#: Captions looked at to see how a stem is written.
_CAPTIONS = 20

#: For the stem of each such word those that it may be misspelt for, the most frequent first.
Corrections = Mapping[str, tuple[str, ...]]


def corrections(view: View, plans: Sequence[Plan], unknown: Sequence[frozenset[str]]) -> list[Corrections]:
    """For each search; `unknown`: its tokens that no caption has. Where the index fails to tell, nothing."""
    doubtful = [_written(plan, tokens) for plan, tokens in zip(plans, unknown, strict=True)]
    typed = {stem: word for one in doubtful for stem, word in one.items()}
    found = _found(view, typed) if typed else {}
    return [{stem: found[stem] for stem in one if stem in found} for one in doubtful]


def _written(plan: Plan, unknown: frozenset[str]) -> dict[str, str]:
    """Return the unknown stems that somebody wrote, each with a word that has it; implied stems are excluded.

    A token that no word of the query gives was passed as a token; it stands for itself.
    """
    if not unknown:
        return {}
    stems, analyze = frozenset(plain_words(unknown)), analyzer(plan.analyzer)
    written = [word for one in (*plan.asked, *plan.wanted.excluded_words) for word in words(one.caption)]
    given = frozenset[str]().union(*map(analyze, written))
    typed = {stem: stem for stem in stems - given}
    typed |= {stem: word for word in written for stem in stems & forms(word)}
    return typed if len(typed) <= MOST_WORDS else {}


def _found(view: View, typed: Mapping[str, str]) -> Corrections:
    try:
        near = view.corrections(typed)
        captions = _captions(view, sorted({token for tokens in near.values() for token in tokens}))
    except IndexerError:
        return {}
    return {
        stem: tuple(dict.fromkeys(_spelling(token, captions[token], typed[stem]) for token in tokens))
        for stem, tokens in near.items()
    }


def _captions(view: View, tokens: Sequence[str]) -> dict[str, list[str]]:
    """A few captions with each token."""
    queries = [Query(frozenset({token})) for token in tokens]
    answers = view.candidates_many(queries, _CAPTIONS) if queries else []
    found = ([one.document.record.caption for one in answer.found] for answer in answers)
    return dict(zip(tokens, found, strict=True))


def _spelling(token: str, captions: Iterable[str], typed: str) -> str:
    """A token as captions write it, and of several ways the one that is nearest to what was typed."""
    from nltk.metrics.distance import edit_distance

    seen = Counter(word for caption in captions for word in words(caption) if token in forms(word))
    return min(
        seen,
        key=lambda word: (edit_distance(typed, word, transpositions=True), -seen[word], word),
        default=spelled(token),
    )
