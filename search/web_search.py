"""Search the web by a photo or words: caption -> query -> download -> caption those -> rank by Jaccard."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from captioner.photo_captioner import PhotoCaptioner
from captioner.tokens import DEFAULT, FUNCTION_WORDS, words
from indexer.build import Captioning
from indexer.given import listed
from indexer.loading import Tell
from indexer.progress import Progress, no_progress
from indexer.records import Filters, generated_by
from indexer.scrape.indexing import index_scraped
from indexer.scrape.manifest import remove_empty
from indexer.scrape.providers import Provider
from indexer.scrape.report import ScrapeReport, why_no_photo
from indexer.scrape.scraper import OnItem, scrape
from indexer.scrape.settings import ScrapeSettings
from search.asked import Asked
from search.errors import NoWordError, QueryError
from search.hits import Results
from search.photo_question import captions_of
from search.searcher import Searcher
from search.wanted import Wanted

#: Words of the longest query. A search engine wants all words at once, so more words find less.
_LONGEST = 6
_SHORTEST = 2
#: Bytes of a folder's name before the hash; file systems take 255.
_NAME_BYTES = 100


@dataclass(frozen=True, slots=True)
class Found:
    """What a search of the web gave: ranked hits, the queries asked, and what the downloads came to."""

    results: Results
    queries: tuple[str, ...]
    report: ScrapeReport
    folder: Path


@dataclass(frozen=True, slots=True)
class Watch:
    """What is called as the search goes on."""

    on_query: Callable[[str], None] = lambda query: None
    on_item: OnItem = lambda item: None
    tell: Tell = lambda problem: None
    progress: Progress = no_progress


def web_queries(caption: str) -> list[str]:
    """Web queries for a caption, the fullest first: its content words in order, then ever fewer of them.

    Words at the end of a caption tell of the surroundings, so they go first. Raises NoWordError for a
    caption without a word to search for.
    """
    content = [word for word in dict.fromkeys(words(caption)) if word not in FUNCTION_WORDS][:_LONGEST]
    if not content:
        raise NoWordError(caption)
    least = min(_SHORTEST, len(content))
    return [" ".join(content[:size]) for size in range(len(content), least - 1, -1)]


def search_web(
    given: Path | str,
    captioner: PhotoCaptioner,
    providers: Sequence[Provider],
    folder: Path,
    settings: ScrapeSettings,
    *,
    k: int = 10,
    beam: int | None = None,
    min_score: float = 0.0,
    without: Iterable[str] = (),
    watch: Watch | None = None,
) -> Found:
    """Images of the web whose generated captions are like that of a photo (a path), or like words.

    They are downloaded into a folder of their own below `folder`, with an index beside them. A search that
    is repeated goes on there and downloads nothing twice. Shorter queries follow until `settings.per_query`
    results have been taken. Raises NoWordError for a caption that cannot be searched for (`nothing_found` is
    its answer), QueryError when the web gives no photo, PhotoError for what is none.
    """
    without = listed(without, "words", QueryError)
    Wanted.of(DEFAULT, k, without=without, min_score=min_score)  # refused before anything is asked
    caption = given if isinstance(given, str) else captions_of(given, captioner, beam)[0]
    queries = web_queries(caption)
    place = folder / folder_name(queries[0])
    watch = watch or Watch()
    asked: list[str] = []
    until = replace(settings, enough=settings.per_query)
    report = scrape(_noting(queries, asked, watch), providers, place, until, on_item=watch.on_item)
    if not report.holds_photos:
        remove_empty(place)  # or the next search would not ask again
        raise QueryError(f"the web gave no photo for {queries[0]!r}: {why_no_photo(report)}")
    where = str(place / "caption-index")
    captioning = Captioning(lambda: captioner, beam=beam)
    index_scraped(place, where, captioning, tell=watch.tell, progress=watch.progress)
    with Searcher.open(where) as searcher:
        results = _among_written(searcher, caption, captioning.model, k, min_score, without)
    return Found(results, tuple(asked), report, place)


def nothing_found(caption: str, without: Iterable[str] = ()) -> Results:
    """The answer where the web cannot be asked: exact, since no image is like a caption without words."""
    return Results(
        asked=(Asked(caption, frozenset(), DEFAULT),),
        wanted=Wanted.of(DEFAULT, 1, without=without),
        hits=(),
        exact=True,
        examined=0,
        captions=0,
        took_ms=0.0,
        analyzer=DEFAULT,
    )


def _among_written(
    searcher: Searcher, caption: str, model: str, k: int, min_score: float, without: Sequence[str]
) -> Results:
    """Search only what the captioner wrote, and count only that: no titles, and no other model's captions."""
    own = generated_by(model)
    found = searcher.text(caption, k, filters=own, without=without, min_score=min_score)
    written = searcher.index.status().models.get(model, 0)
    wanted = replace(found.wanted, filters=Filters(excluded_tokens=found.excluded_tokens))
    return replace(found, wanted=wanted, captions=written, examined=min(found.examined, written))


def folder_name(query: str) -> str:
    """A folder for a query: its words joined by "-", without any other character.

    File systems limit bytes, of which most scripts need several a letter. A name that is cut ends in a hash,
    since another query may begin the same.
    """
    name = "-".join(re.findall(r"\w+", query)) or "search"
    cut = name.encode()[:_NAME_BYTES].decode(errors="ignore")
    return name if cut == name else f"{cut}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _noting(queries: Sequence[str], asked: list[str], watch: Watch) -> Iterator[str]:
    """The queries; each that the scrape takes, which it does while it has found too little, is noted."""
    for query in queries:
        watch.on_query(query)
        asked.append(query)
        yield query
