"""An index of any schema -> the current one, beside what readers see."""

from __future__ import annotations

from elasticsearch import Elasticsearch

from indexer.elastic.connection import Place, connect, parse
from indexer.elastic.documents import to_document
from indexer.elastic.engine import ElasticIndex
from indexer.elastic.faults import clear_errors, not_found
from indexer.elastic.generations import live_generation
from indexer.elastic.patience import Patience
from indexer.elastic.rollout import ElasticDraft
from indexer.elastic.snapshot import Snapshot
from indexer.errors import IndexMismatchError
from indexer.records import AddReport, IndexStatus


def migrate(where: str) -> IndexStatus:
    """Bring an index of any schema to the current one. The old one is kept."""
    place = parse(where)
    client = connect(place)
    with clear_errors(place):
        live = live_generation(client, place, any_schema=True)
        if live is None:
            client.close()
            raise not_found(place)
        index = ElasticIndex(client, place, live, Patience())
    with index, index.draft(f"migrate {live.index}", live.analyzer) as draft:
        draft.begin_anew()
        report = copy_into(draft, client, place)
        if report.rejected:
            raise IndexMismatchError(
                f"{place.where}: {len(report.rejected)} captions do not fit the new schema "
                f"(the first: {report.rejected[0].reason}); the old index stays as it was"
            )
        return draft.publish()


def copy_into(draft: ElasticDraft, client: Elasticsearch, place: Place) -> AddReport:
    """Load every caption of the live index into a draft, whatever schema it has."""
    with clear_errors(place), Snapshot(client, place.name) as snapshot:
        held = (to_document(hit["_source"]) for hit in snapshot.stream({"match_all": {}}))
        return draft.add_dated((document.record, document.indexed_at) for document in held)
