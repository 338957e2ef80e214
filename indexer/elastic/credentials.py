"""The environment -> who we are to a server, and how we know it: for Elasticsearch and for Kibana.

ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME with ELASTICSEARCH_PASSWORD; each may instead be a file named
by the same variable with _FILE. ELASTICSEARCH_CA_CERTS is a PEM file, ELASTICSEARCH_CA_FINGERPRINT the
SHA-256 of the server's certificate or its CA's; ELASTICSEARCH_INSECURE=1 switches verification off.
"""

from __future__ import annotations

import re
import ssl
import unicodedata
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from indexer.errors import IndexerError


def authorization(environment: Mapping[str, str]) -> dict[str, str]:
    """The header that carries the credentials of the environment; empty without any."""
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


def verification(environment: Mapping[str, str]) -> dict[str, Any]:
    """How to know the server, as the client's options. Raises IndexerError for what cannot tell."""
    fingerprint = environment.get("ELASTICSEARCH_CA_FINGERPRINT", "").replace(":", "").strip()
    if environment.get("ELASTICSEARCH_INSECURE") == "1":
        return {"verify_certs": False, "ssl_show_warn": False}
    if fingerprint:
        if not re.fullmatch(r"[0-9A-Fa-f]{64}", fingerprint):
            raise IndexerError("ELASTICSEARCH_CA_FINGERPRINT: expected the SHA-256, 64 hex digits")
        return {"ssl_assert_fingerprint": fingerprint}
    if path := environment.get("ELASTICSEARCH_CA_CERTS"):
        _check_certificates(path)
        return {"ca_certs": path}
    return {}


def _check_certificates(path: str) -> None:
    """Check that the file holds certificates: the client would report an untrusted server instead."""
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise IndexerError(f"ELASTICSEARCH_CA_CERTS: {path} holds no certificate as PEM") from None
    except OSError as error:
        raise IndexerError(f"ELASTICSEARCH_CA_CERTS: cannot read {path}: {error.strerror}") from None
