"""`indexer scrape`: what it reads, prints and answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from indexer.cli import main
from indexer.embedded.draft import EmbeddedDraft
from indexer.index import open_index
from indexer.origins import with_beam
from indexer.scrape import command
from indexer.scrape.data_set import scraped_photos
from tests.indexer.fakes import ColourCaptioner, refusing
from tests.indexer.scrape.apis import Apis, Picture
from tests.indexer.scrape.pictures import jpeg
from tests.indexer.scrape.site import Answer, Site

pytestmark = pytest.mark.usefixtures("kept_examiners")

CONTACT = ("--contact", "mailto:tests@example.org")
LOCAL = (*CONTACT, "--allow-network", "127.0.0.1", "--delay", "0", "--per-host", "8")


def _run(*arguments: str, env: dict[str, str] | None = None, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["scrape", *arguments], env=env, input=stdin)


def test_queries_from_arguments_and_a_file(site: Site, tmp_path: Path) -> None:
    apis = Apis(site)
    for start, query in enumerate(("cats", "dogs")):
        urls = [site.photo(f"/{query}/{number}.jpg", jpeg(2 * number + start)) for number in range(3)]
        apis.pictures[query] = [Picture(url, f"{query} {url[-5]}") for url in urls]
    queries = tmp_path / "queries.txt"
    queries.write_text("dogs \n\n", "utf-8-sig")  # with a byte order mark
    folder = tmp_path / "photos"
    arguments = ("cats", "--queries", str(queries), "--provider", "wikimedia", "-o", str(folder), *LOCAL)
    result = _run(*arguments, env=apis.environment())
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["provider", "found", "downloaded", "duplicate", "skipped", "failed"]
    assert lines[1].split() == ["wikimedia", "6", "6", "0", "0", "0"]
    assert f"next: indexer build --scraped {folder}" in result.stderr
    assert len(list(folder.glob("images/*/*.jpg"))) == 6
    again = _run(*arguments, env=apis.environment())
    assert again.exit_code == 0, again.output
    assert len(list(folder.glob("images/*/*.jpg"))) == 6


def test_failures_for_good_are_counted_and_fail_nothing(site: Site, tmp_path: Path) -> None:
    good, bad = site.photo("/x.jpg", jpeg(1)), site.url("/missing.jpg")
    folder = tmp_path / "photos"
    for ended, told in (("1  failed: not-found", True), ("2 known already", False)):
        result = _run(good, bad, "--provider", "urls", "-o", str(folder), *LOCAL)
        assert result.exit_code == 0, result.output
        assert ended in result.stdout
        assert result.stderr == (f"next: indexer build --scraped {folder}\n" if told else "")


def test_two_spellings_of_an_address_are_one_that_is_known_already(site: Site, tmp_path: Path) -> None:
    url = site.photo("/x.jpg", jpeg(1))
    result = _run(url, f"{url}#top", "--provider", "urls", "-o", str(tmp_path / "photos"), *LOCAL)
    assert result.exit_code == 0, result.output
    assert ", 1 known already\n" in result.stdout


def test_a_folder_of_other_files_is_left_alone(site: Site, tmp_path: Path) -> None:
    mine = tmp_path / "pics"
    mine.mkdir()
    (mine / "holiday.jpg").write_bytes(jpeg(1))
    result = _run(site.photo("/x.jpg", jpeg(2)), "--provider", "urls", "-o", str(mine), *LOCAL)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: {mine}: holds other files (holiday.jpg) and no manifest.jsonl of a scrape; "
        "name a new or an empty folder\n"
    )
    assert [path.name for path in mine.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize("holds", [None, ".DS_Store", "excluded.txt"])
def test_a_run_that_finds_nothing_leaves_nothing(holds: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    if holds:
        folder.mkdir()
        (folder / holds).write_text("")
    for query, why in (
        (str(tmp_path / "missing.txt"), "No such file or directory"),
        ("ftp://x/y.jpg", "not a web address, which begins with http:// or https://"),
    ):
        result = _run(query, "--provider", "urls", "-o", str(folder), *LOCAL)
        assert result.exit_code == 1
        assert f"Error: {folder}: holds no photo ({query}: {why})" in result.stderr
        assert [path.name for path in tmp_path.rglob("*")] == ([folder.name, holds] if holds else [])


def test_failures_that_may_pass_are_told_in_one_line(site: Site, tmp_path: Path) -> None:
    site.pages["/busy.jpg"] = Answer(status=429, headers={"Retry-After": "1000"})
    arguments = ("--provider", "urls", "-o", str(tmp_path / "photos"), *LOCAL)
    assert _run(site.photo("/x.jpg", jpeg(1)), *arguments).exit_code == 0
    result = _run(site.url("/busy.jpg"), *arguments)
    assert result.exit_code == 1
    assert result.stderr == "1 photo could not be had for now; the same command asks again\n"
    site.photo("/busy.jpg", jpeg(2))
    assert _run(site.url("/busy.jpg"), *arguments).exit_code == 0


def test_that_the_same_command_asks_again_is_told_also_where_nothing_could_be_had_at_all(
    site: Site, tmp_path: Path
) -> None:
    site.pages["/busy.jpg"] = Answer(status=429, headers={"Retry-After": "1000"})
    missing = tmp_path / "missing.txt"
    for name, query, left, why in (
        ("busy", site.url("/busy.jpg"), "1 photo could not be had for now", "rate-limited"),
        ("none", str(missing), "1 query was not answered", f"{missing}: No such file or directory"),
    ):
        folder = tmp_path / name
        result = _run(query, "--provider", "urls", "-o", str(folder), *LOCAL)
        assert result.exit_code == 1
        assert result.stderr.splitlines() == [
            f"{left}; the same command asks again",
            f"Error: {folder}: holds no photo ({why})",
        ]


def test_queries_without_an_answer_are_told_in_one_line(site: Site, tmp_path: Path) -> None:
    missing, folder = str(tmp_path / "missing.txt"), tmp_path / "photos"
    good = site.photo("/x.jpg", jpeg(1))
    result = _run(good, missing, "--provider", "urls", "-o", str(folder), *LOCAL)
    assert result.exit_code == 1
    assert "missing.txt: No such file" in result.stdout
    assert result.stderr.splitlines() == [
        "1 query was not answered; the same command asks again",
        f"next: indexer build --scraped {folder}",
    ]


def test_no_photo_at_all_is_an_error_each_time(site: Site, tmp_path: Path) -> None:
    folder, where = tmp_path / "photos", tmp_path / "index"
    arguments = ("--provider", "urls", "-o", str(folder), "--index", str(where), *LOCAL)
    for why in ("not-found", "nothing new was found"):
        result = _run(site.url("/missing.jpg"), *arguments)
        assert result.exit_code == 1
        assert result.stderr == f"Error: {folder}: holds no photo ({why})\n"
        assert not where.exists()


def test_what_fails_for_good_leaves_the_index_whole(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "loader", lambda model: ColourCaptioner)
    good, bad, where = site.photo("/x.jpg", jpeg(1)), site.url("/missing.jpg"), str(tmp_path / "index")
    place = ("-o", str(tmp_path / "photos"), "--index", where)
    result = _run(good, bad, "--provider", "urls", *place, *LOCAL)
    assert result.exit_code == 0, result.output
    with open_index(where) as index:
        assert index.status().images == 1


def test_a_list_of_addresses_is_the_same_as_query_and_as_file_of_queries(site: Site, tmp_path: Path) -> None:
    listed, url = tmp_path / "list.txt", site.photo("/x.jpg", jpeg(1))
    listed.write_text(f"# mine\n{url}\tA grey  cat\r\n\n", "utf-8")
    for name, given in (("query", [str(listed)]), ("file", ["--queries", str(listed)])):
        result = _run(*given, "--provider", "urls", "-o", str(tmp_path / name), *LOCAL)
        assert result.exit_code == 0, result.output
        (record,) = scraped_photos(tmp_path / name)
        assert record.title == "A grey cat"
    assert set(site.paths()) == {"/x.jpg"}


def test_a_file_that_is_no_list_of_addresses(tmp_path: Path) -> None:
    (tmp_path / "mk.py").write_text("import os\nprint(os.name)\n")
    result = _run(str(tmp_path / "mk.py"), "--provider", "urls", "-o", str(tmp_path / "photos"), *LOCAL)
    assert result.exit_code == 1
    assert "mk.py: holds no web address (a list has one a line, " in result.stdout


def test_what_was_not_answered_is_told_on_lines_that_move_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "li\x07st\nof"
    folder.mkdir()
    result = _run(str(folder), "--provider", "urls", "-o", str(tmp_path / "photos"), *LOCAL)
    assert result.exit_code == 1
    assert "li\\x07st\\nof: is no ordinary file" in result.stdout and "\x07" not in result.output


def test_what_the_index_refuses_is_kept_and_can_be_tried_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apis = Apis(site)
    apis.pictures["cats"] = [Picture(site.photo("/x.jpg", jpeg(1)), "A cat of a kind")]
    folder, where = tmp_path / "photos", tmp_path / "in\x07dex"
    monkeypatch.setattr(command, "loader", lambda model: ColourCaptioner)
    with monkeypatch.context() as patched:
        patched.setattr(EmbeddedDraft, "add", refusing(lambda one: one.kind == "title"))
        arguments = ("cats", "--provider", "wikimedia", "-o", str(folder), "--index", str(where), *LOCAL)
        result = _run(*arguments, env=apis.environment())
    assert result.exit_code == 1
    assert "1 refused by the index" in result.stdout and "\x07" not in result.output
    rejects = folder / "rejected.jsonl"
    assert f"1 caption was refused; to try it again: indexer add --retry {rejects} " in result.stderr
    again = CliRunner().invoke(main, ["add", "--retry", str(rejects), "--index", str(where)])
    assert again.exit_code == 0, again.output
    with open_index(str(where)) as index:
        assert index.status().kinds == {"generated": 1, "title": 1}


def test_photos_are_captioned_for_the_index_as_a_build_would(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "loader", lambda model: lambda: ColourCaptioner(model))
    photos, where = str(tmp_path / "photos"), str(tmp_path / "index")
    captioning = ("--model", "mine", "--beam", "5", "--captions", "2")
    arguments = ("--provider", "urls", "-o", photos, "--index", where, *captioning, *LOCAL)
    result = _run(site.photo("/x.jpg", jpeg(1)), *arguments)
    assert result.exit_code == 0, result.output
    with open_index(where) as index:
        status = index.status()
    assert status.kinds == {"generated": 2}
    assert list(status.models) == [with_beam(ColourCaptioner("mine").identity, 5)]


@pytest.mark.parametrize("option", [("--model", "default"), ("--beam", "3"), ("--captions", "1")])
def test_how_to_caption_without_an_index_is_wrong_usage(option: tuple[str, str]) -> None:
    result = _run("cats", *option, *CONTACT)
    assert result.exit_code == 2
    assert f"{option[0]} belongs to --index; without it no photo is captioned." in result.stderr


def test_what_is_skipped_on_purpose_is_no_failure(site: Site, tmp_path: Path) -> None:
    given = (site.photo("/x.jpg", jpeg(1)), "http://10.0.0.1/")
    result = _run(*given, "--provider", "urls", "-o", str(tmp_path / "photos"), *LOCAL)
    assert result.exit_code == 0, result.output
    assert "1  skipped: private-address" in result.stdout
    assert "--allow-network" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cats",), "SCRAPE_CONTACT"),
        (
            ("cats", "--contact", "nobody"),
            "'nobody' is not an http(s):// or mailto: URL, or an e-mail address",
        ),
        (CONTACT, "Say what to look for"),
        (("odd\udcff", *CONTACT), r"odd\udcff: a query is text in UTF-8"),
        (("cats", *CONTACT, "--provider", "bing"), "'bing' is not one of"),
        (("cats", *CONTACT, "--allow-network", "x"), "no address or network"),
        (("cats", *CONTACT, "--per-query", "0"), "per-query"),
        (("cats", *CONTACT, "--index", ""), "is empty; name a folder"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str) -> None:
    result = _run(*arguments, env={"SCRAPE_CONTACT": ""})
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_missing_key_is_one_clear_line(tmp_path: Path) -> None:
    result = _run(
        "cats", *CONTACT, "--provider", "google", "-o", str(tmp_path / "x"), env={"GOOGLE_API_KEY": ""}
    )
    assert result.exit_code == 1
    assert result.stderr == "Error: provider google needs a key: set GOOGLE_API_KEY in the environment\n"
    assert not (tmp_path / "x").exists()


def test_a_wrong_endpoint_is_one_line_that_names_its_variable(tmp_path: Path) -> None:
    environment = {"FLICKR_API_KEY": "flickr-secret", "FLICKR_ENDPOINT": "http://api.example.org/"}
    result = _run("cats", *CONTACT, "--provider", "flickr", "-o", str(tmp_path / "x"), env=environment)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: FLICKR_ENDPOINT: only https:// is allowed")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()
