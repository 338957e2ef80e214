"""The saved objects of es_mappings/kibana.ndjson, and their import into Kibana."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from elastic_transport import HttpHeaders, NodeConfig, TransportError, Urllib3HttpNode

from captioner.outside import one_line
from indexer.elastic.connection import server_parts
from indexer.elastic.credentials import authorization, verification
from indexer.elastic.faults import no_answer, refusal
from indexer.errors import IndexUnavailableError

#: The alias that the objects are written for.
WRITTEN_FOR = "captions"
_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Imported:
    """How many objects Kibana imported, and one line for each that it did not."""

    objects: int
    failures: tuple[str, ...]


def saved_objects(name: str = WRITTEN_FOR) -> list[dict[str, Any]]:
    """The objects for the index `name`, with ids of their own: several indices can have objects in Kibana."""
    lines = (files("es_mappings") / "kibana.ndjson").read_text(encoding="utf-8").splitlines()
    objects = [json.loads(line) for line in lines]
    return objects if name == WRITTEN_FOR else [_renamed(one, name) for one in objects]


def _renamed(one: dict[str, Any], name: str) -> dict[str, Any]:
    attributes = dict(one["attributes"])
    if one["type"] == "index-pattern":
        attributes |= {"title": name, "name": f"{attributes['name']} ({name})"}
    else:
        attributes["title"] = f"{attributes['title']} ({name})"
    references = [{**other, "id": _id_for(other["id"], name)} for other in one["references"]]
    return {**one, "id": _id_for(one["id"], name), "attributes": attributes, "references": references}


def _id_for(object_id: str, name: str) -> str:
    return name + object_id.removeprefix(WRITTEN_FOR)


def import_objects(
    kibana: str, objects: Sequence[Mapping[str, Any]], environment: Mapping[str, str] | None = None
) -> Imported:
    """Import the objects into Kibana at `http[s]://host:5601[/base][/s/SPACE]`, over those with the same ids.

    Credentials and certificate come from the same variables as those of Elasticsearch. Raises IndexerError
    for an invalid address, IndexUnavailableError where Kibana refuses the whole request.
    """
    environment = os.environ if environment is None else environment
    node = _node(kibana, environment)
    boundary = uuid.uuid4().hex
    headers = {
        "kbn-xsrf": "caption-search",  # Kibana refuses a POST without it
        "content-type": f"multipart/form-data; boundary={boundary}",
    }
    answer = _answer(node, _form(objects, boundary), HttpHeaders(headers))
    errors = answer.get("errors") or ()
    if "successCount" not in answer:
        raise IndexUnavailableError(f"{node.base_url}: what answers there is not Kibana")
    return Imported(int(answer["successCount"]), tuple(_failure(error) for error in errors))


def _node(kibana: str, environment: Mapping[str, str]) -> Urllib3HttpNode:
    """Elasticsearch's HTTP client. It follows no redirects, so credentials are sent to no other server."""
    parts = server_parts(kibana, "Kibana's URL", "http[s]://host:5601")
    secure = parts.scheme == "https"
    return Urllib3HttpNode(
        NodeConfig(
            parts.scheme,
            parts.hostname or "",
            parts.port or (443 if secure else 80),
            path_prefix=parts.path,
            headers=authorization(environment),
            request_timeout=_SECONDS,
            **(verification(environment) if secure else {}),
        )
    )


def _form(objects: Sequence[Mapping[str, Any]], boundary: str) -> bytes:
    """A multipart form with one part, `file`, as the API wants it."""
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
    head = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="file"; filename="kibana.ndjson"\r\n'
        "Content-Type: application/ndjson\r\n\r\n"
    )
    return f"{head}{lines}\r\n--{boundary}--\r\n".encode()


def _answer(node: Urllib3HttpNode, form: bytes, headers: HttpHeaders) -> dict[str, Any]:
    try:
        response = node.perform_request("POST", "/api/saved_objects/_import?overwrite=true", form, headers)
    except TransportError as error:
        raise no_answer(node.base_url, error, "Kibana") from error
    finally:
        node.close()
    if response.meta.status != 200:
        raise IndexUnavailableError(_refusal(node.base_url, response.meta.status, response.body))
    return _parsed(response.body)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _refusal(base: str, status: int, content: bytes) -> str:
    advice = {
        403: "not permitted; this user may not save objects in Kibana",
        404: "no such address; add Kibana's base path where it has one",
        503: "Kibana is not ready yet; try again in a minute",
    }.get(status, "add Kibana's base path where it has one" if 300 <= status < 400 else "")
    message = one_line(str(_parsed(content).get("message", "")), 300)
    return refusal(base, "Kibana", status, advice, message)


def _failure(error: Mapping[str, Any]) -> str:
    """One of Kibana's `errors` in one line: which object, and why it was not imported."""
    cause = error.get("error", {})
    title = error.get("meta", {}).get("title") or error.get("title") or error.get("id")
    reason = str(cause.get("message") or str(cause.get("type", "unknown")).replace("_", " "))
    if cause.get("references"):
        missing = (f"{reference.get('type')} {reference.get('id')}" for reference in cause["references"])
        reason = f"{reason}: {', '.join(missing)}"
    return f"{error.get('type')} {title!r} ({error.get('id')}): {' '.join(reason.split())}"
