"""Results -> the JSON of an answer: links to pictures, and where shared words stand in a caption."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from captioner.errors import PhotoError
from captioner.photo import media_type
from captioner.tokens import REPEAT, analyzer
from indexer.records import CaptionRecord, Document
from search.hits import Hit, Results
from search.jaccard import similarity
from search.render.words import bare
from search.web.addresses import API
from search.web.pictures import Pictures, SeenImages

_PIECE = re.compile(r"\S+")
_WORD = re.compile(r"\w+(?:['’\-.]\w+)*")

#: Fields of a record that go with every image shown.
_SHOWN = (
    *("image_id", "image", "caption", "source", "kind", "model"),
    *("title", "creator", "license", "attribution", "page"),
)


@lru_cache(maxsize=1 << 16)
def _tokens_of_word(name: str, word: str) -> frozenset[str]:
    return analyzer(name)(word)


def spans(caption: str, shared: Collection[str], analyzer_name: str) -> list[tuple[int, int]]:
    """Start and end (code points) of the words of `caption` that gave a token of `shared`."""

    def giving(words: Iterable[tuple[int, str]]) -> list[tuple[int, int]]:
        return [
            (start, start + len(word))
            for start, word in words
            if not _tokens_of_word(analyzer_name, word).isdisjoint(shared)
        ]

    return [span for parts, whole in _pieces(caption) for span in giving(parts) or giving([whole])]


def _pieces(caption: str) -> Iterator[tuple[list[tuple[int, str]], tuple[int, str]]]:
    """What stands between spaces: its words and the whole, each with where it begins.

    Some tokens only the whole gives: "10:30", and words of scripts whose marks are no letters.
    """
    for piece in _PIECE.finditer(caption):
        parts = [(word.start(), word[0]) for word in _WORD.finditer(caption, *piece.span())]
        whole = bare(piece[0])
        yield parts, (piece.start() + piece[0].index(whole), whole)


def root_of(token: str) -> str:
    """The stem of a token, without the mark by which a telling word counts more than once."""
    return token.partition(REPEAT)[0] or token


def words_of_tokens(caption: str, tokens: Iterable[str], analyzer_name: str) -> dict[str, str]:
    """For each stem among the tokens the first word of `caption` that it is the stem of: stems are no words.

    A stem that a word only implies stands for itself.
    """
    words: dict[str, str] = {}
    for parts, whole in _pieces(caption):
        for _, word in (*parts, whole):
            own = _tokens_of_word("english/1", word) | {word.lower()}
            for token in _tokens_of_word(analyzer_name, word) & own:
                words.setdefault(token, word.lower())
    return {root: words.get(root, root) for root in map(root_of, tokens)}


class Presentation:
    """Makes the JSON of answers; knows the pictures that this server has."""

    def __init__(self, pictures: Pictures, seen: SeenImages) -> None:
        self._pictures, self._seen = pictures, seen

    def results(
        self,
        results: Results,
        *,
        added: str = "",
        dropped: Iterable[str] = (),
        image_id: str | None = None,
    ) -> dict[str, Any]:
        """`added` and `dropped` are what the tokens came from besides the captions asked."""
        answer = results.as_json()
        text = " ".join((*(one.caption for one in results.asked), added))
        tokens = frozenset(dropped).union(*(one.tokens for one in results.asked))
        words = words_of_tokens(text, tokens, results.analyzer)
        answer["query"] |= {"words": words, "image_id": image_id}
        shown = self.images([hit.record for hit in results.hits])
        answer["hits"] = [
            self._hit(hit, results) | image for hit, image in zip(results.hits, shown, strict=True)
        ]
        return answer

    @staticmethod
    def _hit(hit: Hit, results: Results) -> dict[str, Any]:
        return results.hit_as_json(hit) | {"spans": spans(hit.caption, hit.shared, results.analyzer)}

    def images(self, records: Sequence[CaptionRecord]) -> list[dict[str, Any]]:
        """Images, each by one of its captions."""
        places = self._seen.places(records)
        return [self._shown(record, places[record.image_id]) for record in records]

    def _shown(self, record: CaptionRecord, image: str) -> dict[str, Any]:
        answer: dict[str, Any] = {name: getattr(record, name) for name in _SHOWN} | {"image": image}
        here = self._pictures.find(image) is not None
        place = f"{API}/images/{quote(record.image_id, safe='', errors='replace')}"
        answer["file"] = f"{place}/file" if here else None
        answer["thumbnail"] = f"{place}/thumbnail" if here else None
        return answer

    def image(
        self, documents: Sequence[Document], tokens: frozenset[str], analyzer_name: str
    ) -> dict[str, Any]:
        """An image with all its captions, the most similar to `tokens` first."""
        captions = [self._caption(document, tokens, analyzer_name) for document in documents]
        captions.sort(key=lambda caption: caption["jaccard"] or 0.0, reverse=True)
        record = next((one.record for one in documents if one.record.image), documents[0].record)
        kind = self._media_type(record.image)
        return self._shown(record, record.image) | {"media_type": kind, "captions": captions}

    def _media_type(self, image: str) -> str | None:
        path = self._pictures.find(image)
        with suppress(OSError, PhotoError):
            return media_type(path) if path else None
        return None

    @staticmethod
    def _caption(document: Document, tokens: frozenset[str], analyzer_name: str) -> dict[str, Any]:
        record, shared = document.record, sorted(document.tokens & tokens)
        return {
            "caption": record.caption,
            "tokens": sorted(document.tokens),
            "words": words_of_tokens(record.caption, document.tokens, analyzer_name),
            "kind": record.kind,
            "source": record.source,
            "model": record.model,
            "indexed_at": document.indexed_at,
            "jaccard": float(similarity(tokens, document.tokens)) if tokens else None,
            "shared": shared,
            "spans": spans(record.caption, shared, analyzer_name),
        }
