"""The engine on Elasticsearch.

connection.py     a URL -> an address; the address and the environment -> a client
credentials.py    the environment -> who we are to a server, and how we know it
faults.py         what goes wrong between client and server -> one clear line
retries.py        requests repeated while the server is busy or gone for a moment
names.py          what the indices and aliases of a name are called
documents.py      CaptionRecord <-> document, filters
plan.py           which sizes a query looks at, scores of classes, bounds, and why they hold; pure
near_dice.py      the engine's own score, nearly Dice, and what its order proves; pure
bodies.py         what the server is asked, as request bodies; pure
searches.py       searches and counts of all shards, or an error
point_in_time.py  a point in time, for requests that must agree
best_hits.py      hits -> candidates that are the best of all, and a bound; pure
refusals.py       what the server refused lately
shard_ranking.py  candidates from the first hits of each shard, in the order of near_dice
ranking.py        candidates, and exact counts
draw.py           images drawn at random
misspelt.py       tokens near those that no caption has
generations.py    the concrete indices behind a name
live.py           the one that a name stands for, and whether it is another by now
bulk.py           adding and deleting in bulk
lock.py           one build at a time
rollout.py        build beside, check, move the alias
rollback.py       let the name stand again for what was live before
migration.py      an index of any schema -> the current one
status.py         what an index holds, and how its server is
reader.py         ElasticReader: what a search asks
engine.py         ElasticIndex: what changes an index, and what reads the whole of it
"""

from __future__ import annotations

from indexer.elastic.engine import ElasticIndex

__all__ = ["ElasticIndex"]
