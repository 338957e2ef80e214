"""An index as JSON lines, and another index made of them."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer import export as exporting
from indexer import open_index, reading
from indexer.build import build
from indexer.cli import main
from indexer.contract import CaptionIndex
from indexer.export import as_lines, export
from indexer.records import RECORD_FIELDS, CaptionRecord, Filters
from indexer.sources import JsonlSource
from tests.indexer.fakes import DraftingIndex
from tests.indexer.oracle import RECORDS, record

Run = Callable[..., Result]

EMOJI = record("emoji", "Ein Hündchen 🐕‍🦺 läuft 犬", creator='"\\')
ODD = (
    record("lines", "A dog\non a\r\nbeach\u2028at\u2029sea\x85", title="\x1c\x0b"),
    EMOJI,
    record("sourceless", "a cat", source="", kind=""),
    record("unlike", "a cat", source="NaN", image="null", license="0012", phash="1e5"),
)


def built(records: Iterable[CaptionRecord]) -> set[CaptionRecord]:
    """What a build makes of captions: those without a word are left out, and blanks are one each."""
    return {replace(one, caption=text) for one in records if (text := " ".join(one.caption.split()))}


@pytest.fixture
def elsewhere(fresh_where: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for an index of the other engine."""
    other: str = request.getfixturevalue("elastic_where")
    return str(tmp_path / "other") if "://" in fresh_where else other


@pytest.mark.elasticsearch
def test_an_index_of_the_other_engine_is_made_of_it(
    filled: CaptionIndex, elsewhere: str, tmp_path: Path
) -> None:
    filled.add(ODD)
    filled.delete(["3"])
    with (tmp_path / "c.jsonl").open("wb") as stream:
        tally = export(filled, stream)
    expected = {one for one in (*RECORDS, *ODD) if one.image_id != "3"}
    assert (tally.captions, tally.images) == (len(expected), 11)
    with open_index(elsewhere, create=True) as other:
        assert build(other, [JsonlSource(tmp_path / "c.jsonl")]).whole
        assert set(other.records()) == built(expected)
        again = BytesIO()
        export(other, again, {"source": "coco", "image_id": ("1", "7", "lines")})
    written = [CaptionRecord(**json.loads(line)) for line in again.getvalue().splitlines()]
    assert sorted(one.image_id for one in written) == ["1", "1", "7", "lines"]
    assert set(written) <= built(expected)


texts = st.text(st.characters(exclude_characters="\x1f", exclude_categories=["Cs"]), max_size=12)
records = st.builds(
    CaptionRecord,
    **{name: texts for name in RECORD_FIELDS if name not in ("image_id", "image")},
    image_id=texts.filter(str.strip),
    image=texts.filter(lambda place: not place.startswith("/")),  # absolute paths get one spelling
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records, max_size=6))
def test_any_captions_are_read_as_they_were(tmp_path: Path, given: list[CaptionRecord]) -> None:
    file = tmp_path / "c.jsonl"
    file.write_bytes(as_lines([*given, *ODD]))
    assert list(JsonlSource(file).captions()) == [*given, *ODD]
    assert file.read_bytes().isascii() and len(file.read_text().splitlines()) == len(given) + len(ODD)


def test_a_line_has_the_fields_that_are_known() -> None:
    assert as_lines([record("1.jpg", "Zwei Hündchen", license="CC BY 4.0"), CaptionRecord("", "")]) == (
        b'{"image_id": "1.jpg", "caption": "Zwei H\\u00fcndchen", "source": "coco", "kind": "reference", '
        b'"license": "CC BY 4.0"}\n'
        b'{"image_id": "", "caption": "", "source": "jsonl", "kind": "reference"}\n'
    )


