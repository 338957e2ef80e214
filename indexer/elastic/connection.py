"""A URL and the environment -> a client; the client's errors -> one clear line."""

from __future__ import annotations

import os
import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import elastic_transport
import elasticsearch
from elasticsearch import Elasticsearch

from indexer.errors import IndexerError, IndexNotFoundError, IndexUnavailableError
from indexer.index import refuse_password

#: What Elasticsearch allows, without the characters that would address several indices at once.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,200}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an index is: the server and the name (an alias) on it."""

    server: str
    name: str

    @property
    def where(self) -> str:
        return f"{self.server}/{self.name}"


def parse(where: str) -> Place:
    """`http[s]://host[:port][/prefix]/NAME` -> Place. Raises IndexerError, never repeating a password."""
    refuse_password(where)
    try:
        parts = urlsplit(where)
    except ValueError as error:
        raise IndexerError(f"not an index URL ({error}); expected http[s]://host:9200/NAME") from None
    prefix, _, name = parts.path.rstrip("/").rpartition("/")
    if not parts.hostname or not _NAME.fullmatch(name) or parts.query or parts.fragment:
        raise IndexerError(
            f"{where}: not an index URL; expected http[s]://host:9200/NAME with NAME of lower-case letters, "
            "digits, '-', '_' and '.'"
        )
    try:
        port = parts.port or (443 if parts.scheme == "https" else 9200)
    except ValueError:
        raise IndexerError(f"{where}: the port is not a number up to 65535") from None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Place(f"{parts.scheme}://{host}:{port}{prefix}", name)


def connect(place: Place, environment: Mapping[str, str] | None = None) -> Elasticsearch:
    """A client with the credentials of the environment; it does not connect yet.

    ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME with ELASTICSEARCH_PASSWORD; each may instead be a
    file named by the same variable with _FILE. ELASTICSEARCH_CA_CERTS is a PEM file,
    ELASTICSEARCH_CA_FINGERPRINT the SHA-256 of the certificate; ELASTICSEARCH_INSECURE=1 switches
    verification off. Raises IndexerError where they contradict each other or a file cannot be read.
    """
    environment = os.environ if environment is None else environment
    options: dict[str, Any] = {"request_timeout": 60, "max_retries": 2, "retry_on_timeout": False}
    options["headers"] = authorization(environment)
    if place.server.startswith("https://"):
        options |= _verification(environment)
    return Elasticsearch(place.server, **options)


def authorization(environment: Mapping[str, str]) -> dict[str, str]:
    """The header that carries the credentials of the variables that `connect` names; empty without any."""
    key = _secret(environment, "ELASTICSEARCH_API_KEY")
    user = _secret(environment, "ELASTICSEARCH_USERNAME")
    password = _secret(environment, "ELASTICSEARCH_PASSWORD")
    if key and (user or password):
        raise IndexerError("set ELASTICSEARCH_API_KEY or ELASTICSEARCH_USERNAME and _PASSWORD, not both")
    if bool(user) != bool(password):
        raise IndexerError("ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD must be set together")
    if not key.isascii():
        raise IndexerError("ELASTICSEARCH_API_KEY: a key is of ASCII characters only; copy it again")
    if key:
        return {"authorization": f"ApiKey {key}"}
    # The client would encode them as ASCII; the server reads UTF-8.
    pair = b64encode(f"{user}:{password}".encode()).decode()
    return {"authorization": f"Basic {pair}"} if user else {}


def _secret(environment: Mapping[str, str], name: str) -> str:
    """The variable, or what the file says that NAME_FILE names, without the line break at its end.

    Raises IndexerError, never repeating the value, for what no header can carry.
    """
    path = environment.get(f"{name}_FILE")
    # Files of variables with Windows' line ends leave a carriage return in each.
    value = (_content(name, path) if path else environment.get(name, "")).rstrip("\r\n")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise IndexerError(
            f"{name}{'_FILE' if path else ''}: holds a control character or no valid text; give one line"
        )
    return value


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise IndexerError(f"{name}_FILE: cannot read {path}: {reason}") from None


def _verification(environment: Mapping[str, str]) -> dict[str, Any]:
    fingerprint = environment.get("ELASTICSEARCH_CA_FINGERPRINT", "").replace(":", "").strip()
    if environment.get("ELASTICSEARCH_INSECURE") == "1":
        return {"verify_certs": False, "ssl_show_warn": False}
    if fingerprint:
        if not re.fullmatch(r"[0-9A-Fa-f]{64}", fingerprint):
            raise IndexerError("ELASTICSEARCH_CA_FINGERPRINT: expected the SHA-256, 64 hex digits")
        return {"ssl_assert_fingerprint": fingerprint}
    if path := environment.get("ELASTICSEARCH_CA_CERTS"):
        if not Path(path).is_file():
            raise IndexerError(f"ELASTICSEARCH_CA_CERTS: no such file: {path}")
        return {"ca_certs": path}
    return {}


