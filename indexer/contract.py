"""CaptionIndex: the contract that both engines fulfil."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from captioner.tokens import DEFAULT
from indexer.records import (
    NO_FILTERS,
    AddReport,
    Allowed,
    Candidates,
    CaptionRecord,
    Document,
    Filters,
    IndexStatus,
    Position,
    Query,
)

_Self = TypeVar("_Self", bound="_Closing")


class _Closing(ABC):
    """Usable in a `with` statement."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Draft(_Closing):
    """An index that is being built; no search sees it before `publish`. Closed before, it can be resumed.

    Once it is closed, which `publish` does too, every call raises an error: others may be writing by then.
    """

    @abstractmethod
    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        """Add captions; they survive an interruption once this call has returned."""

    @abstractmethod
    def known_places(self, model: str) -> Mapping[str, Sequence[str]]:
        """The images that this model has captioned already: a resumed build need not do it again.

        Image id -> the `image` of each of these captions, in order.
        """

    @abstractmethod
    def left_by_others(self, image_ids: Iterable[str]) -> Sequence[Mapping[str, Sequence[Document]]]:
        """Of each other draft the captions of these images, until a build is published.

        Those are of builds that were interrupted, and cannot be gone on with by this one. Damaged ones are
        left out.
        """

    @abstractmethod
    def publish(self) -> IndexStatus:
        """Check that all captions are there, then replace the index in one atomic step."""


class View(ABC):
    """What a search asks of an index. All answers are of one moment, where the engine can do that."""

    #: embedded | elasticsearch. A cursor is valid for the engine that gave it only.
    engine: str
    #: Where the index is: a folder, or a URL without credentials.
    where: str

    @property
    @abstractmethod
    def analyzer(self) -> str:
        """Name of the analyzer that made the tokens, for example "english/1"."""

    @property
    def known_count(self) -> int | None:
        """How many captions there are; None where a server would have to be asked."""
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.where}>"

    def candidates(
        self,
        tokens: frozenset[str],
        limit: int,
        filters: Allowed = NO_FILTERS,
        *,
        min_score: float = 0.0,
        after: Position | None = None,
    ) -> Candidates:
        """Up to `limit` captions that share a token with `tokens`, in descending Jaccard similarity.

        `limit` is 1 or more. Captions of equal score are ordered by image id. Everything left out scores at
        most `.bound`. Tokens that the index does not know count in the size of the query.
        """
        return self.candidates_many([Query(tokens, Filters(filters), min_score, after)], limit)[0]

    @abstractmethod
    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        """`candidates` for several queries at once, in their order."""

    @abstractmethod
    def captions(self, image_ids: Iterable[str]) -> Mapping[str, Sequence[Document]]:
        """Every caption of these images; an image that is not in the index has no entry."""

    @abstractmethod
    def count(self, queries: Sequence[Query], excluded: Iterable[str] = ()) -> int:
        """How many images answer one of the queries or several; `excluded` images are not counted.

        Every query needs a `min_score` above 0, and no `after`.
        """

    @abstractmethod
    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        """Those of the tokens that occur in a caption."""

    @abstractmethod
    def corrections(self, tokens: Iterable[str]) -> Mapping[str, Sequence[str]]:
        """For tokens that occur in no caption those that they may be misspelt for, the most frequent first.

        They are near by `indexer.corrections.near`. A token without any has no entry. Where very many
        tokens are alike, which words of a language are not, some may be missing.
        """

    @abstractmethod
    def random(self, size: int, filters: Allowed = NO_FILTERS, seed: int | None = None) -> Sequence[Document]:
        """One caption each of up to `size` (1 or more) distinct images, every image equally likely.

        With the same seed, the same images are drawn from an index that was built from the same captions.
        """


class CaptionIndex(View, _Closing):
    """Captions with their token sets, searchable by token.

    The index remembers the analyzer that made its tokens, and uses it for captions that are added. Once it is
    closed, every call raises an error. All errors are subclasses of `indexer.IndexerError`, with a message of
    one line.
    """

    @abstractmethod
    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        """Analyse and store captions; searches that start after it returns see them.

        Captions that are empty, have an empty image id or cannot be stored are reported in `.rejected`, and
        the others are stored. A caption without tokens ("of the") is stored and counted, but never found.

        A caption is the same as another when image id, text, source, kind and model are equal. Given again,
        it gets the new metadata, also where these are empty: it counts as added, and of these as updated,
        where they differ from the stored ones, else as unchanged.
        """

    @abstractmethod
    def delete(self, image_ids: Iterable[str]) -> int:
        """Remove all captions of these images; gives the number of captions removed."""

    @abstractmethod
    def replace(self, old: Iterable[Document], records: Iterable[CaptionRecord]) -> AddReport:
        """Store `records` and remove the captions `old`, as `captions` gave them; gives what was added.

        Other captions of the same images stay, even if this is interrupted.
        """

    @abstractmethod
    def view(self) -> View:
        """A view, which a search can ask several things: no writer changes what it sees in between."""

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        return self.view().candidates_many(queries, limit)

    def captions(self, image_ids: Iterable[str]) -> Mapping[str, Sequence[Document]]:
        return self.view().captions(image_ids)

    def count(self, queries: Sequence[Query], excluded: Iterable[str] = ()) -> int:
        return self.view().count(queries, excluded)

    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        return self.view().known(tokens)

    def corrections(self, tokens: Iterable[str]) -> Mapping[str, Sequence[str]]:
        return self.view().corrections(tokens)

    def random(self, size: int, filters: Allowed = NO_FILTERS, seed: int | None = None) -> Sequence[Document]:
        return self.view().random(size, filters, seed)

    @abstractmethod
    def records(self, filters: Allowed = NO_FILTERS) -> Iterator[CaptionRecord]:
        """Every caption that passes the filters, as of one moment, whatever is written meanwhile.

        They come in no particular order; an embedded index repeats it as long as nothing is changed. Few are
        in memory at a time. A server may end the reading with an error if the caller takes minutes over it.
        """

    @abstractmethod
    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        """Image id and `image` of every caption whose `image` has this beginning."""

    def images(self) -> Iterator[str]:
        """Every image id, in any order and any number of times."""
        return (image_id for image_id, _ in self.places(""))

    @abstractmethod
    def status(self) -> IndexStatus:
        """Counts, size, analyzer and the engine's own details."""

    def caption_count(self) -> int:
        """How many captions there are; unlike `status`, this is cheap enough to be called often."""
        return self.status().captions

    def check_stored(self) -> None:
        """Raises IndexDamagedError where stored data has changed since it was written.

        Does nothing for Elasticsearch, which checks its own files.
        """

    def check(self) -> Sequence[str]:
        """Read everything that is stored, and give one line for each part that is damaged.

        Where none is, one for each document (up to a few) whose tokens or id are not those of its caption.
        """
        return ()

    @abstractmethod
    def draft(self, key: str, analyzer: str = DEFAULT) -> Draft:
        """Begin to build the successor of this index, or resume the draft that has the same key.

        Close the draft before the index, whose connection it may use. Raises IndexMismatchError for an
        analyzer that is not known.
        """
