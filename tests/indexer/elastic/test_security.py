"""TLS, and the roles of docs/operations.md, on a real server: the searcher reads, and only reads."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from es_server.cluster import start
from es_server.distribution import cache_folder
from es_server.state import stop
from indexer.elastic import ElasticIndex
from indexer.elastic.connection import connect, parse
from indexer.errors import IndexMismatchError, IndexUnavailableError
from indexer.kibana import import_objects
from indexer.records import CaptionRecord, Query
from tests.conftest import ROOT

pytestmark = pytest.mark.elasticsearch

DOG = CaptionRecord("1", "a dog runs")
ROLES = ROOT / "es_mappings" / "roles.yml"
USERS = {
    "indexer": "captions_indexer",
    "searcher": "captions_searcher",
    "stranger": "none",
    "limited": "of_schema_1",
}
#: `tokens` alone does not grant `tokens.dice_30`.
OF_SCHEMA_1 = """
of_schema_1:
  indices:
    - names: [ "captions", "captions-*" ]
      privileges: [ read, view_index_metadata ]
      field_security:
        grant: [ "image_id", "caption", "tokens", "sized_tokens", "token_count", "source", "kind" ]
"""


class Secured:
    """A server with TLS and users."""

    def __init__(self, url: str, ca: str, passwords: dict[str, str]) -> None:
        self.where, self.ca, self.passwords = f"{url}/captions", ca, passwords

    @property
    def fingerprint(self) -> str:
        return sha256(ssl.PEM_cert_to_DER_cert(Path(self.ca).read_text())).hexdigest()


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    # Not pytest's folder: the server runs as another user than root, who may not enter that one.
    folder = Path(tempfile.mkdtemp(dir=cache_folder(), prefix="tls-"))
    folder.chmod(0o755)
    users = [f"{name}:{role}" for name, role in USERS.items()]
    try:
        roles = folder / "granted.yml"
        roles.write_text(ROLES.read_text() + OF_SCHEMA_1)
        server = start(folder, tls=True, roles=roles, users=users, brief=True)
        try:
            ca = folder / "ca.pem"
            shutil.copy(server.ca, ca)
            yield Secured(server.urls[0], str(ca), dict(server.users))
        finally:
            stop(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def user(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("API_KEY", "CA_FINGERPRINT", "INSECURE"):
        monkeypatch.delenv(f"ELASTICSEARCH_{name}", raising=False)
    monkeypatch.setenv("ELASTICSEARCH_CA_CERTS", secured.ca)
    return monkeypatch


def become(patch: pytest.MonkeyPatch, secured: Secured, name: str) -> None:
    patch.setenv("ELASTICSEARCH_USERNAME", name)
    patch.setenv("ELASTICSEARCH_PASSWORD", secured.passwords[name])


def test_the_indexer_may_build_and_the_searcher_only_read(secured: Secured, user: pytest.MonkeyPatch) -> None:
    become(user, secured, "indexer")
    for number in (1, 2):
        with ElasticIndex.open(secured.where, create=True) as index, index.draft(str(number)) as draft:
            draft.add([DOG, CaptionRecord("2", "a cat")])
            assert draft.publish().captions == 2
    with ElasticIndex.open(secured.where) as index:
        index.add([CaptionRecord("3", "a bird")])
        assert index.delete(["3"]) == 1
        index.rollback()
        assert index.status().details["health"] in ("green", "yellow")

    become(user, secured, "searcher")
    with ElasticIndex.open(secured.where) as index:
        assert index.candidates(frozenset({"dog"}), 5).found[0].document.record == DOG
        assert index.count([Query(frozenset({"dog"}), min_score=0.1)]) == 1
        assert set(index.captions(["1", "2"])) == {"1", "2"}
        assert len(index.random(2)) == 2
        assert index.status().captions == 2
        for write in (
            lambda: index.add([CaptionRecord("9", "a fish")]),
            lambda: index.delete(["1"]),
            lambda: index.draft("new"),
            index.rollback,
        ):
            with pytest.raises(IndexUnavailableError, match="not permitted; this user's role"):
                write()
        assert index.status().captions == 2


def test_a_role_that_hides_what_a_search_needs_is_told(secured: Secured, user: pytest.MonkeyPatch) -> None:
    become(user, secured, "indexer")
    with ElasticIndex.open(secured.where, create=True) as index, index.draft("dog") as draft:
        draft.add([DOG])
        draft.publish()
    become(user, secured, "elastic")
    with connect(parse(secured.where)) as client:  # without a licence such roles are refused altogether
        client.license.post_start_trial(acknowledge=True)
    become(user, secured, "limited")
    with pytest.raises(
        IndexMismatchError, match=r"need tokens\.dice_30, .*, which this user's role hides .* grant tokens\*"
    ):
        ElasticIndex.open(secured.where)


def test_a_user_without_a_role_and_a_wrong_password(secured: Secured, user: pytest.MonkeyPatch) -> None:
    become(user, secured, "stranger")
    with pytest.raises(IndexUnavailableError, match="not permitted"):
        ElasticIndex.open(secured.where)
    user.setenv("ELASTICSEARCH_PASSWORD", "hunter2-is-wrong")
    with pytest.raises(
        IndexUnavailableError, match="not authenticated; check ELASTICSEARCH_API_KEY"
    ) as caught:
        ElasticIndex.open(secured.where)
    assert "hunter2" not in repr(caught.value) + repr(caught.value.__cause__)


def test_a_certificate_that_nobody_vouches_for_is_refused(secured: Secured, user: pytest.MonkeyPatch) -> None:
    become(user, secured, "elastic")
    user.delenv("ELASTICSEARCH_CA_CERTS")
    with pytest.raises(IndexUnavailableError, match="cannot be verified; set ELASTICSEARCH_CA_CERTS"):
        ElasticIndex.open(secured.where, create=True)
    user.setenv("ELASTICSEARCH_CA_FINGERPRINT", "ab" * 32)
    with pytest.raises(IndexUnavailableError, match="cannot be verified"):
        ElasticIndex.open(secured.where, create=True)


def test_a_fingerprint_or_the_explicit_switch_will_do(secured: Secured, user: pytest.MonkeyPatch) -> None:
    become(user, secured, "elastic")
    user.delenv("ELASTICSEARCH_CA_CERTS")
    user.setenv("ELASTICSEARCH_CA_FINGERPRINT", secured.fingerprint)
    ElasticIndex.open(secured.where, create=True).close()
    user.delenv("ELASTICSEARCH_CA_FINGERPRINT")
    user.setenv("ELASTICSEARCH_INSECURE", "1")
    ElasticIndex.open(secured.where, create=True).close()


def test_plain_http_to_a_server_with_tls(secured: Secured, user: pytest.MonkeyPatch) -> None:
    become(user, secured, "elastic")
    with pytest.raises(IndexUnavailableError, match=r"^http://localhost:\d+: .* write https://$"):
        ElasticIndex.open(secured.where.replace("https://", "http://"))


def test_kibana_is_known_by_the_same_variables(secured: Secured, user: pytest.MonkeyPatch) -> None:
    """The one server with TLS that there is to ask is no Kibana, and is heard out."""
    server = secured.where.removesuffix("/captions")
    with pytest.raises(IndexUnavailableError, match="not authenticated"):
        import_objects(server, [])
    user.delenv("ELASTICSEARCH_CA_CERTS")
    with pytest.raises(IndexUnavailableError, match=r"cannot be verified; .* \(self-signed certificate\)"):
        import_objects(server, [])
    user.setenv("ELASTICSEARCH_CA_FINGERPRINT", secured.fingerprint)
    with pytest.raises(IndexUnavailableError, match="not authenticated"):
        import_objects(server, [])
