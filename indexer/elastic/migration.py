"""An index of any schema -> the current one, beside what readers see."""

from __future__ import annotations

from elasticsearch import Elasticsearch

from indexer.elastic.connection import Place, connect, parse
from indexer.elastic.documents import to_document
from indexer.elastic.engine import ElasticIndex
from indexer.elastic.faults import clear_errors
from indexer.elastic.generations import Generation, generations, live_generation, missing
from indexer.elastic.patience import Patience
from indexer.elastic.rollout import ElasticDraft
from indexer.elastic.snapshot import Snapshot
from indexer.errors import IndexMismatchError
from indexer.records import SCHEMA_VERSION, AddReport, IndexStatus


def migrate(where: str) -> IndexStatus | None:
    """Bring an index of another schema to the current one; None where it has that already.

    The old one is kept, and so is all that was kept beside it.
    """
    place = parse(where)
    with connect(place) as client:
        with clear_errors(place):
            live = live_generation(client, place, any_schema=True)
            if live is None:
                raise missing(client, place)
            if live.schema == SCHEMA_VERSION:
                return None
            keep = len(generations(client, place))
        return _migrate(client, place, live, keep)


def _migrate(client: Elasticsearch, place: Place, live: Generation, keep: int) -> IndexStatus:
    index = ElasticIndex(client, place, live, Patience())
    index.keep = keep
    with index.draft(f"migrate {live.index}", live.analyzer) as draft:
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
