"""The engine on Elasticsearch; the only user of its client.

connection.py  a URL and the environment -> a client; the client's errors -> one clear line
documents.py   CaptionRecord <-> document, filters
plan.py        which sizes a query looks at, scores of classes, bounds; pure
ranking.py     candidates and counts
loading.py     adding and deleting in bulk
lock.py        one build at a time
rollout.py     build beside, check, move the alias, go back, migrate
engine.py      ElasticIndex
"""

from __future__ import annotations

from indexer.elastic.engine import ElasticIndex

__all__ = ["ElasticIndex"]
