"""docker-compose.yml and the index template, as far as they can be checked without an engine."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from es_mappings import index_template, versions
from indexer.elastic.documents import RECORD_FIELDS
from indexer.records import KEYWORD_FIELDS, SCHEMA_VERSION
from tests.conftest import ROOT

FILE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_everything_of_the_stack_has_one_version(compose: Any) -> None:
    tags = {service["image"].partition(":")[2] for service in compose["services"].values()}
    assert tags == {"${STACK_VERSION:-9.5.3}"}


def test_ports_are_open_to_this_machine_only(compose: Any) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_security_is_on_and_no_secret_is_in_the_file(compose: Any) -> None:
    assert compose["services"]["elasticsearch"]["environment"]["xpack.security.enabled"] == "true"
    secrets = [
        value
        for service in compose["services"].values()
        for name, value in service["environment"].items()
        if "PASSWORD" in name
    ]
    assert len(secrets) == 4
    # Without a value compose stops and says which variable to set.
    assert all(re.fullmatch(r"\$\{\w+_PASSWORD:\?set \w+ in \.env\}", secret) for secret in secrets)


def test_kibana_waits_for_a_healthy_server_and_for_its_password(compose: Any) -> None:
    services = compose["services"]
    assert services["kibana"]["depends_on"] == {
        "elasticsearch": {"condition": "service_healthy"},
        "setup": {"condition": "service_completed_successfully"},
    }
    for name in ("elasticsearch", "kibana"):
        assert services[name]["healthcheck"]["retries"] >= 10


def test_data_are_in_named_volumes_and_mounted_files_exist(compose: Any) -> None:
    mounts = [mount for service in compose["services"].values() for mount in service.get("volumes", ())]
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith("./")}
    assert named == set(compose["volumes"])
    assert all((ROOT / mount.split(":")[0]).exists() for mount in mounts if mount.startswith("./"))


def test_the_setup_command_sends_the_password_as_json(compose: Any, tmp_path: Path) -> None:
    """Run as the container would, with a `curl` that writes down its arguments."""
    curl = tmp_path / "curl"
    curl.write_text(
        '#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word"; done > "$(dirname "$0")/words"\n'
    )
    curl.chmod(0o755)
    setup = compose["services"]["setup"]
    command = setup["command"][0].replace("$$", "$")  # compose's own escape
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "ELASTIC_PASSWORD": "e", "KIBANA_PASSWORD": "a b$c"}
    subprocess.run([*setup["entrypoint"], command], env=environment, check=True)
    words = (tmp_path / "words").read_text().splitlines()
    assert json.loads(words[words.index("--data") + 1]) == {"password": "a b$c"}
    assert words[-1].endswith("/_security/user/kibana_system/_password")


@pytest.mark.parametrize("version", versions())
def test_templates_are_strict_and_carry_their_version(version: int) -> None:
    template = index_template(version)
    assert template.version == template.mappings["_meta"]["schema"] == version
    assert template.mappings["dynamic"] == "strict"


def test_the_newest_template_fits_the_records() -> None:
    fields = index_template().fields
    assert index_template().version == SCHEMA_VERSION
    assert set(fields) == {*RECORD_FIELDS, "tokens", "sized_tokens", "token_count", "indexed_at"}
    assert {name for name in (*KEYWORD_FIELDS, "phash") if fields[name] != "keyword"} == set()
    assert index_template().mappings["properties"]["sized_tokens"]["doc_values"] is False
    with pytest.raises(KeyError):
        index_template(99)