def test_progress_goes_as_far_as_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_BATCH", 4)

    class Bar:
        def __init__(self, total: int | None, unit: str, label: str) -> None:
            seen.append((total, unit))

        def update(self, n: int = 1) -> None:
            seen.append(n)

        def close(self) -> None:
            seen.append("closed")

    index = DraftingIndex(RECORDS)
    seen: list[object] = []
    export(index, BytesIO(), progress=Bar)
    assert seen == [(9, "caption"), 4, 4, 1, "closed"]
    seen.clear()
    export(index, BytesIO(), Filters({"source": "coco"}), progress=Bar)
    assert seen == [(None, "caption"), 4, 1, "closed"]


class TestCommand:
    @pytest.fixture
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
        """Exports all records and one of odd characters, in an empty folder."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("CAPTION_INDEX", raising=False)
        with open_index("caption-index", create=True) as index:
            index.add([*RECORDS, EMOJI])
        (tmp_path / "out").mkdir()
        return lambda *words: CliRunner().invoke(main, ["export", *map(str, words)])

    @staticmethod
    def exported(text: str) -> set[CaptionRecord]:
        return {CaptionRecord(**json.loads(line)) for line in text.splitlines()}

    def test_to_standard_output(self, run: Run) -> None:
        result = run()
        assert (result.exit_code, result.stderr) == (0, "exported 10 captions of 9 images\n")
        assert self.exported(result.stdout) == {*RECORDS, EMOJI}

    def test_into_a_file(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "out" / "empty").touch()  # as mktemp leaves it
        for name in ("new.jsonl", "empty"):
            result = run("-o", f"out/{name}", "--source", "coco", "--where", "kind=generated")
            assert (result.exit_code, result.stdout) == (0, "")
            assert result.stderr == "exported 1 caption of 1 image\n"
            assert self.exported((tmp_path / "out" / name).read_text()) == {RECORDS[1]}
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["empty", "new.jsonl"]

    def test_what_no_caption_passes_is_an_empty_export(self, run: Run) -> None:
        result = run("--model", "unknown")
        assert (result.exit_code, result.output) == (0, "exported 0 captions of 0 images\n")

    def test_it_takes_the_place_of_no_file(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "out" / "captions.jsonl"
        run("-o", file)  # even of an earlier one, which looks as those do that people write
        before = file.read_bytes()
        result = run("-o", file, "--source", "coco")
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"{file} is no empty file, and would be lost; name another file" in result.stderr
        assert file.read_bytes() == before

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (["-o", "none/c.jsonl"], 2, "no folder"),
            (["-o", "-"], 2, "standard output has the answer"),
            (["--where", "colour=red", "-o", "out/c"], 1, "no field 'colour' to filter by"),
            (["--where", "source", "-o", "out/c"], 2, "a condition is written field=value"),
            (["--index", "none", "-o", "out/c"], 1, "none: no index there"),
        ],
    )
    def test_what_cannot_be_meant_writes_nothing(
        self, run: Run, tmp_path: Path, arguments: list[str], code: int, message: str
    ) -> None:
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (code, "")
        assert message in result.stderr
        assert not list((tmp_path / "out").iterdir())

    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            (KeyboardInterrupt(), 130, "interrupted: out/c.jsonl was not written\n"),
            (OSError(errno.ENOSPC, "full"), 1, "Error: out/c.jsonl: full\n"),
        ],
    )
    def test_half_a_file_is_none(
        self,
        run: Run,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        error: BaseException,
        code: int,
        message: str,
    ) -> None:
        def half(*_: object, **__: object) -> Iterator[bytes]:
            yield b"{}\n"
            raise error

        lines = half()
        monkeypatch.setattr(reading, "_BATCH", 4)
        monkeypatch.setattr(exporting, "as_lines", lambda batch: next(lines))
        result = run("-o", "out/c.jsonl")
        assert (result.exit_code, result.output) == (code, message)
        assert not list((tmp_path / "out").iterdir())

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_is_told_in_one_line(self, run: Run) -> None:
        result = run("-o", "/dev/full")
        assert (result.exit_code, result.output) == (1, "Error: /dev/full: No space left on device\n")
