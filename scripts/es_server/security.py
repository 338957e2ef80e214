"""A node with TLS and passwords: a self-signed certificate, a keystore, users and roles in files."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .distribution import distribution
from .errors import ServerError, tail

_KEYSTORE_PASSWORD = "xpack.security.http.ssl.keystore.secure_password"
_SUBJECT = ("-dname", "CN=localhost", "-ext", "SAN=dns:localhost,ip:127.0.0.1", "-ext", "BC:critical=ca:true")


@dataclass(frozen=True)
class Access:
    """Who may do what: passwords by name (`elastic` among them), and users as NAME:ROLE,..."""

    passwords: Mapping[str, str]
    users: Sequence[str] = ()
    roles: Path | None = None  # roles.yml

    @classmethod
    def new(cls, users: Sequence[str], roles: Path | None) -> Access:
        """Everybody gets a password of their own."""
        names = ("elastic", *(user.partition(":")[0] for user in users))
        return cls({name: secrets.token_urlsafe(16) for name in names}, users, roles)


def secure(home: Path, environment: Mapping[str, str], access: Access) -> None:
    """Make ready what a node with security reads from its configuration."""
    config = home / "config"
    environment = {**environment, "ES_PATH_CONF": str(config)}
    secret = _certificate(config, environment)
    _keystore(environment, {_KEYSTORE_PASSWORD: secret, "bootstrap.password": access.passwords["elastic"]})
    _users(config, access)


def _certificate(config: Path, environment: Mapping[str, str]) -> str:
    """http.p12 with a certificate that is its own authority, and ca.pem of it; gives the file's password."""
    secret = secrets.token_urlsafe(16)
    keytool = [str(Path(environment["JAVA_HOME"]) / "bin/keytool"), "-storepass", secret, "-alias", "http"]
    keytool += ["-storetype", "PKCS12", "-keystore", str(config / "http.p12")]
    _tool([*keytool, "-genkeypair", "-keyalg", "EC", "-validity", "30", *_SUBJECT], environment)
    _tool([*keytool, "-exportcert", "-rfc", "-file", str(config / "ca.pem")], environment)
    return secret


def _keystore(environment: Mapping[str, str], settings: Mapping[str, str]) -> None:
    keystore = str(distribution() / "bin/elasticsearch-keystore")
    values = "".join(f"{value}\n" for value in settings.values())
    _tool([keystore, "add", "--force", "--stdin", *settings], environment, values)  # makes the keystore, too


def _users(config: Path, access: Access) -> None:
    """The files of the file realm: users with their passwords, and who has a role."""
    if access.roles is not None:
        shutil.copy(access.roles, config / "roles.yml")
    by_role: dict[str, list[str]] = {}
    for name, _, its_roles in (user.partition(":") for user in access.users):
        for role in its_roles.split(","):
            by_role.setdefault(role, []).append(name)
    given = {name: password for name, password in access.passwords.items() if name != "elastic"}
    (config / "users").write_text("".join(f"{name}:{_hashed(word)}\n" for name, word in given.items()))
    lines = [f"{role}:{','.join(names)}\n" for role, names in by_role.items()]
    (config / "users_roles").write_text("".join(lines))


def _hashed(password: str) -> str:
    """Return the hash that the file realm stores, as `elasticsearch-users` does, but without a JVM."""
    salt = secrets.token_bytes(32)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 1000, 32)
    return f"{{PBKDF2}}1000${b64encode(salt).decode()}${b64encode(key).decode()}"


def _tool(command: Sequence[str], environment: Mapping[str, str], given: str = "") -> None:
    result = subprocess.run(command, env=dict(environment), input=given, capture_output=True, text=True)
    if result.returncode:
        raise ServerError(f"{Path(command[0]).name} failed:\n{tail(result.stdout + result.stderr)}")
