"""What can go wrong while searching; every message is one line for a person to act on."""

from __future__ import annotations

from captioner.outside import clean

_QUOTED = 60  # characters of what was asked for


class SearchError(Exception):
    """Root of this package's errors."""


class QueryError(SearchError):
    """A query that cannot be answered: nothing to search for, a bad cursor, an unknown image."""


class NoWordError(QueryError):
    """A caption that cannot be searched for, since no word of it counts."""

    def __init__(self, caption: str) -> None:
        super().__init__(no_word_counts(caption))
        self.caption = caption


class NoImageError(QueryError):
    """An image id that no caption of the index has."""

    def __init__(self, image_id: str, where: str) -> None:
        super().__init__(f"no image {image_id!r} in {where}")


class EvaluationError(SearchError):
    """An evaluation whose data, packages or files are missing or do not fit together."""


def nothing_to_search_for(why: str) -> str:
    """What is said of a question without a word to search for, be it an error or an answer of nothing."""
    return f"nothing to search for: {why}"


def no_word_counts(caption: str) -> str:
    """Why this caption cannot be searched for."""
    return nothing_to_search_for(f"{quoted(caption)} holds no word that counts")


def only_without() -> str:
    """Why a question that names nothing but words to do without cannot be answered."""
    return nothing_to_search_for("give a word to look for besides those to do without")


def quoted(caption: str) -> str:
    """The beginning of a caption, on one line."""
    text = clean(caption)
    return repr(text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…")
