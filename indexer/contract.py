"""CaptionIndex: the one contract that both engines pass."""

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
    """An index that is being built, seen by nobody before `publish`. Closed early, it can be gone on with.

    Closed, as it is once it was published, it takes nothing more: others may write by then.
    """

    @abstractmethod
    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        """Add captions; they survive an interruption once this call has returned."""

    @abstractmethod
    def known_places(self, model: str) -> Mapping[str, str]:
        """Images that this model has captioned already, so that a resumed build need not do it again.

        With the `image` of each; of several the last in order.
        """

    @abstractmethod
    def publish(self) -> IndexStatus:
        """Check the count, then replace what readers see in one atomic step."""


class View(ABC):
    """What a search asks of an index. One view's answers are of one moment, where its engine can do that."""

    #: embedded | elasticsearch: whose order a cursor follows.
    engine: str
    #: Where it is: a folder or a URL without credentials.
    where: str
    #: Name of the analyzer that made the tokens, for example "english/1".
    analyzer: str
    #: How many captions there are; None where only a server knows.
    known_count: int | None = None

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

        Equal scores come in ascending image id. Everything left out scores at most `.bound`.
        Tokens that the index does not know count in the size of the query. `limit` is 1 or more, since no
        candidates have no bound on what they leave out.
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
        """How many images answer one of the queries, each of a `min_score` above 0 and with no `after`.

        An image counts once; the `excluded` ones do not.
        """

    @abstractmethod
    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        """Those of the tokens that some caption holds."""

    @abstractmethod
    def random(self, size: int, filters: Allowed = NO_FILTERS, seed: int | None = None) -> Sequence[Document]:
        """One caption each of up to `size` (1 or more) distinct images, every image equally likely.

        A seed draws the same images again from an index that was built of the same captions.
        """


class CaptionIndex(View, _Closing):
    """Captions with their token sets, searchable by token.

    The index remembers the analyzer that made its tokens, and analyses what is added with it. Closed, it
    has no answers. All methods raise `indexer.errors.IndexerError` subclasses with a message of one line.
    """

    @abstractmethod
    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        """Analyse and store captions; visible to searches that start after it returns.

        Captions that cannot be stored raise nothing, and the rest goes on: see `.rejected`. One without any
        token is stored (it counts in the status) and never found.
        Of a caption (image id, text, source, kind, model) that comes again the last metadata stay; it counts
        as added where they differ from what is stored at its turn, and as unchanged otherwise.
        """

    @abstractmethod
    def delete(self, image_ids: Iterable[str]) -> int:
        """Remove every caption of these images; gives the number of captions removed."""

    @abstractmethod
    def replace(self, old: Iterable[Document], records: Iterable[CaptionRecord]) -> AddReport:
        """Store captions in the place of others (`old`, as `captions` gave them); gives what was added.

        Other captions of the same images stay, whatever interrupts it.
        """

    @abstractmethod
    def view(self) -> View:
        """What a search with several questions asks, so that no writer comes between them."""

    def candidates_many(self, queries: Sequence[Query], limit: int) -> list[Candidates]:
        return self.view().candidates_many(queries, limit)

    def captions(self, image_ids: Iterable[str]) -> Mapping[str, Sequence[Document]]:
        return self.view().captions(image_ids)

    def count(self, queries: Sequence[Query], excluded: Iterable[str] = ()) -> int:
        return self.view().count(queries, excluded)

    def known(self, tokens: Iterable[str]) -> frozenset[str]:
        return self.view().known(tokens)

    def random(self, size: int, filters: Allowed = NO_FILTERS, seed: int | None = None) -> Sequence[Document]:
        return self.view().random(size, filters, seed)

    @abstractmethod
    def records(self, filters: Allowed = NO_FILTERS) -> Iterator[CaptionRecord]:
        """Every caption that passes, as of one moment, whatever is written while they are taken.

        In any order, which is the same again while an embedded index holds the same. Few are in memory at a
        time; who takes minutes over them may be told by a server that it waits no longer.
        """

    @abstractmethod
    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        """Image id and `image` of every caption whose `image` begins so."""

    def images(self) -> Iterator[str]:
        """Every image id, in any order and any number of times."""
        return (image_id for image_id, _ in self.places(""))

    @abstractmethod
    def status(self) -> IndexStatus:
        """Counts, size, analyzer and the engine's own details."""

    def caption_count(self) -> int:
        """How many captions there are; unlike `status`, cheap enough to ask often."""
        return self.status().captions

    def check_stored(self) -> None:
        """Raises IndexDamagedError where what is stored is not as it was written; servers see to theirs."""

    def check(self) -> Sequence[str]:
        """Read everything that is stored; one line for each part that is not as it was written.

        And one for each document that is not what its caption makes of it, up to a few.
        """
        return ()

    @abstractmethod
    def draft(self, key: str, analyzer: str = DEFAULT) -> Draft:
        """Begin to build the successor of this index, or go on with the draft that has the same key.

        Close it before the index, by whose connection it may write and hold its lock. Raises
        IndexMismatchError for an analyzer that is not known.
        """
