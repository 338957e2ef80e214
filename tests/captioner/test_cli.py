"""`captioner caption`: what it prints, where, in which order, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from captioner.cli import main
from captioner.tokens import analyzer
from tests.captioner.worlds import COLOURS, tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos 0.png to 5.png, one of them below, and a file that is no photo."""
    place = tmp_path / "photos"
    (place / "sub").mkdir(parents=True)
    for number, colour in enumerate(COLOURS):
        name = f"sub/{number}.png" if number == 5 else f"{number}.png"
        Image.new("RGB", (40, 30), colour).save(place / name)
    (place / "notes.txt").write_text("no photo")
    return place


def run(*arguments: object, model: Path | None = None) -> Result:
    options = ["--model", str(model), "--device", "cpu"] if model else []
    return CliRunner().invoke(main, ["caption", *map(str, arguments), *options])


def names(lines: Sequence[str]) -> list[str]:
    return [Path(line.split("\t")[0]).name for line in lines]


def test_captions_are_printed_in_the_order_given(model: Path, folder: Path) -> None:
    order = [3, 0, 4, 0]
    result = run(*(folder / f"{number}.png" for number in order), model=model)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0 and result.stderr == ""
    assert names(lines) == [f"{number}.png" for number in order]
    assert lines[1] == lines[3] and all(line.split("\t")[1] for line in lines)


def test_a_folder_gives_all_its_photos(model: Path, folder: Path) -> None:
    result = run(folder, model=model)
    assert names(result.stdout.splitlines()) == [f"{number}.png" for number in range(6)]


def test_a_folder_without_photos_is_an_error(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / "empty", model=model)
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith(f"Error: {tmp_path / 'empty'}: has no photos (bmp, ")


def test_pictures_in_other_formats_are_told_of_in_a_line(model: Path, folder: Path) -> None:
    for name in ("6.psd", "7.PSD", "sub/8.svg", "._0.png"):
        (folder / name).write_bytes(b"")
    line = "passed over 3 pictures in formats that are not read (2 psd, 1 svg): convert them to JPEG\n"
    result = run(folder, model=model)
    assert (result.exit_code, result.stderr) == (0, line)
    assert len(result.stdout.splitlines()) == 6
    compared = CliRunner().invoke(main, ["compare", str(folder), "--models", str(model), "--device", "cpu"])
    assert (compared.exit_code, compared.stderr) == (0, line)


def test_one_bad_photo_gets_a_line_and_the_rest_go_on(model: Path, folder: Path) -> None:
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:60])
    result = run(folder, model=model)
    assert result.exit_code == 1
    assert names(result.stdout.splitlines()) == ["0.png", "1.png", "3.png", "4.png", "5.png"]
    assert result.stderr.startswith(f"Error: {folder / '2.png'}: damaged") and result.stderr.count("\n") == 1


def test_json_lines(model: Path, folder: Path) -> None:
    missing = folder / "none.png"
    result = run(folder / "0.png", missing, folder / "1.png", "--json", model=model)
    first, bad, last = map(json.loads, result.stdout.splitlines())
    assert result.exit_code == 1
    assert list(first) == ["image", "caption", "tokens", "score", "model"]
    assert first["image"] == str(folder / "0.png") and last["image"] == str(folder / "1.png")
    assert first["tokens"] == sorted(analyzer()(first["caption"]))
    assert first["score"] < 0 and first["model"].startswith("tiny@")
    assert bad == {"image": str(missing), "error": f"{missing}: no such file"}


def test_several_captions_are_a_line_each(model: Path, folder: Path) -> None:
    result = run(folder / "0.png", folder / "1.png", "--captions", 3, "--json", model=model)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(row["image"]).name for row in rows] == ["0.png"] * 3 + ["1.png"] * 3
    assert [row["score"] for row in rows[:3]] == sorted((row["score"] for row in rows[:3]), reverse=True)


#: A name in Latin-1, and one that would start a line and a colour of its own.
_LATIN, _EVIL = os.fsdecode(b"M\xfcnchen.png"), "ev\nil\t\x1b[31m.png"


def odd_names(folder: Path) -> Path:
    """Two photos, and two that are damaged, by names that no terminal can take as they are."""
    for name in (_LATIN, _EVIL):
        Image.new("RGB", (40, 30), "red").save(folder / name, "PNG")
        (folder / f"bad {name}").write_bytes(b"no photo")
    return folder


