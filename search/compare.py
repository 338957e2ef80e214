"""The same photo under several models and analyzers, side by side, with the words that made the difference.

`side_by_side` gives plain data: for each way (a model's caption searched by an analyzer) its caption, tokens
and hits; and which words only some ways have. The index's captions are analysed anew for analyzers that are
not its own, in memory, so a comparison needs no second index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from captioner.finding import loader
from captioner.tokens import analyzer, plain_words
from indexer.records import CaptionRecord
from search.jaccard import similarity
from search.photo_question import captions_of

if TYPE_CHECKING:
    from captioner.photo import Photo


@dataclass(frozen=True, slots=True)
class Found:
    """An image that a way finds, with the words that it shares with the query."""

    image_id: str
    image: str
    caption: str
    score: float
    shared: tuple[str, ...]
    only_here: bool  # no other way has it among its hits


@dataclass(frozen=True, slots=True)
class Way:
    """One column: who captioned the photo, who made the tokens, and what came of it."""

    model: str
    analyzer: str
    caption: str
    words: tuple[str, ...]
    own_words: tuple[str, ...]  # words of this way that not every way has
    hits: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A photo under several ways; `common` are the words that every way has."""

    photo: str
    common: tuple[str, ...]
    ways: tuple[Way, ...]


Archive = Sequence[CaptionRecord]
_Column = tuple[str, str, str, tuple[Found, ...]]  # model, analyzer, caption, hits


def side_by_side(
    photo: str, captions: Mapping[str, str], analyzers: Iterable[str], archive: Archive, k: int = 5
) -> Comparison:
    """`captions`: model -> its caption of the photo. Every model meets every analyzer.

    Scores are exact: the whole archive is compared. Equal scores come in order of image ids. Raises
    captioner.errors.AnalyzerError for an unknown analyzer.
    """
    columns = [column for name in dict.fromkeys(analyzers) for column in _columns(captions, name, archive, k)]
    words = [plain_words(analyzer(name)(caption)) for _, name, caption, _ in columns]
    common = set(words[0]).intersection(*words) if words else set()
    ways = [
        Way(model, name, caption, mine, tuple(word for word in mine if word not in common), hits)
        for (model, name, caption, hits), mine in zip(_marked(columns), words, strict=True)
    ]
    return Comparison(photo, tuple(sorted(common)), tuple(ways))


def captions_by(models: Iterable[str], photo: Photo, beam: int | None = None) -> dict[str, str]:
    """Model (name or folder) -> its caption of the photo. Raises PhotoError and ModelError."""
    return {model: captions_of(photo, loader(model)(), beam)[0] for model in models}


def _columns(captions: Mapping[str, str], name: str, archive: Archive, k: int) -> list[_Column]:
    """Every model's, by one analyzer, to which the archive is given once."""
    tokens = analyzer(name)
    sets = [tokens(record.caption) for record in archive]
    return [
        (model, name, caption, best_images(tokens(caption), archive, sets, k))
        for model, caption in captions.items()
    ]


def best_images(
    query: frozenset[str], archive: Archive, sets: Sequence[frozenset[str]], k: int
) -> tuple[Found, ...]:
    """The k images whose best caption is most similar, of those that share a token; `sets`: the captions'."""
    best: dict[str, tuple[float, CaptionRecord, frozenset[str]]] = {}
    for record, theirs in zip(archive, sets, strict=True):
        if shared := query & theirs:
            score = float(similarity(query, theirs))
            if record.image_id not in best or score > best[record.image_id][0]:
                best[record.image_id] = (score, record, shared)
    order = sorted(best.values(), key=lambda entry: (-entry[0], entry[1].image_id))[:k]
    return tuple(
        Found(record.image_id, record.image, record.caption, score, plain_words(shared), False)
        for score, record, shared in order
    )


def _marked(columns: Sequence[_Column]) -> list[_Column]:
    """Hits that no other column has are marked."""
    found = Counter(hit.image_id for *_, hits in columns for hit in hits)
    several = len(columns) > 1
    return [
        (
            model,
            name,
            caption,
            tuple(replace(hit, only_here=several and found[hit.image_id] == 1) for hit in hits),
        )
        for model, name, caption, hits in columns
    ]
