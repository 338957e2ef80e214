"""The analyzer of an index: chosen when the index is built, and used for all later additions and searches.

A build's draft names it; an index that begins with `add` has the default one.
"""

from __future__ import annotations

from captioner.errors import AnalyzerError
from captioner.tokens import Analyzer, analyzer
from indexer.errors import IndexMismatchError


def known_analyzer(where: str, name: str) -> Analyzer:
    """The analyzer of the index at `where`. Raises IndexMismatchError for one that is not known here."""
    try:
        return analyzer(name)
    except AnalyzerError as error:
        raise IndexMismatchError(f"{where}: {error}; build it anew with `indexer build`") from None


def check_wanted(where: str, made_by: str, wanted: str | None) -> None:
    """Raises IndexMismatchError where the index's analyzer is not the `wanted` one, or is not known here.

    Where none is wanted, any known one will do.
    """
    if wanted is not None and wanted != made_by:
        raise IndexMismatchError(
            f"the index at {where} was made by the analyzer {made_by}, not {wanted}; "
            "leave --analyzer out, or build it anew with `indexer build`"
        )
    known_analyzer(where, made_by)
