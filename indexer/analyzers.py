"""The analyzer of an index: chosen once, where it is built, and kept to by whoever adds or asks.

A build's draft names it; an index that begins by an addition has the default one.
"""

from __future__ import annotations

from captioner.errors import AnalyzerError
from captioner.tokens import Analyzer, analyzer
from indexer.errors import IndexMismatchError


def known_analyzer(where: str, name: str) -> Analyzer:
    """What makes the tokens of the index at `where`. Raises IndexMismatchError for another version's."""
    try:
        return analyzer(name)
    except AnalyzerError as error:
        raise IndexMismatchError(f"{where}: {error}; build it anew with `indexer build`") from None


def check_wanted(where: str, made_by: str, wanted: str | None) -> None:
    """Raises IndexMismatchError for an index that another analyzer made than the one wanted, if any is."""
    if wanted is not None and wanted != made_by:
        raise IndexMismatchError(
            f"the index at {where} was made by the analyzer {made_by}, not {wanted}; "
            "leave --analyzer out, or build it anew with `indexer build`"
        )
    known_analyzer(where, made_by)
