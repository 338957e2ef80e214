"""What goes wrong between client and server -> an IndexerError of one line that says what to do."""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import elastic_transport
import elasticsearch

from indexer.elastic.connection import Address, ClosedError
from indexer.errors import (
    OR_IN_PYTHON,
    ContactLostError,
    IndexBusyError,
    IndexClosedError,
    IndexerError,
    IndexIncompleteError,
    IndexNotFoundError,
    IndexReadOnlyError,
    IndexUnavailableError,
    RequestRefusedError,
)

#: How a block tells that it ends by itself: of a cluster that has just started, or has no master.
_PASSING_BLOCK = "SERVICE_UNAVAILABLE/"
#: The numbers of Elasticsearch's blocks of writing: read-only and write, of an index and of the cluster, and
#: the full disk's, which answers 429.
_WRITE_BLOCK = re.compile(r"/(5|6|8|12|13)/")
#: How OpenSSL, the older and the newer, says that what came is no TLS.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
_OF_STATUS: Mapping[int, type[IndexUnavailableError]] = MappingProxyType(
    {400: RequestRefusedError, 429: IndexBusyError, 503: IndexIncompleteError}
)


@contextmanager
def clear_errors(address: Address) -> Iterator[None]:
    """Turn what the client raises into an IndexerError of one line that says what to do."""
    try:
        yield
    except elasticsearch.UnsupportedProductError:
        raise _not_this(address.server) from None
    except elasticsearch.ApiError as error:
        raise api_error(address, error.status_code, error.body) from error
    except ClosedError:
        raise IndexClosedError.of(address.where) from None
    except elastic_transport.TransportError as error:
        raise no_answer(address.server, error) from error


def no_answer(
    server: str, error: elastic_transport.TransportError, program: str = "Elasticsearch"
) -> IndexUnavailableError:
    """What it means to a person that a server gave no answer, or none that can be read."""
    match error:
        case elastic_transport.ConnectionTimeout():
            return ContactLostError(
                f"{server}: no answer in time; the server is busy or unreachable, try again"
            )
        case elastic_transport.SerializationError():
            return _not_this(server, program)
        case elastic_transport.ConnectionError():
            return _no_connection(server, error, program)
    return IndexUnavailableError(f"{server}: {type(error).__name__}")


def _no_connection(
    server: str, error: elastic_transport.ConnectionError, program: str
) -> IndexUnavailableError:
    match _below(error):
        case ssl.SSLError(reason=reason) if reason in _NO_TLS:
            return IndexUnavailableError(f"{server}: speaks no TLS; where it is plain HTTP, write http://")
        case ssl.SSLEOFError() | ConnectionResetError():  # also the client's RemoteDisconnected
            advice = "" if server.startswith("https:") else "; where it speaks TLS, write https://"
            return ContactLostError(f"{server}: closed the connection without an answer{advice}")
        case http.client.IncompleteRead():
            return ContactLostError(f"{server}: its answer was cut off; try again")
        case http.client.HTTPException():
            return _not_this(server, program)
        case ssl.SSLCertVerificationError(verify_message=why):
            return _unverified(server, why)
        case ssl.SSLError() as below:
            return IndexUnavailableError(f"{server}: no TLS connection can be made ({below.reason})")
        case None if isinstance(error, elastic_transport.TlsError):  # the client compares fingerprints itself
            return _unverified(server, str(error.message))
    return ContactLostError(f"{server}: cannot connect; is {program} running there?")


def check_signed(address: Address, error: elasticsearch.ApiError) -> None:
    """Raises IndexUnavailableError for an answer of something else than Elasticsearch.

    The client itself looks only where the answer is no error.
    """
    if error.meta.headers.get("x-elastic-product") != "Elasticsearch":
        raise _not_this(address.server) from error


def _not_this(server: str, program: str = "Elasticsearch") -> IndexUnavailableError:
    return IndexUnavailableError(f"{server}: what answers there is not {program}")


def _unverified(server: str, why: str) -> IndexUnavailableError:
    return IndexUnavailableError(
        f"{server}: its certificate cannot be verified; set ELASTICSEARCH_CA_CERTS to the CA's PEM file or "
        f"ELASTICSEARCH_CA_FINGERPRINT ({why})"
    )


def _below(error: BaseException | None) -> BaseException | None:
    """What Python's own network libraries raised, below the client and its HTTP library."""
    while error is not None and not isinstance(error, OSError | http.client.HTTPException):
        error = error.__cause__ or error.__context__
    return error


def api_error(address: Address, status: int, body: Any) -> IndexerError:
    """What an answer of Elasticsearch with this status means to a person."""
    kind, reason = _cause(body)
    match kind:
        case "index_closed_exception":
            return closed_error(address)
        case "cluster_block_exception" if _PASSING_BLOCK in reason:
            status = 503  # whatever it was: a request that waited for the block's end is told 429
        case "cluster_block_exception":
            return _blocked(address, reason)
        case "index_not_found_exception":
            return not_found(address)
        case "search_context_missing_exception":
            return IndexUnavailableError(
                f"{address.where}: the server forgot what was being read (it was started anew, or the "
                "reading paused for minutes); ask again"
            )
    advice = {
        403: "not permitted; this user's role does not allow it",
        429: "overloaded; try again later",
        503: "not available now; try again later",
    }.get(status, "")
    told = ": ".join(filter(None, (kind, reason))) if status not in (401, 403) else ""
    return _OF_STATUS.get(status, IndexUnavailableError)(
        refusal(address.where, "Elasticsearch", status, advice, told)
    )


def refusal(where: str, who: str, status: int, advice: str, told: str) -> str:
    """Return the message for a refused request: advice, if there is any, and the server's answer."""
    if status == 401:
        advice = "not authenticated; check ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and _PASSWORD"
    said = f"{who} answers {status}" + (f" ({told})" if told else "")
    return f"{where}: {advice}; {said}" if advice else f"{where}: {said}"


def _blocked(address: Address, reason: str) -> IndexUnavailableError:
    if _WRITE_BLOCK.search(reason):
        return IndexReadOnlyError(
            f"{address.where}: the index is read-only ({reason}); free disk space on the server or lift the "
            "block, then run again"
        )
    return IndexUnavailableError(
        f"{address.where}: the index is blocked ({reason}); lift the block, then run again"
    )


def not_found(address: Address) -> IndexNotFoundError:
    return IndexNotFoundError(
        f"{address.where}: no such index; make it with `indexer build --index {address.where}`{OR_IN_PYTHON}"
    )


def closed_error(address: Address, index: str = "") -> IndexUnavailableError:
    """Return the error for a closed index: the live one, or a rollback's target `index`."""
    back = "" if index else f", or go back with `indexer rollback --index {address.where}`"
    name = index or address.name
    return IndexUnavailableError(
        f"{address.server}/{name}: the index is closed; open it with POST {name}/_open{back}"
    )


def _cause(body: Any) -> tuple[str, str]:
    """Type and reason of the deepest error in an answer; ("", "") where there is none."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return "", " ".join(str(error or "").split())[:300]
    causes = error.get("root_cause") or [error]
    cause = error.get("caused_by") if error.get("type") == "search_phase_execution_exception" else None
    cause = causes[0] if causes and isinstance(causes[0], Mapping) else (cause or error)
    return str(cause.get("type", "")), " ".join(str(cause.get("reason", "")).split())[:300]
