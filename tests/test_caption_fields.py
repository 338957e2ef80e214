"""A new field of captions is known wherever fields are listed: a forgotten list fails here, and is named."""

from __future__ import annotations

from dataclasses import fields

import pytest

from es_mappings import SCHEMA_VERSION
from indexer.embedded.manifest import SCHEMA
from indexer.embedded.rows import KEYWORDS
from indexer.records import KEYWORD_FIELDS, RECORD_FIELDS, WEB_FIELDS, CaptionRecord
from indexer.scrape.items import Item
from search.asked import Asked
from search.hits import Hit
from search.jaccard import Similarity
from search.web.answers import HitAnswer, Shown
from search.web.parameters import FilterParameters

#: Schema -> the fields of its captions. Indices with these fields are on people's disks and servers.
FIELDS = dict.fromkeys(
    (1, 2),  # on Elasticsearch 2 has the tokens in other fields, too
    (
        "image_id caption image source kind model split "
        "query provider page title creator license attribution phash"
    ).split(),
)
#: Serves to recognise copies, and is nothing to read: no answer shows it.
HIDDEN = {"phash"}
DOG = frozenset({"dog"})


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        (SCHEMA, "SCHEMA in indexer/embedded/manifest.py, and decide in rows.py on KEYWORDS"),
        (
            SCHEMA_VERSION,
            "SCHEMA_VERSION in es_mappings, with a captions-N.json of its own that has the field",
        ),
    ],
)
def test_other_fields_are_another_schema(schema: int, what: str) -> None:
    assert FIELDS.get(schema) == [*RECORD_FIELDS], f"raise {what}; then write the fields into FIELDS"


def test_the_embedded_index_sorts_only_columns_that_there_are() -> None:
    assert {*KEYWORDS} - {*RECORD_FIELDS} == {"indexed_at"}, "KEYWORDS in indexer/embedded/rows.py"


def test_the_web_tells_the_fields_that_its_pictures_have() -> None:
    of_both = {one.name for one in fields(Item)} & {*RECORD_FIELDS}
    assert of_both - {"phash"} == {*WEB_FIELDS}, "WEB_FIELDS in indexer/records.py and Item in indexer/scrape"


def test_the_rest_api_filters_by_every_field() -> None:
    filters = FilterParameters.model_fields.keys() - {"without"}
    assert filters == {*KEYWORD_FIELDS}, "FilterParameters in search/web/parameters.py"


def test_the_rest_api_describes_every_field() -> None:
    described = {*HitAnswer.model_fields} & {*RECORD_FIELDS}
    assert described == {*RECORD_FIELDS} - HIDDEN, "Shown or HitAnswer in search/web/answers.py"
    assert {*Shown.model_fields} - {*RECORD_FIELDS} == {"file", "thumbnail", "gone"}


def test_the_json_of_a_hit_has_every_field() -> None:
    record = CaptionRecord(**{name: f"a {name}" for name in RECORD_FIELDS})
    told = Hit(1, record, Asked("a dog", DOG), Similarity(1, 1), DOG).as_json()
    assert {*told} & {*RECORD_FIELDS} == {*RECORD_FIELDS} - HIDDEN, "_KNOWN in search/hits.py"
    assert {name: told[name] for name in RECORD_FIELDS if name not in HIDDEN} == {
        name: f"a {name}" for name in RECORD_FIELDS if name not in HIDDEN
    }
