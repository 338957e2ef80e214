"""What the tests need beside Python is named, and installed where that is possible."""

from __future__ import annotations

from pathlib import Path

import pytest
import system_packages

from es_server import distribution

JDK = "a JDK of 21 or newer"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with Python alone, whose user may install nothing."""
    monkeypatch.delenv("ELASTICSEARCH_URL", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(distribution, "_java_homes", lambda: iter(()))
    return monkeypatch


def test_all_that_is_missing_is_named(bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert system_packages.main() == 1
    assert capsys.readouterr().err == (
        f"the tests need Chromium, Maven, {JDK}: install chromium, maven, openjdk-21-jdk-headless\n"
    )


def test_an_older_jdk_is_none(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setattr(distribution, "_java_homes", lambda: iter([tmp_path]))
    bare.setattr(distribution, "_java_version", lambda home: 17)
    assert JDK in system_packages.missing()
    bare.setattr(distribution, "_java_version", lambda home: 25)
    assert list(system_packages.missing()) == ["Chromium", "Maven"]


def test_a_given_server_needs_neither_maven_nor_jdk(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:9200")
    assert list(system_packages.missing()) == ["Chromium"]


def test_what_apt_does_not_have_is_named(
    bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Debian 12 has no JDK that is new enough; the other programs are installed all the same."""
    there = {"apt-get"}

    def apt(command: list[str], **options: object) -> None:
        there.update({"chromium": ["chromium"], "maven": ["mvn"]}.get(command[-1], []))

    bare.setattr("shutil.which", lambda name: name if name in there else None)
    bare.setattr("os.geteuid", lambda: 0)
    bare.setattr("subprocess.run", apt)
    assert system_packages.main() == 1
    assert capsys.readouterr().err.splitlines() == [
        f"installing Chromium, Maven, {JDK} with apt-get",
        f"the tests need {JDK}: install openjdk-21-jdk-headless",
    ]