def strict_terminal(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    return subprocess.run(
        [sys.executable, "-m", "captioner.cli", *arguments, "--device", "cpu"],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_odd_names_stay_on_their_line_and_end_nothing(model: Path, tmp_path: Path) -> None:
    folder = odd_names(tmp_path)
    result = strict_terminal("caption", str(folder), "--model", str(model))
    lines, errors = result.stdout.splitlines(), result.stderr.splitlines()
    assert result.returncode == 1
    assert names(lines) == [r"M\udcfcnchen.png", r"ev\nil\t\x1b[31m.png"]
    assert all(line.count("\t") == 1 for line in lines)
    assert [line.split(": ")[1] for line in errors] == [
        str(folder / r"bad M\udcfcnchen.png"),
        str(folder / r"bad ev\nil\t\x1b[31m.png"),
    ]


@pytest.mark.parametrize("command", ["caption", "compare"])
def test_a_terminal_that_knows_few_characters_gets_question_marks(
    command: str, model: Path, folder: Path, tmp_path: Path
) -> None:
    first = tmp_path / "ünï-日本.png"
    (folder / "0.png").rename(first)
    option = "--model" if command == "caption" else "--models"
    done = subprocess.run(
        [sys.executable, "-m", "captioner", command, first, folder / "1.png", option, model],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        encoding="latin-1",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert names(done.stdout.splitlines()) == ["ünï-??.png", "1.png"]


def test_odd_names_in_json_are_the_names(model: Path, tmp_path: Path) -> None:
    folder = odd_names(tmp_path)
    result = strict_terminal("caption", str(folder), "--model", str(model), "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    found = {Path(row["image"]).name for row in rows if "caption" in row}
    assert found == {_LATIN, _EVIL} and len(rows) == 4
    assert result.stdout.isascii() and result.stderr == ""


def test_odd_names_in_a_comparison(model: Path, tmp_path: Path) -> None:
    folder, page = tmp_path / "photos", tmp_path / "page.html"
    folder.mkdir()
    odd_names(folder)
    result = strict_terminal("compare", str(folder), "--models", str(model), "--html", str(page))
    lines = result.stdout.splitlines()
    assert names(lines) == [r"M\udcfcnchen.png", r"ev\nil\t\x1b[31m.png"]
    assert [line.split("\t")[1] for line in lines] == ["tiny", "tiny"]
    assert len(result.stderr.splitlines()) == 3 and page.read_text(encoding="utf-8")


@pytest.mark.parametrize("diversity", ["1e+308", "100.1"])
def test_captions_cannot_differ_without_end(diversity: str, model: Path, folder: Path) -> None:
    result = run(folder / "0.png", "--captions", 3, "--diversity", diversity, model=model)
    assert result.exit_code == 1 and result.stdout == ""
    told = f"Error: a diversity of {diversity} is not possible; 0.5 is usual, 100 the most\n"
    assert result.stderr == told


@pytest.mark.parametrize("how", [[], ["--captions", 1]])
def test_a_lone_caption_differs_from_no_other(how: list[object], folder: Path) -> None:
    result = run(folder / "0.png", *how, "--diversity", 0.5, model=Path("none"))
    told = "Error: --diversity makes several captions differ: give --captions 2 or more, too\n"
    assert result.exit_code == 2 and result.stderr.endswith(told)


def test_a_diversity_that_is_not_possible_is_told_first(model: Path, folder: Path) -> None:
    result = run(folder / "0.png", "--diversity", 1e9, model=model)
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr == "Error: a diversity of 1000000000.0 is not possible; 0.5 is usual, 100 the most\n"


def test_captions_differ_as_much_as_can_be(model: Path, folder: Path) -> None:
    result = run(folder / "0.png", "--captions", 3, "--diversity", 100, model=model)
    assert result.exit_code == 0 and len(set(result.stdout.splitlines())) == 3


@pytest.mark.parametrize("device", ["meta", "hpu", "nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_one_line(device: str, model: Path, folder: Path) -> None:
    result = CliRunner().invoke(
        main, ["caption", str(folder / "0.png"), "--model", str(model), "--device", device]
    )
    assert result.exit_code == 1 and result.stdout == ""
    assert device in result.stderr and "unexpected" not in result.stderr and "--debug" not in result.stderr


@pytest.mark.parametrize("seed", ["-1", "99999999999999999999"])
def test_a_seed_is_a_number_of_32_bits(seed: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["train", "-o", str(tmp_path), "--seed", seed])
    assert result.exit_code == 2 and "0<=x<=4294967295" in result.stderr


def test_greedy_and_beam_are_both_possible(model: Path, folder: Path) -> None:
    for beam in (1, 5):
        assert run(folder / "0.png", "--beam", beam, model=model).exit_code == 0
    wrong = run(folder / "0.png", "--beam", 0, model=model)
    assert wrong.exit_code == 2 and "--beam" in wrong.stderr


def test_no_such_model_is_one_line(folder: Path) -> None:
    result = run(folder / "0.png", "--model", "nonesuch")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("Error: nonesuch: no such model") and result.stderr.count("\n") == 1


def test_no_photo_named_is_wrong_usage() -> None:
    assert run().exit_code == 2


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0 and result.stdout.startswith("Usage:")


def test_help_and_version_need_no_torch() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom captioner.cli import main\n"
        "assert CliRunner().invoke(main, ['caption', '--help']).exit_code == 0\n"
        "assert 'torch' not in sys.modules and 'PIL' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@contextmanager
def at_work(model: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A command in the midst of thousands of photos: its first line has been read."""
    command = [sys.executable, "-m", "captioner.cli", "caption", *[str(folder)] * 2000]
    options = ["--model", str(model), "--device", "cpu"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None and process.stdout.readline()
        yield process


def test_control_c_gives_one_line_and_130(model: Path, folder: Path) -> None:
    with at_work(model, folder) as process:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == "interrupted\n"


def test_a_reader_that_leaves_ends_the_command_quietly(model: Path, folder: Path) -> None:
    with at_work(model, folder) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141
