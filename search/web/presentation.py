"""Results -> the JSON of an answer: links to pictures, and where shared words stand in a caption."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from captioner.errors import PhotoError
from captioner.photo import media_type
from captioner.tokens import Analyzer, analyzer
from indexer.records import RECORD_FIELDS, CaptionRecord, Document
from search.hits import Results
from search.jaccard import similarity
from search.render.words import implied, spans, words_of_tokens
from search.web.answers import Shown
from search.web.api_paths import API
from search.web.pictures import Pictures
from search.web.seen_images import SeenImages

#: Fields of a record that go with every image shown.
_SHOWN = tuple(name for name in Shown.model_fields if name in RECORD_FIELDS)


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
        answer, analyze = results.as_json(), analyzer(results.analyzer)
        text = " ".join((*(one.caption for one in results.asked), added))
        tokens = frozenset(dropped).union(*(one.tokens for one in results.asked))
        words, unsaid = words_of_tokens(text, tokens, analyze), implied(tokens, text, analyze)
        for one in results.excluded_words:
            words = words_of_tokens(one.caption, one.tokens, analyze) | words
        answer["query"] |= {"words": words, "implied": unsaid, "image_id": image_id}
        shown = self.images([hit.record for hit in results.hits])
        answer["hits"] = [
            hit | self._in_words(hit["caption"], hit["shared"], analyze) | image
            for hit, image in zip(answer["hits"], shown, strict=True)
        ]
        return answer

    @staticmethod
    def _in_words(caption: str, shared: Collection[str], analyze: Analyzer) -> dict[str, Any]:
        """By which words a caption has the tokens that it shares."""
        return {
            "spans": spans(caption, shared, analyze),
            "implied": implied(shared, caption, analyze),
        }

    def images(self, records: Sequence[CaptionRecord]) -> list[dict[str, Any]]:
        """Images, each by one of its captions."""
        places = self._seen.places(records)
        return [self._shown(record, places[record.image_id]) for record in records]

    def _shown(self, record: CaptionRecord, image: str) -> dict[str, Any]:
        answer: dict[str, Any] = {name: getattr(record, name) for name in _SHOWN} | {"image": image}
        here = self._pictures.find(image) is not None
        answer["gone"] = not here and self._pictures.has_gone(image)
        place = f"{API}/images/{quote(record.image_id, safe='', errors='replace')}"
        answer["file"] = f"{place}/file" if here else None
        answer["thumbnail"] = f"{place}/thumbnail" if here else None
        return answer

    def image(
        self, documents: Sequence[Document], tokens: frozenset[str], analyzer_name: str
    ) -> dict[str, Any]:
        """An image with all its captions, the most similar to `tokens` first."""
        captions = [self._caption(document, tokens, analyzer(analyzer_name)) for document in documents]
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
    def _caption(document: Document, tokens: frozenset[str], analyze: Analyzer) -> dict[str, Any]:
        record, shared = document.record, sorted(document.tokens & tokens)
        return {
            "caption": record.caption,
            "tokens": sorted(document.tokens),
            "words": words_of_tokens(record.caption, document.tokens, analyze),
            "implied": implied(document.tokens, record.caption, analyze),
            "kind": record.kind,
            "source": record.source,
            "model": record.model,
            "indexed_at": document.indexed_at,
            "jaccard": float(similarity(tokens, document.tokens)) if tokens else None,
            "shared": shared,
            "spans": spans(record.caption, shared, analyze),
        }
