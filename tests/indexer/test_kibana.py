"""Kibana's saved objects: whole and consistent, answered by the real server, and posted as Kibana wants."""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner, Result

from captioner.tokens import analyzer
from es_mappings import SCHEMA_VERSION, index_template
from indexer.cli import main
from indexer.elastic import ElasticIndex
from indexer.elastic.connection import parse
from indexer.errors import IndexerError, IndexUnavailableError
from indexer.kibana import import_objects, saved_objects
from indexer.records import CaptionRecord
from tests.conftest import ROOT
from tests.serving import LocalServer, Quiet, serving

OBJECTS = saved_objects()
LENSES = [one for one in OBJECTS if one["type"] == "lens"]
(DASHBOARD,) = (one for one in OBJECTS if one["type"] == "dashboard")
#: Which types of the mapping an operation can work on.
FITTING = {
    "terms": {"keyword"},
    "range": {"integer"},
    "date_histogram": {"date"},
    "unique_count": {"keyword"},
}


def layer(lens: Mapping[str, Any]) -> Mapping[str, Any]:
    (only,) = lens["attributes"]["state"]["datasourceStates"]["formBased"]["layers"].values()
    assert isinstance(only, dict)
    return only


def columns(lens: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(layer(lens)["columns"])


# --- structure


def test_the_committed_file_is_what_the_description_makes() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "kibana_objects.py"), "--check"]
    assert subprocess.run(script).returncode == 0, "run scripts/kibana_objects.py"


@pytest.mark.parametrize("objects", [OBJECTS, saved_objects("photos")], ids=["captions", "photos"])
def test_every_reference_resolves(objects: list[dict[str, Any]]) -> None:
    places = {(one["type"], one["id"]) for one in objects}
    assert len(places) == len(objects)
    references = [(one["type"], one["id"]) for each in objects for one in each["references"]]
    assert len(references) > len(objects)
    assert set(references) <= places
    # Only the dashboard is referred to by nothing.
    assert places - set(references) == {("dashboard", objects[-1]["id"])}


def test_versions_are_the_oldest_that_have_what_is_used() -> None:
    versions = {one["type"]: one["typeMigrationVersion"] for one in OBJECTS}
    assert versions == {
        "index-pattern": "8.0.0",
        "search": "10.5.0",
        "lens": "8.9.0",
        "dashboard": "10.3.0",
    }
    assert {one["coreMigrationVersion"] for one in OBJECTS} == {"8.8.0"}
    assert {one["managed"] for one in OBJECTS} == {False}


def json_strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and (name.endswith("JSON") or name == "fieldFormatMap"):
                yield inner
            else:
                yield from json_strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from json_strings(inner)


def test_json_inside_json_parses() -> None:
    strings = [text for one in OBJECTS for text in json_strings(one)]
    assert len(strings) == 7  # fields' formats, search, and five of the dashboard
    for text in strings:
        assert isinstance(json.loads(text), (dict, list))


def test_every_field_used_is_in_the_mapping_with_a_fitting_type() -> None:
    mapping = index_template(SCHEMA_VERSION).mappings["properties"]
    fields = {name: field["type"] for name, field in mapping.items()}
    used = 0
    for lens in LENSES:
        for column in columns(lens).values():
            if column.get("sourceField", "___records___") != "___records___":
                assert fields[column["sourceField"]] in FITTING[column["operationType"]]
                used += 1
    assert used >= len(LENSES)
    view, search = OBJECTS[0]["attributes"], OBJECTS[1]["attributes"]
    assert fields[view["timeFieldName"]] == "date"
    assert {fields[name] for name in json.loads(view["fieldFormatMap"])} == {"keyword"}
    assert {"image", "caption", "tokens", "source", "kind", "model"} <= set(search["columns"]) <= set(fields)
    assert {fields[name] for name, _ in search["sort"]} == {"date"}
    for control in controls().values():
        assert fields[control["explicitInput"]["fieldName"]] == "keyword"
    for query in (lens["attributes"]["state"]["query"]["query"] for lens in LENSES):
        assert {fields[name] for name in re.findall(r"(\w+) :", query)} <= {"keyword"}


def controls() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD["attributes"]["controlGroupInput"]["panelsJSON"]))


