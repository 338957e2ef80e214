"""The command `indexer`: options, what it prints where, exit codes, signals."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from captioner import tokens
from captioner.formats import NAMES
from captioner.tokens import DEFAULT
from indexer import open_index
from indexer.cli import main
from indexer.embedded.draft import EmbeddedDraft
from indexer.records import CaptionRecord, Rejected
from indexer.rejects import write_rejects
from tests.conftest import ROOT
from tests.indexer.fakes import ColourCaptioner, refusing
from tests.indexer.files import write_coco, write_jsonl, write_photo
from tests.indexer.proxy import Proxy

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in an empty folder, with a captioner without a model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAPTION_INDEX", raising=False)
    monkeypatch.setattr("captioner.finding.open_captioner", ColourCaptioner)
    before = signal.getsignal(signal.SIGTERM)

    def invoke(*arguments: object, stdin: str | None = None) -> Result:
        try:
            return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
        finally:
            signal.signal(signal.SIGTERM, before)

    return invoke


def two_captions(tmp_path: Path) -> Path:
    rows = [{"image_id": "a.jpg", "caption": "A dog."}, {"image_id": "b.jpg", "caption": "A cat."}]
    return write_jsonl(tmp_path / "captions.jsonl", *rows)


class TestBuild:
    def test_from_all_kinds_of_sources(self, run: Run, tmp_path: Path) -> None:
        write_coco(tmp_path / "coco.json")
        write_photo(tmp_path / "images" / "000000000009.jpg")
        write_photo(tmp_path / "images" / "COCO_val2014_000000000012.jpg")
        (tmp_path / "captions.txt").write_text("image,caption\n1_a.jpg,A hen .\n")
        write_photo(tmp_path / "mine" / "x.jpg")
        result = run(
            *("build", "--coco", "coco.json", "--images", "images", "--flickr8k", "captions.txt"),
            *("--jsonl", two_captions(tmp_path), "--folder", "mine", "--captions", 2, "--model", "tiny"),
        )
        assert (result.exit_code, result.stderr) == (0, "")
        assert "12 captions added, 0 stored already" in result.stdout
        assert "3 photos captioned" in result.stdout
        with open_index("caption-index") as index:
            held = index.status()
            assert held.sources == {"coco": 7, "flickr8k": 1, "folder": 2, "jsonl": 2}
            assert held.models == {"tiny@12345678": 6}

    def test_an_address_without_http_makes_no_folder(self, run: Run, tmp_path: Path) -> None:
        result = run("build", "--jsonl", two_captions(tmp_path), "--index", "localhost:9200/captions")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: localhost:9200/captions: neither an index URL nor a folder")
        assert not (tmp_path / "localhost:9200").exists()

    def test_json(self, run: Run, tmp_path: Path) -> None:
        report = json.loads(run("build", "--jsonl", two_captions(tmp_path), "--json").stdout)
        assert report["added"] == 2
        assert report["status"]["captions"] == 2

    def test_bad_lines_and_photos_are_named_and_the_exit_code_is_1(self, run: Run, tmp_path: Path) -> None:
        write_photo(tmp_path / "mine" / "good.jpg")
        bad = tmp_path / "mine" / "bad.jpg"
        bad.write_bytes(b"no photo")
        file = tmp_path / "captions.jsonl"
        file.write_text('{"image_id": "a", "caption": "A dog."}\n{"image_id": "b"}\n')
        result = run("build", "--jsonl", file, "--folder", "mine")
        assert result.exit_code == 1
        assert result.stderr.splitlines() == [
            "captions.jsonl: line 2: has no caption",
            f"{bad}: not a photo in a known format ({NAMES})",
        ]
        assert "2 captions added" in result.stdout
        assert "left out: 2 broken" in result.stdout

    def test_pictures_in_other_formats_are_told_of_in_a_line(self, run: Run, tmp_path: Path) -> None:
        for name in ("a.jfif", "b/c.jpg"):
            write_photo(tmp_path / "mine" / name)
        for name in ("d.NEF", "b/e.jxl", "b/._c.jpg"):
            (tmp_path / "mine" / name).write_bytes(b"")
        for command in ("build", "add"):
            result = run(command, "--folder", "mine", "--json")
            assert (result.exit_code, result.stderr.count("\n")) == (0, 1)
            assert "passed over 2 pictures in formats that are not read (1 jxl, 1 nef)" in result.stderr
            report = json.loads(result.stdout)
            assert report["pictures_unread"] == {".jxl": 1, ".nef": 1}
            assert report["status"]["images"] == 2

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "Say what to index"),
            (["--images", "."], "--images belongs to --coco"),
            (["--captions", "0", "--jsonl", "x"], "--captions"),
            (["--analyzer", "klingon/1", "--jsonl", "x"], "--analyzer"),
            (["--retry", "x", "--jsonl", "y"], "--retry"),
            (["--retry", "x", "--analyzer", DEFAULT], "goes without --analyzer"),
            (["--retry", "x", "--keep", "2"], "goes without --keep"),
            (["--keep", "1", "--jsonl", "captions.jsonl"], "Elasticsearch"),
            (["--nonsense"], "No such option"),
        ],
    )
    def test_wrong_usage(self, run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
        two_captions(tmp_path)
        result = run("build", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--coco", "none.json"], "none.json: no such file"),
            (["--coco", "."], ".: is a folder"),
            (["--coco", "captions.jsonl"], "captions.jsonl: is not valid JSON"),
            (["--jsonl", "none.jsonl"], "none.jsonl: no such file"),
            (["--folder", "none"], "none: no such folder"),
            (["--folder", "."], ".: has no photos"),
            (["--scraped", "."], "manifest.jsonl: no such file"),
            (["--flickr8k", "."], "captions.txt: no such file"),
        ],
    )
    def test_one_clear_line_and_the_old_index_stays(
        self, run: Run, tmp_path: Path, arguments: list[str], message: str
    ) -> None:
        run("build", "--jsonl", two_captions(tmp_path))
        result = run("build", *arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert message in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert "captions  2" in " ".join(run("status").stdout.split("\n")).replace("    ", "  ")

    def test_retry_adds_to_the_index_that_is_there(self, run: Run, tmp_path: Path) -> None:
        run("build", "--jsonl", two_captions(tmp_path))
        row = {"reason": "refused", "image_id": "c.jpg", "caption": "A hen."}
        result = run("build", "--retry", write_jsonl(tmp_path / "rejected.jsonl", row))
        assert result.exit_code == 0
        assert "holds 3 captions" in result.stdout

    def test_the_index_from_the_environment(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CAPTION_INDEX", str(tmp_path / "elsewhere"))
        run("build", "--jsonl", two_captions(tmp_path))
        assert (tmp_path / "elsewhere").is_dir()

    def test_an_index_of_an_unknown_analyzer_is_refused_by_add_and_replaced_by_build(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = two_captions(tmp_path)
        with monkeypatch.context() as earlier:
            earlier.setitem(tokens._ANALYZERS, "english/99", tokens.analyzer("seed/1"))
            with open_index("caption-index", create=True) as index, index.draft("key", "english/99") as draft:
                draft.add([CaptionRecord("a.jpg", "A dog.")])
                draft.publish()
        result = run("add", "--jsonl", file)
        assert result.exit_code == 1
        assert "english/99" in result.stderr and "build" in result.stderr
        assert run("build", "--jsonl", file).exit_code == 0
        assert DEFAULT in run("status").stdout


class TestOptions:
    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("--index", " ", "is empty; name a folder, or http"),
            ("--rejects", "nowhere/rejected.jsonl", "nowhere to write into; name another file"),
            ("--rejects", ".", "'--rejects': File '.' is a directory"),
            ("--rejects", "-", "- is no file"),
            ("--rejects", "", "is empty; name a place"),
            ("--folder", "", "'--folder': is empty; name a place"),
            ("--images", "", "'--images': is empty; name a place"),
        ],
    )
    def test_places_that_cannot_be(
        self, run: Run, tmp_path: Path, option: str, value: str, message: str
    ) -> None:
        result = run("build", "--jsonl", two_captions(tmp_path), option, value)
        assert result.exit_code == 2
        assert message in result.stderr
        assert not (tmp_path / "caption-index").exists()

    def test_a_report_that_could_not_be_written_in_the_end(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "locked").mkdir()
        (tmp_path / "locked" / "old.jsonl").touch()  # a new one takes its place, for which the folder counts
        allowed = os.access
        monkeypatch.setattr(
            os, "access", lambda path, mode: path != tmp_path / "locked" and allowed(path, mode)
        )
        result = run("build", "--jsonl", two_captions(tmp_path), "--rejects", "locked/old.jsonl")
        assert result.exit_code == 2
        assert f"no permission to write into {tmp_path / 'locked'}; name another file" in result.stderr
        assert not (tmp_path / "caption-index").exists()

    def test_the_report_goes_home_where_the_folder_is_read_only_and_nobody_named_another(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home, allowed = tmp_path / "home", os.access
        home.mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and allowed(path, mode))
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setattr(EmbeddedDraft, "add", refusing(lambda one: one.caption == "A cat."))
        where = tmp_path / "caption-index"
        result = run("build", "--jsonl", two_captions(tmp_path))
        assert result.exit_code == 1
        rejects = home / "rejected.jsonl"
        assert f"indexer add --retry {rejects} " in result.stderr and "A cat." in rejects.read_text()
        assert where.is_dir() and not (tmp_path / "rejected.jsonl").exists()

    @pytest.mark.parametrize("name", ["captions.jsonl", "coco.json", "captions.txt", "a.jpg", "deep.json"])
    @pytest.mark.parametrize("option", ["--rejects", None])
    def test_no_report_takes_the_place_of_a_source(
        self, run: Run, tmp_path: Path, name: str, option: str | None
    ) -> None:
        two_captions(tmp_path)
        write_coco(tmp_path / "coco.json")
        write_photo(tmp_path / "a.jpg")
        (tmp_path / "captions.txt").write_text("image,caption\n1_a.jpg,A hen .\n")
        (tmp_path / "deep.json").write_text("[" * 100_000)
        file = tmp_path / name
        if option is None:
            file = file.rename(tmp_path / "rejected.jsonl")
        before = file.read_bytes()
        source = file if name == "captions.jsonl" else write_jsonl(tmp_path / "other", {"image_id": "a"})
        result = run("build", "--jsonl", source, *([option, file] if option else []))
        assert result.exit_code == 2
        assert "and would be lost; name another file, or delete it first" in result.stderr
        assert file.read_bytes() == before

    def test_a_report_takes_the_place_of_an_earlier_one(self, run: Run, tmp_path: Path) -> None:
        rejects = tmp_path / "old.jsonl"
        write_rejects(rejects, [Rejected(CaptionRecord("a.jpg", "A dog."), "refused")])
        for file in (rejects, tmp_path / "new.jsonl", "/dev/null"):
            assert run("build", "--jsonl", two_captions(tmp_path), "--rejects", file).exit_code == 0
        assert run("add", "--retry", rejects, "--rejects", rejects).exit_code == 0


class TestAdd:
    def test_add(self, run: Run, tmp_path: Path) -> None:
        run("build", "--jsonl", two_captions(tmp_path))
        result = run("add", "--coco", write_coco(tmp_path / "coco.json"))
        assert result.exit_code == 0
        assert "3 captions added" in result.stdout

    def test_there_must_be_an_index(self, run: Run, tmp_path: Path) -> None:
        result = run("add", "--jsonl", two_captions(tmp_path))
        assert result.exit_code == 1
        in_python = "or in Python with open_index(..., create=True)"
        assert f"no index there; make one with `indexer build`, {in_python}\n" in result.stderr
        assert not (tmp_path / "caption-index").exists()

    def test_a_first_build_that_is_not_done_is_told(self, run: Run, tmp_path: Path) -> None:
        with open_index("caption-index", create=True) as index, index.draft("key"):
            for command in (["status"], ["add", "--jsonl", two_captions(tmp_path)]):
                result = run(*command)
                assert result.exit_code == 1
                assert "no index there yet, only the draft of a build; wait until it is done" in result.stderr

    def test_one_of_a_thing_is_told_as_one(self, run: Run, tmp_path: Path) -> None:
        for name in ("a.png", "b.png"):
            write_photo(tmp_path / "mine" / name)
        run("build", "--folder", "mine")
        (tmp_path / "mine" / "b.png").unlink()
        write_jsonl(tmp_path / "one.jsonl", {"image_id": "x.jpg", "caption": "A dog."})
        lines = run("add", "--folder", "mine", "--jsonl", "one.jsonl").stdout.splitlines()
        assert lines[0].startswith("1 caption added, ")
        assert lines[2].startswith(
            f"1 photo of {tmp_path / 'mine'} is gone and still in the index; to take it out: "
        )
        run("build", "--jsonl", "one.jsonl")
        last = run("add", "--jsonl", "one.jsonl").stdout.splitlines()[-1]
        assert last.startswith("caption-index holds 1 caption of 1 image (")
        size = next(line for line in run("status").stdout.splitlines() if line.startswith("size"))
        assert size.endswith(" kB") and not size.endswith(" 0.0 kB")

    def test_another_analyzer_is_refused(self, run: Run, tmp_path: Path) -> None:
        run("build", "--jsonl", two_captions(tmp_path), "--analyzer", "seed/1")
        result = run("add", "--jsonl", two_captions(tmp_path), "--analyzer", DEFAULT)
        assert result.exit_code == 1
        assert "was made by the analyzer seed/1" in result.stderr


class TestDelete:
    def test_by_name_and_from_a_list(self, run: Run, tmp_path: Path) -> None:
        run("build", "--jsonl", two_captions(tmp_path), "--coco", write_coco(tmp_path / "coco.json"))
        result = run("delete", "a.jpg", "--from", "-", stdin="000000000009.jpg\n\n")
        assert (result.exit_code, result.stdout) == (0, "deleted 3 captions of 2 images\n")
        assert "holds" not in result.stderr

    @pytest.mark.parametrize("named", ["ids.txt", "-"])
    def test_a_byte_order_mark_is_no_part_of_a_name(self, named: str, run: Run, tmp_path: Path) -> None:
        run("build", "--jsonl", two_captions(tmp_path))
        (tmp_path / "ids.txt").write_text("a.jpg\n", "utf-8-sig")
        result = run("delete", "--from", named, stdin="\ufeffa.jpg\n")
        assert (result.exit_code, result.stdout) == (0, "deleted 1 caption of 1 image\n")

    def test_blanks_of_a_listed_name_are_part_of_it(self, run: Run, tmp_path: Path) -> None:
        name = " lead and trail .jpg "
        (tmp_path / "c.jsonl").write_text(json.dumps({"image_id": name, "caption": "a dog"}))
        run("build", "--jsonl", "c.jsonl")
        (tmp_path / "ids.txt").write_bytes(f"{name}\r\n \r\n".encode())
        result = run("delete", "--from", "ids.txt")
        assert (result.exit_code, result.stdout) == (0, "deleted 1 caption of 1 image\n")

    def test_images_that_are_not_there_are_named(self, run: Run, tmp_path: Path) -> None:
        run("build", "--jsonl", two_captions(tmp_path))
        result = run("delete", "a.jpg", "none.jpg")
        assert result.exit_code == 1
        assert result.stdout == "deleted 1 caption of 1 image\n"
        assert result.stderr == "none.jpg: no such image in caption-index/\n"

    def test_of_a_file_its_image_is_named(self, run: Run, tmp_path: Path) -> None:
        write_photo(tmp_path / "mine" / "my cat.png")
        write_photo(tmp_path / "other" / "x.png")
        run("build", "--folder", "mine")
        for given, told in (
            ("mine/my cat.png", "; the image of this file is 'my cat.png'"),
            (tmp_path / "other" / ".." / "mine" / "my cat.png", "; the image of this file is 'my cat.png'"),
            ("other/x.png", ""),
            ("mine", ""),
        ):
            result = run("delete", given)
            assert (result.exit_code, result.stdout) == (1, "deleted 0 captions of 0 images\n")
            assert result.stderr == f"{given}: no such image in caption-index/{told}\n"
        assert run("delete", "my cat.png").exit_code == 0

    def test_names_with_odd_bytes_are_no_fault_of_the_program(self, run: Run, tmp_path: Path) -> None:
        run("build", "--jsonl", two_captions(tmp_path))
        (tmp_path / "ids.txt").write_bytes(b"odd\xff\x1b[31m\n")
        result = run("delete", "--from", tmp_path / "ids.txt")
        assert result.exit_code == 1
        assert result.stderr.startswith("odd\\udcff\\x1b[31m: no such image in ")

    def test_photos_that_are_gone(self, run: Run, tmp_path: Path) -> None:
        write_photo(tmp_path / "mine" / "2020" / "a.jpg")
        write_photo(tmp_path / "mine" / "b.jpg")
        run("build", "--folder", "mine")
        (tmp_path / "mine" / "2020").rename(tmp_path / "mine" / "2021")
        added = run("add", "--folder", "mine")
        command = f"indexer delete --gone {tmp_path / 'mine'} --index caption-index"
        assert added.exit_code == 0 and added.stdout.splitlines()[-2].endswith(command)
        assert json.loads(run("add", "--folder", "mine", "--json").stdout)["photos_gone"] == 1
        result = run(*command.split()[1:])
        assert (result.exit_code, result.stdout) == (0, "deleted 1 caption of 1 image\n")
        result = run("delete", "b.jpg", "--gone", "mine")
        assert (result.exit_code, result.stdout) == (0, "deleted 1 caption of 1 image\n")
        assert json.loads(run("status", "--json").stdout)["images"] == 1

    def test_a_folder_that_the_index_knows_nothing_of_is_named(self, run: Run, tmp_path: Path) -> None:
        write_photo(tmp_path / "mine" / "a.jpg")
        run("build", "--folder", "mine")
        (tmp_path / "mine" / "a.jpg").unlink()
        result = run("delete", "--gone", "mien", "--gone", "other/../mine")
        assert (result.exit_code, result.stdout) == (1, "deleted 1 caption of 1 image\n")
        assert result.stderr == "mien: no caption in caption-index/ has a photo in this folder\n"

    def test_folders_in_each_other_are_told_of_together(self, run: Run, tmp_path: Path) -> None:
        write_photo(tmp_path / "mine" / "2020" / "a.jpg")
        run("build", "--folder", "mine")
        (tmp_path / "mine" / "2020" / "a.jpg").unlink()
        result = run("delete", "--gone", "mine", "--gone", "mine/2020", "--gone", "mine")
        assert (result.exit_code, result.stdout) == (0, "deleted 1 caption of 1 image\n")

    def test_an_empty_folder_name_is_not_the_current_folder(self, run: Run, tmp_path: Path) -> None:
        write_photo(tmp_path / "mine" / "a.jpg")
        run("build", "--folder", "mine")
        (tmp_path / "mine" / "a.jpg").unlink()
        result = run("delete", "--gone", "")
        assert result.exit_code == 2 and "--gone" in result.stderr and "is empty" in result.stderr
        assert json.loads(run("status", "--json").stdout)["images"] == 1

    def test_nothing_to_delete_is_wrong_usage(self, run: Run) -> None:
        assert run("delete").exit_code == 2


class TestStatus:
    def test_for_people_and_for_programs(self, run: Run, tmp_path: Path) -> None:
        run("build", "--jsonl", two_captions(tmp_path))
        rows = dict(line.split(None, 1) for line in run("status").stdout.splitlines())
        assert (rows["engine"], rows["captions"], rows["sources"]) == ("embedded", "2", "jsonl 2")
        held = json.loads(run("status", "--json").stdout)
        assert (held["captions"], held["images"], held["analyzer"]) == (2, 2, DEFAULT)

    def test_a_sound_index_is_called_so(self, run: Run, tmp_path: Path) -> None:
        run("build", "--jsonl", two_captions(tmp_path))
        result = run("status", "--check")
        assert (result.exit_code, result.stderr) == (0, "checked: sound\n")
        held = json.loads(run("status", "--check", "--json").stdout)
        assert (held["captions"], held["checked"], held["damage"]) == (2, "sound", [])
        assert json.loads(run("status", "--json").stdout).keys() == held.keys() - {"checked", "damage"}

    def test_a_damaged_index_is_told_of(self, run: Run, tmp_path: Path) -> None:
        run("build", "--jsonl", two_captions(tmp_path))
        files = [path for path in (tmp_path / "caption-index").rglob("*") if path.is_file()]
        largest = max(files, key=lambda path: path.stat().st_size)
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 0xFF
        largest.write_bytes(content)
        result = run("status", "--check")
        assert result.exit_code == 1
        assert largest.name in result.stderr
        result = run("status", "--check", "--json")
        held = json.loads(result.stdout)
        assert (result.exit_code, held["checked"]) == (1, "damaged")
        assert any(largest.name in line for line in held["damage"])
        (tmp_path / "caption-index" / "manifest.json").write_text("{")
        assert run("status", "--json").stdout == ""
        result = run("status", "--check", "--json")
        held = json.loads(result.stdout)
        assert (result.exit_code, held["checked"], len(held["damage"])) == (1, "damaged", 1)
        assert held.keys() == {"where", "checked", "damage"}

    def test_no_index(self, run: Run) -> None:
        result = run("status")
        assert (result.exit_code, result.stdout) == (1, "")
        assert len(result.stderr.splitlines()) == 1


class TestDownload:
    def test_the_places_and_the_next_command_are_told(self, run: Run, tmp_path: Path) -> None:
        # Everything is there already, so nothing is asked of any server.
        write_coco(tmp_path / "captions_val2017.json")
        (tmp_path / "my coco" / "annotations").mkdir(parents=True)
        (tmp_path / "my coco" / "val2017").mkdir()
        (tmp_path / "captions_val2017.json").rename(tmp_path / "my coco/annotations/captions_val2017.json")
        result = run("download", "coco-val2017", "-o", "my coco", "--address", "http://127.0.0.1:1")
        assert result.exit_code == 0
        assert result.stdout == "my coco/annotations/captions_val2017.json\nmy coco/val2017\n"
        command = shlex.split(result.stderr.removeprefix("next: indexer "))
        assert "3 captions added" in run(*command).stdout

    @pytest.mark.parametrize(
        "command", [["download", "coco-val2017"], ["scrape", "a dog", "--contact", "me@example.org"]]
    )
    def test_a_file_is_no_folder_to_put_things_in(self, run: Run, tmp_path: Path, command: list[str]) -> None:
        result = run(*command, "-o", two_captions(tmp_path))
        assert result.exit_code == 2
        assert "captions.jsonl' is a file" in result.stderr

    def test_a_server_that_is_not_there(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("indexer.download.TRIES", 1)
        result = run("download", "coco-val2017", "--address", "http://127.0.0.1:1")
        assert result.exit_code == 1
        assert "run the same command again" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_rollback_to_an_empty_name_is_wrong_usage(run: Run) -> None:
    result = run("rollback", "--index", "http://localhost:1/captions", "--to", "")
    assert result.exit_code == 2 and "--to is empty" in result.stderr


def test_rollback_and_migrate_are_for_elasticsearch(run: Run) -> None:
    for command in ("rollback", "migrate"):
        assert "folder" not in run(command, "--help").stdout
        result = run(command)
        assert result.exit_code == 2
        assert "Elasticsearch" in result.stderr


@pytest.mark.elasticsearch
def test_rollback_goes_back_to_the_index_before(
    run: Run, tmp_path: Path, elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = f"{elasticsearch_url}/test-cli-{os.getpid()}"
    try:
        run("build", "--jsonl", two_captions(tmp_path), "--index", where, "--analyzer", "words/1")
        built = run("build", "--coco", write_coco(tmp_path / "c.json"), "--index", where, "--keep", 2)
        assert "holds 3 captions" in built.stdout
        with monkeypatch.context() as other_version:
            other_version.delitem(tokens._ANALYZERS, DEFAULT)
            assert run("status", "--index", where).exit_code == 1
            assert run("rollback", "--index", where).exit_code == 0
        assert json.loads(run("status", "--json", "--index", where).stdout)["captions"] == 2
        migrated = run("migrate", "--index", where)
        assert (migrated.exit_code, "nothing was done" in migrated.stdout) == (0, True)
        assert json.loads(run("status", "--json", "--index", where).stdout)["captions"] == 2
    finally:
        from tests.conftest import remove_indices

        remove_indices(elasticsearch_url, where.rpartition("/")[2])


def test_every_command_has_help(run: Run) -> None:
    for name in ("build", "add", "delete", "export", "status", "download", "rollback", "migrate", "scrape"):
        result = run(name, "--help")
        assert result.exit_code == 0
        assert f"{name} [OPTIONS]" in result.stdout


# --- a process of its own

_SLOW = """
import signal, sys
from captioner import finding
from tests.indexer.proxy import Proxy
from tests.indexer.fakes import ColourCaptioner

