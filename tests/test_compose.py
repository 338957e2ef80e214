"""docker-compose.yml, Dockerfile and the index template, as far as they can be checked without an engine.

The scripts that containers run are run here: on the real server, or with a `curl` that writes down its words.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from es_mappings import SCHEMA_VERSION, index_template
from indexer.elastic import ElasticIndex
from indexer.elastic.connection import connect, parse
from indexer.records import KEYWORD_FIELDS, RECORD_FIELDS, CaptionRecord
from search.web.server import END_SECONDS
from tests.conftest import ROOT, remove_indices
from tests.indexer.elastic.dogs import built, concrete

FILE = ROOT / "docker-compose.yml"
BIN = Path(sys.executable).parent
ENTRYPOINT, SETUP = ROOT / "docker" / "entrypoint.sh", ROOT / "docker" / "setup.sh"
PASSWORDS = {
    "ELASTIC_PASSWORD": "elastic-1",
    "KIBANA_PASSWORD": "kibana-1",
    "CAPTIONS_PASSWORD": "captions-1",
    "SEARCHER_PASSWORD": "searcher-1",
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"])


# --- docker-compose.yml


def test_the_file_keeps_the_schema_of_the_compose_specification() -> None:
    command: list[str | Path] = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", FILE]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_everything_of_the_stack_has_one_version(services: Mapping[str, Any]) -> None:
    images = {service["image"] for service in services.values()}
    stack = "${STACK_VERSION:-9.5.3}"
    assert images == {f"elasticsearch:{stack}", f"kibana:{stack}", "caption-search"}


def test_the_page_may_end_by_itself(services: Mapping[str, Any]) -> None:
    for name in ("web", "cluster-web"):
        assert float(services[name]["stop_grace_period"].removesuffix("s")) > END_SECONDS + 1


def test_ports_are_open_to_this_machine_only(services: Mapping[str, Any]) -> None:
    for profile in (None, ["cluster"]):
        chosen = [service for service in services.values() if service.get("profiles") == profile]
        ports = [port for service in chosen for port in service.get("ports", ())]
        assert sorted(port.rpartition(":")[2] for port in ports) == ["5601", "8000", "9200"]
        assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_secret_is_in_the_file(services: Mapping[str, Any]) -> None:
    secrets = [
        value
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name or "TOKEN" in name
    ]
    assert len(secrets) > 10
    # Without a value compose stops and says which variable to set.
    assert all(re.fullmatch(r"\$\{(\w+):\?set \1 in \.env\}", secret) for secret in secrets)


@pytest.mark.parametrize("document", ["README.md", "docs/operations.md"])
def test_the_file_of_the_passwords_is_its_owners_alone(document: str, tmp_path: Path) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    (command,) = re.findall(r"^\$ (.*openssl rand.*)$", text, re.MULTILINE)
    subprocess.run(["sh", "-c", f"umask 022; {command}"], cwd=tmp_path, check=True)
    made = tmp_path / ".env"
    assert made.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"(\w+=[0-9a-f]{32}\n){5}", made.read_text(encoding="ascii"))


def test_security_is_on_and_a_cluster_speaks_tls_only(services: Mapping[str, Any]) -> None:
    assert services["elasticsearch"]["environment"]["xpack.security.enabled"] == "true"
    nodes = {name: services[name]["environment"] for name in services if name.startswith("node")}
    assert len(nodes) == 3
    for name, settings in nodes.items():
        assert settings["node.name"] == name
        for layer in ("http", "transport"):
            assert settings[f"xpack.security.{layer}.ssl.enabled"] == "true"
            assert settings[f"xpack.security.{layer}.ssl.key"] == f"certs/{name}/{name}.key"
        assert settings["cluster.initial_master_nodes"].split(",") == list(nodes)
    cluster = [service for service in services.values() if service.get("profiles") == ["cluster"]]
    addresses = re.findall(r"https?://node\d", json.dumps(cluster))
    assert addresses
    assert not [address for address in addresses if not address.startswith("https://")]


def test_nodes_of_a_cluster_map_files_and_the_host_setting_for_that_is_named(
    services: Mapping[str, Any],
) -> None:
    nodes = [services[name]["environment"] for name in services if name.startswith("node")]
    assert not [settings for settings in nodes if "node.store.allow_mmap" in settings]
    for text in (FILE.read_text(encoding="utf-8"), prose("docs/operations.md")):
        (limit,) = re.findall(r"sysctl -w vm\.max_map_count=(\d+)", text)
        assert int(limit) >= 262_144  # what Elasticsearch asks for before it joins a cluster


def documented_starts() -> list[list[str]]:
    """The words behind every `docker compose [--profile cluster] up -d` in the documents."""
    # The comments of the compose file have a command a line; prose goes on in the next one.
    text = "\n".join([FILE.read_text(encoding="utf-8"), prose("README.md"), prose("docs/operations.md")])
    return [
        start.split() for start in re.findall(r"docker compose ((?:--profile \w+ )?up -d[a-z0-9 -]*)", text)
    ]


def prose(document: str) -> str:
    """A document, wherever its lines end; its console examples, where each line is a command, as they are."""
    parts = (ROOT / document).read_text(encoding="utf-8").split("```")
    return "\n".join(part if number % 2 else " ".join(part.split()) for number, part in enumerate(parts))


def test_the_documents_say_where_the_cas_certificate_is(services: Mapping[str, Any]) -> None:
    text = prose("docs/operations.md")
    ((node, folder),) = re.findall(r"docker compose --profile cluster cp (\w+):(\S+)/ca/ca\.crt", text)
    assert f"certificates:{folder}:ro" in services[node]["volumes"]


def started(services: Mapping[str, Any], words: Sequence[str]) -> set[str]:
    """What a start makes: the services named, or all without a profile, and all that they wait for."""
    named = [word for word in words[words.index("-d") + 1 :] if not word.startswith("-")]
    first = named or [name for name, service in services.items() if "profiles" not in service]
    return {*first, *(awaited for name in first for _, awaited, _ in waits_for(services, name))}


@pytest.mark.parametrize("start", ["up -d", "--profile cluster up -d cluster-web cluster-dashboard"])
def test_a_changed_password_reaches_everything_that_has_one(services: Mapping[str, Any], start: str) -> None:
    """What the documented start does not make anew goes on with the old password."""
    told = prose("docs/operations.md").partition("To change one, edit `.env`")[2]
    assert f"`docker compose {start}`" in told
    profile = ["cluster"] if "--profile" in start else None
    holders = {
        name
        for name, service in services.items()
        if service.get("profiles") == profile and "PASSWORD" in json.dumps(service.get("environment", {}))
    }
    assert len(holders) > 5
    assert holders <= started(services, start.split())


def test_documented_starts_name_services_of_their_profile(services: Mapping[str, Any]) -> None:
    starts = documented_starts()
    assert len(starts) > 5
    for start in starts:
        profile = ["cluster"] if "--profile" in start else None
        assert all(services[name].get("profiles") == profile for name in started(services, start))


def waits_for(services: Mapping[str, Any], name: str) -> Iterator[tuple[str, str, str]]:
    """Every (service, awaited, condition) that a service waits for, however far back."""
    for awaited, how in services[name].get("depends_on", {}).items():
        yield name, awaited, how["condition"]
        yield from waits_for(services, awaited)


@pytest.mark.parametrize(
    ("last", "first"),
    [
        ("web", "elasticsearch"),
        ("dashboard", "elasticsearch"),
        ("cluster-web", "certificates"),
        ("cluster-dashboard", "certificates"),
    ],
)
def test_everything_waits_for_what_it_needs(services: Mapping[str, Any], last: str, first: str) -> None:
    steps = list(waits_for(services, last))
    assert first in {awaited for _, awaited, _ in steps}
    for name, awaited, condition in steps:
        once = services[awaited].get("restart") == "no"
        assert condition == ("service_completed_successfully" if once else "service_healthy")
        # A service without a profile must not want one that has: it would not start.
        assert services[name].get("profiles") == services[awaited].get("profiles")


def test_each_container_has_the_least_user_that_will_do(services: Mapping[str, Any]) -> None:
    users = {
        name: service["environment"].get("ELASTICSEARCH_USERNAME")
        for name, service in services.items()
        if service["image"] == "caption-search"
    }
    for prefix in ("", "cluster-"):
        assert users[f"{prefix}web"] == "captions_searcher"
        assert users[f"{prefix}first-index"] == "captions_indexer"


def test_who_may_only_search_holds_no_password_of_who_may_write(services: Mapping[str, Any]) -> None:
    for name in ("web", "cluster-web"):
        held = json.dumps(services[name]["environment"])
        assert set(re.findall(r"\$\{(\w+):", held)) == {"SEARCHER_PASSWORD", "SEARCH_TOKEN"}


def test_the_documented_env_file_has_all_that_compose_wants() -> None:
    wanted = set(re.findall(r"\$\{(\w+):\?", FILE.read_text(encoding="utf-8")))
    (names,) = re.findall(r"for name in ([A-Z_ ]+); do", prose("docs/operations.md"))
    assert set(names.split()) == wanted


def test_data_are_in_named_volumes_and_mounted_files_exist(services: Mapping[str, Any]) -> None:
    mounts = [mount for service in services.values() for mount in service.get("volumes", ())]
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith((".", "$"))}
    assert named == set(yaml.safe_load(FILE.read_text(encoding="utf-8"))["volumes"])
    assert all((ROOT / mount.split(":")[0]).exists() for mount in mounts if mount.startswith("./"))


# --- the program's image


def test_the_dockerfile_has_no_lint() -> None:
    finished = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout


def test_the_image_copies_what_exists_runs_as_nobody_and_has_cpu_torch() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        word
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert {"captioner", "indexer", "search", "es_mappings", "docker/entrypoint.sh"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists()
        assert f"!{path}" in ignored
    assert ignored[1] == "*"
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["10001"]
    assert "ARG TORCH_INDEX=" in lines  # where to take CPU torch from is the builder's choice


def test_the_image_has_the_torch_that_the_package_asks_for() -> None:
    """It is installed first and alone, so its versions stand in two places."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    needed = setup["options"]["install_requires"].splitlines()
    asked = re.findall(r'"(torch\S*)"', (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert asked == [line for line in needed if line.startswith("torch")]


@pytest.mark.parametrize("script", sorted((ROOT / "docker").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_may_be_run_and_are_shell(script: Path) -> None:
    assert script.stat().st_mode & stat.S_IXUSR
    shell = script.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!")
    assert subprocess.run([shell, "-n", script]).returncode == 0


# --- what the containers run


def enter(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The entry point of the image, with the installed commands on its path."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("SEARCH_", "CAPTION_"))
    }
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [ENTRYPOINT, *words],
        env={**clean, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.elasticsearch
def test_a_first_index_is_made_once_and_never_replaces_another(elasticsearch_url: str) -> None:
    name = f"test-first-{os.getpid()}"
    where, sample = f"{elasticsearch_url}/{name}", str(ROOT / "docker" / "sample.jsonl")
    try:
        made = enter("first-index", CAPTION_INDEX=where, SAMPLE=sample)
        assert made.returncode == 0, made.stderr
        with ElasticIndex.open(where) as index:
            assert index.status().sources == {"sample": 8}
            index.add([CaptionRecord("mine", "a dog of mine")])
            again = enter("first-index", CAPTION_INDEX=where, SAMPLE=sample)
            assert again.returncode == 0, again.stderr
            assert index.status().captions == 9
    finally:
        remove_indices(elasticsearch_url, name)


@pytest.mark.elasticsearch
def test_indices_that_only_lost_their_name_are_neither_replaced_nor_deleted(elasticsearch_url: str) -> None:
    """As a restore leaves them that does not restore aliases."""
    name = f"test-nameless-{os.getpid()}"
    where, sample = f"{elasticsearch_url}/{name}", str(ROOT / "docker" / "sample.jsonl")
    try:
        kept = [built(where, number, keep=5) for number in (1, 2, 3)]
        with connect(parse(where)) as client:
            client.indices.delete_alias(index=kept[-1], name=name)
        failed = enter("first-index", CAPTION_INDEX=where, SAMPLE=sample)
        assert failed.returncode == 1
        assert f"{kept[-1]} is kept; let the name stand for it with `indexer rollback" in failed.stderr
        assert concrete(where) == kept
    finally:
        remove_indices(elasticsearch_url, name)


def test_an_index_that_cannot_be_read_is_not_made_anew() -> None:
    failed = enter("first-index", CAPTION_INDEX="http://127.0.0.1:9/captions", SAMPLE="/nowhere")
    assert failed.returncode == 1
    assert "cannot connect" in failed.stderr
    assert "/nowhere" not in failed.stderr


def test_the_page_is_not_served_to_everybody_without_a_token() -> None:
    refused = enter("serve")
    assert refused.returncode == 1
    assert "set SEARCH_TOKEN" in refused.stderr


def test_serving_listens_on_every_address_and_shows_the_photos(tmp_path: Path) -> None:
    program(tmp_path / "search")
    path = f"{tmp_path}:/usr/bin:/bin"
    finished = enter("serve", "--beam", "1", SEARCH_TOKEN="t" * 16, PHOTOS=str(tmp_path), PATH=path)
    assert finished.returncode == 0
    words = ["serve", "--host", "0.0.0.0", "--port", "8000", "--images", str(tmp_path), "--beam", "1"]
    assert (tmp_path / "words").read_text().splitlines() == words


def test_other_words_are_commands_of_the_program() -> None:
    assert "Put captions of pictures into an index" in enter("indexer", "--help").stdout


def program(path: Path) -> None:
    """A program that writes down its words, what it reads, and what its --config says."""
    path.write_text(
        "#!/bin/bash\n"
        'here=$(dirname "$0")\n'
        'printf "%s\\n" "$@" >> "$here/words"\n'
        'while (($#)); do [[ $1 != --config ]] || cat "$2" >> "$here/config"; shift; done\n'
        '[[ -t 0 ]] || { cat; echo; } >> "$here/input"\n'
    )
    path.chmod(0o755)


def set_up(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    program(folder / "curl")
    path = f"{folder}:/usr/bin:/bin"
    where = {"ELASTICSEARCH_URL": "http://elasticsearch:9200"}
    return subprocess.run(
        [SETUP],
        env={"PATH": path, **where, **PASSWORDS, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_setup_gives_users_their_passwords_and_no_process_list_shows_them(tmp_path: Path) -> None:
    finished = set_up(tmp_path, ELASTICSEARCH_CA_CERTS="/certs/ca.crt")
    assert finished.returncode == 0, finished.stderr
    words = (tmp_path / "words").read_text()
    assert [line for line in words.splitlines() if line.startswith("http")] == [
        "http://elasticsearch:9200/_security/user/kibana_system/_password",
        "http://elasticsearch:9200/_security/user/captions_indexer",
        "http://elasticsearch:9200/_security/user/captions_searcher",
    ]
    assert words.count("--cacert\n/certs/ca.crt\n") == 3
    sent = [json.loads(line) for line in (tmp_path / "input").read_text().splitlines() if line]
    assert sent == [
        {"password": "kibana-1"},
        {"password": "captions-1", "roles": ["captions_indexer"]},
        {"password": "searcher-1", "roles": ["captions_searcher"]},
    ]
    assert set((tmp_path / "config").read_text().splitlines()) == {'user = "elastic:elastic-1"'}
    for secret in PASSWORDS.values():
        assert secret not in words + finished.stdout + finished.stderr
    roles = yaml.safe_load((ROOT / "es_mappings" / "roles.yml").read_text())
    assert {role for each in sent for role in each.get("roles", ())} == set(roles)


@pytest.mark.parametrize("name", [*PASSWORDS, "ELASTICSEARCH_URL"])
def test_setup_names_what_is_missing(tmp_path: Path, name: str) -> None:
    finished = set_up(tmp_path, **{name: ""})
    assert finished.returncode == 1
    assert finished.stderr == f"setup: set {name} in .env\n"
    assert not (tmp_path / "words").exists()


@pytest.mark.parametrize("password", ['a"b"c"d', "with space", "short", "back\\slash", "new\nline"])
def test_setup_refuses_passwords_that_json_would_change(tmp_path: Path, password: str) -> None:
    finished = set_up(tmp_path, KIBANA_PASSWORD=password)
    assert finished.returncode == 1
    assert "KIBANA_PASSWORD wants 6 or more letters" in finished.stderr
    assert password not in finished.stderr


def test_certificates_are_made_for_the_nodes_that_have_none(tmp_path: Path) -> None:
    """With a `certutil` that makes an archive of the form of Elasticsearch's own."""
    certutil = tmp_path / "certutil"
    certutil.write_text(
        f"#!{sys.executable}\n"
        "import re, sys, zipfile\n"
        "words = sys.argv[1:]\n"
        "wanted = open(words[words.index('--in') + 1]).read() if '--in' in words else 'name: ca'\n"
        "names = re.findall(r'name: (\\w+)', wanted)\n"
        "with zipfile.ZipFile(words[words.index('--out') + 1], 'w') as archive:\n"
        "    for name in names:\n"
        "        for suffix in ('crt', 'key'):\n"
        "            archive.writestr(f'{name}/{name}.{suffix}', ' '.join(words[:1] + names))\n"
    )
    certutil.chmod(0o755)
    folder = tmp_path / "certs"

    def make(*nodes: str) -> None:
        command: list[str | Path] = [ROOT / "docker" / "certificates.sh", folder, *nodes]
        subprocess.run(
            command, env={**os.environ, "CERTUTIL": str(certutil)}, check=True, capture_output=True
        )

    make("node1", "node2")
    make("node1", "node2", "node3")
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file()}
    nodes = [f"node{n}/node{n}" for n in (1, 2, 3)]
    assert made == {f"{name}.{suffix}" for name in ("ca/ca", *nodes) for suffix in ("crt", "key")}
    assert (folder / "node1/node1.key").read_text() == "cert node1 node2"
    assert (folder / "node3/node3.key").read_text() == "cert node3"
    for name in nodes:
        assert not (folder / f"{name}.key").stat().st_mode & stat.S_IROTH
    assert (folder / "ca/ca.crt").stat().st_mode & stat.S_IROTH


# --- the index template


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_templates_are_strict_and_carry_their_version(version: int) -> None:
    mappings = index_template(version).mappings
    assert json.loads((ROOT / f"es_mappings/captions-{version}.json").read_text())["version"] == version
    assert (mappings["_meta"]["schema"], mappings["dynamic"]) == (version, "strict")


def test_the_newest_template_fits_the_records() -> None:
    fields = index_template(SCHEMA_VERSION).mappings["properties"]
    assert set(fields) == {*RECORD_FIELDS, "tokens", "sized_tokens", "token_count", "indexed_at"}
    assert {name for name in KEYWORD_FIELDS if fields[name]["type"] != "keyword"} == set()
    assert fields["sized_tokens"]["doc_values"] is False
    assert not (ROOT / f"es_mappings/captions-{SCHEMA_VERSION + 1}.json").exists()