def test_photos_are_shown_as_pictures() -> None:
    formats = json.loads(OBJECTS[0]["attributes"]["fieldFormatMap"])
    assert formats["image"]["id"] == "url"
    assert formats["image"]["params"]["type"] == "img"
    assert formats["image"]["params"]["urlTemplate"] == "{{rawValue}}"


def test_columns_and_charts_refer_to_each_other() -> None:
    for lens in LENSES:
        ids = set(columns(lens))
        assert layer(lens)["columnOrder"] == list(columns(lens))
        for column in columns(lens).values():
            assert set(column.get("references", ())) <= ids
            assert column.get("params", {}).get("orderBy", {"columnId": "count"})["columnId"] in ids
        shown = lens["attributes"]["state"]["visualization"]
        for part in shown.get("layers", [shown]):
            named = [part.get("xAccessor"), part.get("splitAccessor"), part.get("metricAccessor")]
            named += [*part.get("accessors", ()), *(one["columnId"] for one in part.get("columns", ()))]
            assert {name for name in named if name} <= ids


def test_panels_and_controls_have_their_references_and_do_not_overlap() -> None:
    attributes = DASHBOARD["attributes"]
    panels = json.loads(attributes["panelsJSON"])
    names = {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels}
    names |= {f"controlGroup_{control}:optionsListDataView" for control in controls()}
    assert names == {reference["name"] for reference in DASHBOARD["references"]}
    assert set(controls()) == {"tokens", "source"}
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        grid = panel["gridData"]
        assert grid["x"] + grid["w"] <= 48
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken
        taken |= cells


# --- what the panels ask for, on the real server


def aggregation(lens: Mapping[str, Any]) -> dict[str, Any]:
    """What Kibana asks the server for a panel: its buckets from the first to the last, then the measure."""
    asked: dict[str, Any] = {}
    for name, column in reversed(columns(lens).items()):
        field, params = column.get("sourceField"), column.get("params", {})
        inner = {"aggs": dict(asked)} if asked else {}
        match column["operationType"]:
            case "terms":
                asked = {
                    name: {
                        "terms": {"field": field, "size": params["size"], "order": {"_count": "desc"}},
                        **inner,
                    }
                }
            case "range":
                asked = {name: {"histogram": {"field": field, "interval": 1, "min_doc_count": 0}}}
            case "date_histogram":
                asked = {name: {"date_histogram": {"field": field, "fixed_interval": "1h"}}}
            case "unique_count":
                asked = {name: {"cardinality": {"field": field}}}
            case "count" | "cumulative_sum":
                pass  # the bucket's own count; Kibana adds up by itself
            case other:
                pytest.fail(f"{lens['id']}: unknown operation {other}")
    return asked


RECORDS = [
    CaptionRecord("1", "a dog runs on grass", source="coco"),
    CaptionRecord("1", "a brown dog", source="coco", kind="generated", model="default@1"),
    CaptionRecord("2", "two cats", source="scraped", kind="title", query="cats", license="CC BY 4.0"),
    CaptionRecord(
        "2", "cats sleep", source="scraped", kind="generated", model="default@1", query="cats", license="CC0"
    ),
    CaptionRecord("3", "a red bus", source="scraped", kind="title", query="bus", license="CC0"),
    CaptionRecord("4", "a dog", source="folder", kind="generated", model="model1@2", query="by hand"),
]


def answers(where: str) -> dict[str, Any]:
    """Panel -> what the server says to its query and aggregation."""
    found: dict[str, Any] = {}
    for lens in LENSES:
        kuery = lens["attributes"]["state"]["query"]["query"]
        query: dict[str, Any] = {"match_all": {}}
        if kuery:
            match = re.fullmatch(r'(\w+) : "(\w+)"', kuery)
            assert match is not None
            query = {"match": {match[1]: match[2]}}
        body = {"size": 0, "track_total_hits": True, "query": query, "aggs": aggregation(lens)}
        header = {"Content-Type": "application/json"}
        request = Request(f"{where}/_search", json.dumps(body).encode(), header)
        with urlopen(request, timeout=30) as answer:
            found[lens["id"].removeprefix("captions-")] = json.load(answer)
    return found


