"""The generation that a name stands for: looked up, remembered, and looked up anew when it may have changed.

Another process may build anew or go back at any time, and no request tells which generation it will meet.
"""

from __future__ import annotations

from collections.abc import Collection

from elasticsearch import Elasticsearch

from captioner.tokens import DEFAULT
from indexer.elastic.connection import Address
from indexer.elastic.generations import Generation, live_generation, missing_error
from indexer.elastic.near_dice import MeanSize
from indexer.elastic.ranking import Ranking
from indexer.elastic.shard_ranking import ShardRanking
from indexer.errors import IndexMismatchError


def came_from(generation: Generation | None, indices: Collection[str]) -> bool:
    """Whether an answer is surely of this generation, by the concrete indices of its hits.

    One without hits may be of any.
    """
    return generation is not None and set(indices) == {generation.index}


class LiveGeneration:
    """What a name stands for, as last seen, and the ranking that fits it."""

    def __init__(self, client: Elasticsearch, address: Address, seen: Generation | None) -> None:
        self._client, self._address = client, address
        #: As last seen, also while the index is gone, which may come back; None where there never was one.
        self.seen = seen
        #: With the generation that it was made for: what it knows of shards and sizes is true of that alone.
        self._ranking: tuple[str, Ranking] | None = None

    @property
    def analyzer(self) -> str:
        seen = self.seen
        return seen.analyzer if seen else DEFAULT

    def look_up(self) -> Generation | None:
        """Ask the server; None only where there never was an index (it was opened with `create`).

        Raises IndexNotFoundError where there was one: "no hits" would be a wrong answer until it comes back.
        """
        live = live_generation(self._client, self._address)
        if live is not None:
            self.remember(live)
        elif self.seen is not None:
            raise missing_error(self._client, self._address)
        return live

    def remember(self, live: Generation) -> None:
        before, self.seen = self.seen, live
        if before is None or before.index != live.index:
            self.forget_ranking()

    def never_built(self) -> bool:
        """Whether there is no index yet: it answers as an empty one does."""
        return self.seen is None and self.look_up() is None

    def has_changed_since(self, before: Generation | None) -> bool:
        """Whether the name stands for another generation than `before`, as the server says now."""
        after = self.look_up()
        return before is None or after is None or before.index != after.index

    def check_analyzer(self, before: Generation | None) -> None:
        """Raises IndexMismatchError where the index has another analyzer now than `before`.

        The tokens that were asked for mean nothing in it.
        """
        now = self.seen
        if before is not None and now is not None and before.analyzer != now.analyzer:
            raise IndexMismatchError(
                f"{self._address.where}: was built anew with the analyzer {now.analyzer} while it was open "
                f"with {before.analyzer}; search again"
            )

    @property
    def ranking(self) -> Ranking:
        """Made at the first search, since builds and rollbacks also begin where no search is possible."""
        made, seen = self._ranking, self.seen  # another thread may change either
        index, shards = (seen.index, seen.shards) if seen else ("", 1)
        if made is None or made[0] != index:
            made = self._ranking = (index, self._new_ranking(shards))
        return made[1]

    def _new_ranking(self, shards: int) -> Ranking:
        by_shards = ShardRanking(self._client, self._address, shards, MeanSize())
        return Ranking(self._client, self._address, by_shards)

    def forget_ranking(self) -> None:
        """Captions were written: what the ranking knows of the sizes in the index may hold no longer."""
        self._ranking = None
