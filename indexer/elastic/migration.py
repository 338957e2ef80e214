"""An index of any schema -> the current one, beside what readers see."""

from __future__ import annotations

from elasticsearch import Elasticsearch

from es_mappings import SCHEMA_VERSION
from indexer.elastic.connection import Address, connect, parse
from indexer.elastic.documents import SOURCE, to_document
from indexer.elastic.engine import ElasticIndex
from indexer.elastic.faults import clear_errors
from indexer.elastic.generations import Generation, live_generation, missing_error
from indexer.elastic.point_in_time import PointInTime
from indexer.elastic.retries import RetryPolicy
from indexer.elastic.rollout import ElasticDraft
from indexer.errors import IndexMismatchError
from indexer.records import AddReport, IndexStatus


def migrate(where: str) -> IndexStatus | None:
    """Bring an index of another schema to the current one; None where it has that already.

    The old one is kept, and so is all beside it: drafts, too, whose captions the next build takes over.
    """
    address = parse(where)
    with connect(address) as client:
        with clear_errors(address):
            live = live_generation(client, address, any_schema=True)
            if live is None:
                raise missing_error(client, address)
            if live.schema == SCHEMA_VERSION:
                return None
        return _migrate(client, address, live)


def _migrate(client: Elasticsearch, address: Address, live: Generation) -> IndexStatus:
    index = ElasticIndex(client, address, live, RetryPolicy())
    index.keep = None
    with index.draft(f"migrate {live.index}", live.analyzer) as draft:
        draft.begin_anew()
        report = copy_into(draft, client, address)
        if report.rejected:
            raise IndexMismatchError(
                f"{address.where}: {len(report.rejected)} captions do not fit the new schema "
                f"(the first: {report.rejected[0].reason}); the old index stays as it was"
            )
        return draft.publish()


def copy_into(draft: ElasticDraft, client: Elasticsearch, address: Address) -> AddReport:
    """Load every caption of the live index into a draft, whatever schema it has."""
    with clear_errors(address), PointInTime(client, address.name) as point:
        held = (to_document(hit["_source"]) for hit in point.stream(source=SOURCE))
        return draft.add_dated((document.record, document.indexed_at) for document in held)