def counts(answer: Mapping[str, Any]) -> dict[Any, int]:
    buckets = answer["aggregations"]["by"]["buckets"]
    return {bucket["key"]: bucket["doc_count"] for bucket in buckets if bucket["doc_count"]}


@pytest.mark.elasticsearch
def test_the_server_gives_every_panel_what_the_data_hold(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index, index.draft("panels") as draft:
        draft.add(RECORDS)
        draft.publish()
    address = parse(elastic_where)
    found = answers(f"{address.server}/{address.name}")
    tokens = [analyzer()(record.caption) for record in RECORDS]
    scraped = [record for record in RECORDS if record.source == "scraped"]
    assert found["count"]["hits"]["total"]["value"] == len(RECORDS)
    assert found["images"]["aggregations"]["count"]["value"] == 4
    assert counts(found["tokens"]) == Counter(token for each in tokens for token in each)
    assert counts(found["sizes"]) == Counter(float(len(each)) for each in tokens)
    assert counts(found["models"]) == Counter(record.model for record in RECORDS if record.model)
    assert counts(found["queries"]) == Counter(record.query for record in scraped)
    assert counts(found["licenses"]) == Counter(record.license for record in scraped)
    assert sum(counts(found["growth"]).values()) == len(RECORDS)
    split = found["sources"]["aggregations"]["split"]["buckets"]
    pairs = {
        (inner["key"], outer["key"]): inner["doc_count"]
        for outer in split
        for inner in outer["by"]["buckets"]
    }
    assert pairs == Counter((record.source, record.kind) for record in RECORDS)


# --- importing


class Kibana(LocalServer):
    """Answers what it is told to, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.status, self.body = 200, json.dumps({"success": True, "successCount": len(OBJECTS)})
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[str, str, Mapping[str, str], bytes]] = []


class _Handler(Quiet):
    server: Kibana

    def handle_any(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.requests.append((self.command, self.path, dict(self.headers), content))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body.encode())

    do_GET = do_POST = handle_any  # noqa: N815


@pytest.fixture
def kibana(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kibana]:
    for name in ("API_KEY", "USERNAME", "PASSWORD", "CA_CERTS"):
        monkeypatch.delenv(f"ELASTICSEARCH_{name}", raising=False)
    monkeypatch.delenv("CAPTION_INDEX", raising=False)
    with serving(Kibana()) as server:
        yield server


def imported(kibana: Kibana, *options: str) -> Result:
    return CliRunner().invoke(main, ["kibana", "--import", kibana.url, *options])


def sent_objects(kibana: Kibana) -> list[dict[str, Any]]:
    """The objects of the one request, by a parser of multipart forms that is not ours."""
    ((_, _, headers, content),) = kibana.requests
    head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + content)
    (part,) = form.iter_parts()
    assert part.get_content_disposition() == "form-data"
    assert part.get_param("name", header="content-disposition") == "file"
    assert str(part.get_filename()).endswith(".ndjson")  # Kibana refuses other names
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return [json.loads(line) for line in payload.decode().splitlines() if line]


def test_import_posts_the_objects_as_a_form(kibana: Kibana) -> None:
    result = imported(kibana)
    assert result.exit_code == 0, result.output
    ((method, path, headers, _),) = kibana.requests
    assert (method, path) == ("POST", "/api/saved_objects/_import?overwrite=true")
    lowered = {name.lower(): value for name, value in headers.items()}
    assert lowered["kbn-xsrf"]
    assert "authorization" not in lowered
    assert sent_objects(kibana) == OBJECTS
    assert f"12 of 12 objects imported into {kibana.url}" in result.stdout
    assert f"{kibana.url}/app/dashboards#/view/captions-dashboard" in result.stdout


def test_another_index_has_objects_of_its_own(kibana: Kibana) -> None:
    assert imported(kibana, "--index", "http://localhost:9200/photos").exit_code == 0
    objects = sent_objects(kibana)
    assert objects[0]["attributes"]["title"] == "photos"
    assert not {one["id"] for one in objects} & {one["id"] for one in OBJECTS}


def test_credentials_come_from_the_environment(kibana: Kibana, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELASTICSEARCH_USERNAME", "u")
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", "p")
    imported(kibana)
    monkeypatch.delenv("ELASTICSEARCH_USERNAME")
    monkeypatch.delenv("ELASTICSEARCH_PASSWORD")
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", "key")
    imported(kibana)
    assert [headers["authorization"] for _, _, headers, _ in kibana.requests] == ["Basic dTpw", "ApiKey key"]


def test_objects_that_kibana_does_not_take_are_named_as_it_names_them(kibana: Kibana) -> None:
    missing = {"type": "missing_references", "references": [{"type": "index-pattern", "id": "gone"}]}
    newer = {"type": "unknown", "message": "belongs to a more recent version of Kibana [10.6.0]"}
    errors = [
        {"id": "captions-tokens", "type": "lens", "meta": {"title": "Top tokens"}, "error": missing},
        {"id": "captions-search", "type": "search", "meta": {"title": "Captions"}, "error": newer},
        {"id": "x", "type": "lens\x1b[31m", "error": {"type": "unsupported_type"}},
    ]
    kibana.body = json.dumps({"success": False, "successCount": 9, "errors": errors})
    result = imported(kibana)
    assert result.exit_code == 1
    assert "9 of 12 objects imported" in result.stdout
    assert result.stderr.splitlines() == [
        "lens 'Top tokens' (captions-tokens): missing references: index-pattern gone",
        "search 'Captions' (captions-search): belongs to a more recent version of Kibana [10.6.0]",
        r"lens\x1b[31m 'x' (x): unsupported type",
    ]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (
            401,
            '{"message": "[security_exception]: missing"}',
            "not authenticated; check ELASTICSEARCH_API_KEY",
        ),
        (403, "{}", "not permitted"),
        (400, '{"message": "Request must contain a kbn-xsrf header."}', "answers 400 .*kbn-xsrf"),
        (404, "nothing", "base path"),
        (503, "Kibana server is not ready yet", "not ready yet; try again"),
        (200, "<html>", "is not Kibana"),
        (200, "[]", "is not Kibana"),
    ],
)
def test_refusals_are_one_line(kibana: Kibana, status: int, body: str, message: str) -> None:
    kibana.status, kibana.body = status, body
    with pytest.raises(IndexUnavailableError, match=message) as caught:
        import_objects(kibana.url, OBJECTS, {})
    assert "\n" not in str(caught.value)


def test_credentials_do_not_follow_a_redirect(kibana: Kibana) -> None:
    kibana.status, kibana.headers = 302, {"Location": f"{kibana.url}/elsewhere"}
    with pytest.raises(IndexUnavailableError, match="answers 302"):
        import_objects(kibana.url, OBJECTS, {"ELASTICSEARCH_API_KEY": "k3y"})
    assert len(kibana.requests) == 1


def test_no_kibana_and_addresses_that_cannot_be() -> None:
    with Kibana() as server:
        url = server.url
    with pytest.raises(IndexUnavailableError, match="cannot connect; is Kibana running there"):
        import_objects(url, OBJECTS, {})
    for address, message in (
        ("http://u:hunter2@host", "user or password"),
        ("http://u:hunter2/x@host", "user or password"),
        ("HTTPS://u:hunter2#x@host", "user or password"),
        ("http://localhost:port", "expected http"),
        ("http://[::1", "expected http"),
        ("localhost:5601", "expected http"),
    ):
        with pytest.raises(IndexerError, match=message) as caught:
            import_objects(address, OBJECTS, {})
        assert "hunter2" not in str(caught.value)


def test_without_import_the_objects_go_to_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTION_INDEX", "some-folder/")
    result = CliRunner().invoke(main, ["kibana"])
    assert [json.loads(line) for line in result.stdout.splitlines()] == OBJECTS


def test_an_index_that_is_no_url_is_refused(kibana: Kibana) -> None:
    result = imported(kibana, "--index", "mycaptions")
    assert (result.exit_code, result.stdout, kibana.requests) == (2, "", [])
    assert "'mycaptions' is no index in Elasticsearch; name http[s]://HOST:9200/NAME" in result.stderr


def test_an_index_without_a_name_is_refused_as_by_the_other_commands() -> None:
    result = CliRunner().invoke(main, ["kibana", "--index", " "])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is empty; name a folder, or http" in result.stderr
