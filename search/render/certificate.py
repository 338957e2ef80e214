"""What is said of an answer as a whole, in the same words in whatever form it is shown."""

from __future__ import annotations

from captioner.counted import counted
from captioner.tokens import analyzer
from search.errors import no_word_counts, nothing_to_search_for, only_without, quoted
from search.hits import Results
from search.reply import Reply


def certificate(results: Results) -> str:
    """What is proved about these hits, in one line."""
    claim, captions = _claim(results), counted(results.captions, "caption")
    if results.filtered:
        claim = f"{claim} among the captions that pass the filters"
    of_all = results.exact and results.hits and not results.filtered
    scope = f" of {captions}" if of_all else f"; {captions} in the index"
    return f"{claim}{scope}, {results.examined:,} examined, {_times(results)}"


def _times(results: Results) -> str:
    searched = f"{results.took_ms:.1f} ms"
    if not results.captioning_ms:
        return searched
    return f"captioned in {results.captioning_ms / 1000:.1f} s, searched in {searched}"


def _claim(results: Results) -> str:
    if not results.exact:
        return "NOT exact: better hits may have been missed"
    if not results.hits:
        return f"exact: {no_hits(results)}"
    first, last = results.hits[0].rank, results.hits[-1].rank
    if first > 1:
        which = f"ranks {first:,} to" if last > first else "rank"
        return f"exact: the true {which} {last:,}"
    if results.more:
        return f"exact: the true top {last:,}"
    return "exact: the only match" if last == 1 else f"exact: all {last:,} matches"


def no_hits(results: Reply) -> str:
    """Why an answer is empty."""
    if results.drawn:
        return f"no image in the index{' passes the filters' if results.filtered else ''}"
    if not results.tokens:
        if analyzer(results.analyzer)(results.caption):  # of examples to be like and unlike
            return nothing_to_search_for(f"in {quoted(results.caption)} no word is left")
        excludes = (results.excluded_tokens or results.excluded_words) and not results.caption.strip()
        return only_without() if excludes else no_word_counts(results.caption)
    return "no further match" if results.continued else "no match"
