"""The saved objects of es_mappings/kibana.ndjson, and how they get into Kibana."""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from indexer.elastic.connection import authorization
from indexer.errors import IndexerError, IndexUnavailableError
from indexer.index import refuse_password

#: The alias that the objects are written for.
WRITTEN_FOR = "captions"
_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Imported:
    """What Kibana took, and one line for each object that it did not."""

    objects: int
    failures: tuple[str, ...]


def saved_objects(name: str = WRITTEN_FOR) -> list[dict[str, Any]]:
    """The objects for the index `name`; each name has objects of its own in Kibana."""
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
    """Post the objects to Kibana at `http[s]://host:5601[/base][/s/SPACE]`; the same ids are replaced.

    Credentials and certificate come from the same variables as those of Elasticsearch. Raises
    IndexerError for an address that cannot be, IndexUnavailableError where Kibana refuses as a whole.
    """
    environment = os.environ if environment is None else environment
    base = _base(kibana)
    boundary = uuid.uuid4().hex
    headers = {
        "kbn-xsrf": "caption-search",  # Kibana refuses a POST without it
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        **authorization(environment),
    }
    request = urllib.request.Request(  # noqa: S310 - _base lets only http and https pass
        f"{base}/api/saved_objects/_import?overwrite=true", _form(objects, boundary), headers, method="POST"
    )
    answer = _answer(request, base, environment)
    errors = answer.get("errors") or ()
    if "successCount" not in answer:
        raise IndexUnavailableError(f"{base}: what answers there is not Kibana")
    return Imported(int(answer["successCount"]), tuple(_failure(error) for error in errors))


def _base(kibana: str) -> str:
    refuse_password(kibana, "Kibana's URL")
    try:
        parts = urlsplit(kibana)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets or a port that are none
        right = False
    if not right or parts.query or parts.fragment:
        raise IndexerError(f"{kibana}: not Kibana's address; expected http[s]://host:5601")
    return parts.geturl().rstrip("/")


def _form(objects: Sequence[Mapping[str, Any]], boundary: str) -> bytes:
    """A multipart form with one part, `file`, as the API wants it."""
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
    head = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="file"; filename="kibana.ndjson"\r\n'
        "Content-Type: application/ndjson\r\n\r\n"
    )
    return f"{head}{lines}\r\n--{boundary}--\r\n".encode()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Credentials go to the address that was given and to no other."""

    def redirect_request(self, *args: Any, **options: Any) -> None:
        return None


def _answer(request: urllib.request.Request, base: str, environment: Mapping[str, str]) -> dict[str, Any]:
    https = urllib.request.HTTPSHandler(context=_certificates(environment))
    opener = urllib.request.build_opener(_NoRedirect, https)
    try:
        with opener.open(request, timeout=_SECONDS) as response:
            content = response.read()
    except urllib.error.HTTPError as error:
        with error:
            raise IndexUnavailableError(_refusal(base, error.code, error.read())) from None
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, ssl.SSLError):
            why = "its certificate cannot be verified; set ELASTICSEARCH_CA_CERTS to the CA's PEM file"
        else:
            why = "cannot connect; is Kibana running there?"
        raise IndexUnavailableError(f"{base}: {why}") from error
    except OSError as error:
        raise IndexUnavailableError(f"{base}: no answer ({error or type(error).__name__})") from error
    return _parsed(content)


def _certificates(environment: Mapping[str, str]) -> ssl.SSLContext:
    if environment.get("ELASTICSEARCH_INSECURE") == "1":
        return ssl._create_unverified_context()  # noqa: S323 - asked for by name
    path = environment.get("ELASTICSEARCH_CA_CERTS")
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise IndexerError(f"ELASTICSEARCH_CA_CERTS: cannot read {path}: {error.strerror}") from None


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _refusal(base: str, status: int, content: bytes) -> str:
    advice = {
        401: "not authenticated; check ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and _PASSWORD",
        403: "not permitted; this user may not save objects in Kibana",
        404: "no such address; add Kibana's base path where it has one",
        503: "Kibana is not ready yet; try again in a minute",
    }.get(status, "add Kibana's base path where it has one" if 300 <= status < 400 else "")
    said = " ".join(str(_parsed(content).get("message", "")).split())[:300]
    told = f"Kibana answers {status}" + (f" ({said})" if said else "")
    return f"{base}: {advice}; {told}" if advice else f"{base}: {told}"


def _failure(error: Mapping[str, Any]) -> str:
    """One of Kibana's `errors` in one line: which object, and why it was not taken."""
    cause = error.get("error", {})
    title = error.get("meta", {}).get("title") or error.get("title") or error.get("id")
    reason = str(cause.get("message") or str(cause.get("type", "unknown")).replace("_", " "))
    if cause.get("references"):
        missing = (f"{reference.get('type')} {reference.get('id')}" for reference in cause["references"])
        reason = f"{reason}: {', '.join(missing)}"
    return f"{error.get('type')} {title!r} ({error.get('id')}): {' '.join(reason.split())}"