class Waits(ColourCaptioner):
    def stream(self, photos, **options):
        for number, result in enumerate(super().stream(photos, **options)):
            if number == 2:
                print("waiting", flush=True)
                signal.pause()
            yield result

finding.open_captioner = Waits
from indexer.cli import main
from indexer.records import CaptionRecord
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_draft_to_go_on_with(run: Run, tmp_path: Path, number: signal.Signals) -> None:
    for name in "abcd":
        write_photo(tmp_path / "photos" / f"{name}.jpg")
    run("build", "--jsonl", two_captions(tmp_path))
    arguments = ["build", "--folder", str(tmp_path / "photos")]
    command = subprocess.Popen(
        [sys.executable, "-c", _SLOW, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    assert command.stdout.readline() == "waiting\n"
    command.send_signal(number)
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (130, "")
    assert err == (
        "interrupted: what was stored is kept; the same command goes on; "
        "until it is done, searches of caption-index/ see none of it\n"
    )
    assert json.loads(run("status", "--json").stdout)["sources"] == {"jsonl": 2}
    result = run(*arguments)
    assert "2 photos captioned, 2 had their caption already" in result.stdout
    assert json.loads(run("status", "--json").stdout)["sources"] == {"folder": 4}


def interrupted(*_: object) -> ColourCaptioner:
    raise KeyboardInterrupt


def test_an_interrupted_first_build_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photo(tmp_path / "photos" / "a.jpg")
    monkeypatch.setattr("captioner.finding.open_captioner", interrupted)
    result = run("build", "--folder", "photos")
    assert result.exit_code == 130
    assert result.stderr.startswith("interrupted: ")
    assert result.stderr.endswith("searches of caption-index/ see none of it\n")
    assert not (tmp_path / "caption-index").exists()


@pytest.mark.elasticsearch
def test_what_an_interrupted_build_says_costs_no_question_to_a_server(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: Proxy, proxied: str
) -> None:
    asked: list[int] = []

    def press(*_: object) -> ColourCaptioner:
        asked.append(len(proxy.requests))
        raise KeyboardInterrupt

    def looks() -> list[str]:
        return [path for path in proxy.requests[asked[-1] :] if "lock" not in path]

    write_photo(tmp_path / "photos" / "a.jpg")
    monkeypatch.setattr("captioner.finding.open_captioner", press)
    result = run("build", "--folder", "photos", "--index", proxied)
    assert (result.exit_code, looks()) == (130, [])
    run("build", "--jsonl", two_captions(tmp_path), "--index", proxied)
    result = run("build", "--folder", "photos", "--index", proxied)
    assert result.stderr.endswith(f"searches of {proxied} see none of it\n")
    assert (len(asked), looks()) == (2, [])


def test_a_reader_that_leaves_early_gets_no_traceback(run: Run, tmp_path: Path) -> None:
    run("build", "--jsonl", two_captions(tmp_path))
    reading, writing = os.pipe()
    os.close(reading)
    command = subprocess.run(
        [sys.executable, "-m", "indexer.cli", "status"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (command.returncode, command.stderr) == (141, "")


def test_captions_are_indexed_without_torch_and_without_elasticsearch(tmp_path: Path) -> None:
    script = (
        "import sys; from indexer.cli import main; main(sys.argv[1:], standalone_mode=False);"
        "print([name for name in ('torch', 'elasticsearch', 'matplotlib') if name in sys.modules])"
    )
    arguments = [
        "build",
        "--jsonl",
        str(two_captions(tmp_path)),
        "--coco",
        str(write_coco(tmp_path / "c.json")),
    ]
    command = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CAPTION_INDEX": str(tmp_path / "index")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert command.stdout.splitlines()[-1] == "[]"