#: How a block tells that it ends by itself: of a cluster that has just started, or has no master.
_PASSING_BLOCK = "SERVICE_UNAVAILABLE/"
#: The numbers of Elasticsearch's blocks of writing: read-only and write, of an index and of the cluster, and
#: the full disk's, which answers 429.
_WRITE_BLOCK = re.compile(r"/(5|6|8|12|13)/")


class _ReadOnlyError(IndexUnavailableError):
    """The index takes no writes; asking again does not help."""


def is_read_only(error: IndexerError) -> bool:
    return isinstance(error, _ReadOnlyError)


@contextmanager
def clear_errors(place: Place) -> Iterator[None]:
    """Turn what the client raises into an IndexerError of one line that says what to do."""
    try:
        yield
    except elasticsearch.UnsupportedProductError:
        raise IndexUnavailableError(f"{place.server}: what answers there is not Elasticsearch") from None
    except elasticsearch.ApiError as error:
        raise api_error(place, error.status_code, error.body) from error
    except elastic_transport.TlsError as error:
        raise IndexUnavailableError(
            f"{place.server}: its certificate cannot be verified; set ELASTICSEARCH_CA_CERTS to the CA's PEM "
            "file or ELASTICSEARCH_CA_FINGERPRINT"
        ) from error
    except elastic_transport.ConnectionTimeout as error:
        raise IndexUnavailableError(
            f"{place.server}: no answer in time; the server is busy or unreachable, try again"
        ) from error
    except elastic_transport.ConnectionError as error:
        raise IndexUnavailableError(
            f"{place.server}: cannot connect; is Elasticsearch running there?"
        ) from error
    except elastic_transport.TransportError as error:
        raise IndexUnavailableError(f"{place.server}: {type(error).__name__}") from error


def api_error(place: Place, status: int, body: Any) -> IndexerError:
    """What an answer of Elasticsearch with this status means to a person."""
    kind, reason = _cause(body)
    match kind:
        case "index_closed_exception":
            return closed_error(place)
        case "cluster_block_exception" if _PASSING_BLOCK in reason:
            status = 503  # whatever it was: a request that waited for the block's end is told 429
        case "cluster_block_exception":
            return _blocked(place, reason)
        case "index_not_found_exception":
            return not_found(place)
        case "search_context_missing_exception":
            return IndexUnavailableError(
                f"{place.where}: the server forgot what was being read (it was started anew, or the "
                "reading paused for minutes); ask again"
            )
    advice = {
        401: "not authenticated; check ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and _PASSWORD",
        403: "not permitted; this user's role does not allow it",
        429: "overloaded; try again later",
        503: "not available now; try again later",
    }.get(status, "")
    said = f"Elasticsearch answers {status}" + (
        f" ({kind}: {reason})" if kind and status not in (401, 403) else ""
    )
    return IndexUnavailableError(f"{place.where}: {advice}; {said}" if advice else f"{place.where}: {said}")


def _blocked(place: Place, reason: str) -> IndexUnavailableError:
    if _WRITE_BLOCK.search(reason):
        return _ReadOnlyError(
            f"{place.where}: the index is read-only ({reason}); free disk space on the server or lift the "
            "block, then run again"
        )
    return IndexUnavailableError(
        f"{place.where}: the index is blocked ({reason}); lift the block, then run again"
    )


def not_found(place: Place) -> IndexNotFoundError:
    return IndexNotFoundError(
        f"{place.where}: no such index; make it with `indexer build --index {place.where}`"
    )


def closed_error(place: Place, index: str = "") -> IndexUnavailableError:
    """Of the live index, or of the one that a rollback would lead to."""
    back = "" if index else f", or go back with `indexer rollback --index {place.where}`"
    name = index or place.name
    return IndexUnavailableError(
        f"{place.server}/{name}: the index is closed; open it with POST {name}/_open{back}"
    )


def _cause(body: Any) -> tuple[str, str]:
    """Type and reason of the deepest error in an answer; ("", "") where there is none."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return "", str(error or "")
    causes = error.get("root_cause") or [error]
    cause = error.get("caused_by") if error.get("type") == "search_phase_execution_exception" else None
    cause = causes[0] if causes and isinstance(causes[0], Mapping) else (cause or error)
    return str(cause.get("type", "")), " ".join(str(cause.get("reason", "")).split())[:300]
