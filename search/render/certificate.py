"""What is said of an answer as a whole, in the same words in whatever form it is shown."""

from __future__ import annotations

from captioner.counted import counted
from captioner.tokens import analyzer
from search.errors import no_word_counts, nothing_to_search_for, only_without, quoted
from search.hits import Results


def certificate(results: Results) -> str:
    """What is proved about these hits, in one line."""
    claim = _claim(results)
    if results.filtered:
        claim = f"{claim.rstrip(',')} among those that the filters let pass,"
    facts = f"{counted(results.captions, 'caption')}, {results.examined:,} examined, {_times(results)}"
    return f"{claim} of {facts}"


def _times(results: Results) -> str:
    searched = f"{results.took_ms:.1f} ms"
    if not results.captioning_ms:
        return searched
    return f"captioned in {results.captioning_ms / 1000:.1f} s, searched in {searched}"


def _claim(results: Results) -> str:
    if not results.exact:
        return "NOT exact: better hits may have been missed,"
    if not results.hits:
        return f"exact: {no_hits(results)},"
    first, last = results.hits[0].rank, results.hits[-1].rank
    if first > 1:
        which = f"ranks {first:,} to" if last > first else "rank"
        return f"exact: the true {which} {last:,}"
    if results.more:
        return f"exact: the true top {last:,}"
    return "exact: the only one that answers," if last == 1 else f"exact: all {last:,} that answer,"


def no_hits(results: Results) -> str:
    """Why an answer is empty."""
    if results.drawn:
        return f"no image in the index{' passes the filters' if results.filtered else ''}"
    if not results.tokens:
        if analyzer(results.analyzer)(results.caption):  # of examples to be like and unlike
            return nothing_to_search_for(f"in {quoted(results.caption)} no word is left")
        excludes = (results.excluded_tokens or results.excluded_words) and not results.caption.strip()
        return only_without() if excludes else no_word_counts(results.caption)
    return "no further image answers" if results.continued else "no image answers"
