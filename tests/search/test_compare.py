"""`search compare`: columns, the words that differ, and a page that carries no foreign markup."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from captioner.errors import PhotoError
from captioner.tokens import Analyzer, analyzer
from indexer.index import open_index
from indexer.records import CaptionRecord
from search.cli import main
from search.compare import Comparison, captions_by, side_by_side
from search.render.comparison import comparison_page
from search.render.ways import ways_text
from tests.search.worlds import NamingCaptioner

RECORDS = [
    CaptionRecord("dog.jpg", "a dog runs on the beach"),
    CaptionRecord("dog.jpg", "an animal"),
    CaptionRecord("dogs.jpg", "two dogs running"),
    CaptionRecord("cat.jpg", "a cat <script>alert(1)</script>"),
]


def test_every_model_meets_every_analyzer_and_differences_are_named() -> None:
    found = side_by_side(
        "p.jpg", {"one": "a dog running", "two": "a cat"}, ["words/1", "english/1"], RECORDS, k=2
    )
    assert [(way.model, way.analyzer) for way in found.ways] == [
        ("one", "words/1"), ("two", "words/1"), ("one", "english/1"), ("two", "english/1"),
    ]  # fmt: skip
    assert found.common == ()
    assert found.ways[2].own_words == found.ways[2].words == ("dog", "run")
    assert [hit.image_id for hit in found.ways[2].hits] == ["dog.jpg", "dogs.jpg"]
    assert found.ways[2].hits[0].shared == ("dog", "run")
    assert found.ways[2].hits[0].score == 2 / 3


def test_a_hit_that_one_way_alone_finds_is_marked() -> None:
    found = side_by_side("p.jpg", {"one": "the dogs", "two": "the dog"}, ["content/1"], RECORDS)
    assert [(hit.image_id, hit.only_here) for hit in found.ways[0].hits] == [("dogs.jpg", True)]
    alone = side_by_side("p.jpg", {"one": "the dogs"}, ["content/1"], RECORDS)
    assert not alone.ways[0].hits[0].only_here


def test_an_image_counts_by_its_best_caption_wherever_that_stands() -> None:
    records = [CaptionRecord("b.jpg", "a dog and a cat"), CaptionRecord("b.jpg", "the dog")]
    records += [CaptionRecord(name, "a dog") for name in ("c.jpg", "a.jpg")]
    [way] = side_by_side("p.jpg", {"one": "a dog"}, ["content/1"], records).ways
    assert [hit.image_id for hit in way.hits] == ["a.jpg", "b.jpg", "c.jpg"], "in order of ids, where equal"
    assert {hit.score for hit in way.hits} == {1.0} and way.hits[1].caption == "the dog"


def test_the_archive_is_analysed_once_for_each_analyzer(monkeypatch: pytest.MonkeyPatch) -> None:
    analysed = list[str]()

    def noting(name: str) -> Analyzer:
        def tokens(caption: str) -> frozenset[str]:
            analysed.append(caption)
            return analyzer(name)(caption)

        return tokens

    monkeypatch.setattr("search.compare.analyzer", noting)
    models = {"one": "a zebra", "two": "a fish", "three": "a hat"}
    side_by_side("p.jpg", models, ["words/1", "english/1"], RECORDS)
    assert [analysed.count(record.caption) for record in RECORDS] == [2, 2, 2, 2]


def test_the_beam_reaches_the_captioner(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captioner = NamingCaptioner()
    monkeypatch.setattr("captioner.finding.open_captioner", lambda model: captioner)
    captions_by(["one"], photos / "chelsea.png", 7)
    assert captioner.beams == [7]


def test_each_model_captions_the_photo_and_a_bad_photo_says_why(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioner.finding.open_captioner", lambda model: NamingCaptioner())
    photo = tmp_path / "a-cat.png"
    photo.write_bytes((photos / "chelsea.png").read_bytes())
    assert captions_by(["one", "two"], photo) == {"one": "a cat", "two": "a cat"}
    photo.write_bytes(b"no photo")
    with pytest.raises(PhotoError, match=r"a-cat\.png"):
        captions_by(["one"], photo)


def test_the_page_escapes_what_captions_say_and_loads_nothing() -> None:
    page = comparison_page(side_by_side("p.jpg", {"<b>": "a cat"}, ["english/2"], RECORDS))
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "&lt;b&gt;" in page
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")


def test_as_text_stars_mark_what_not_all_ways_have_and_nothing_moves_the_cursor() -> None:
    evil = CaptionRecord("c\x1b[2J.jpg", "a cat \x1b[31m of a length that leaves no room for its end")
    compared = side_by_side(
        "p\n.jpg", {"one": "a cat", "two": "a dog"}, ["content/1"], [*RECORDS[:3], evil], 1
    )
    assert ways_text(compared, 40).splitlines() == [
        r"p\n.jpg",
        "words that every way has: none",
        "",
        "one · content/1",
        "  a cat",
        "  words: cat*",
        "  0.167* c\\x1b[2J.jpg  a cat \ufffd[31m of a…",
        "",
        "two · content/1",
        "  a dog",
        "  words: dog*",
        "  0.333* dog.jpg  a dog runs on the bea…",
    ]
    [alone] = side_by_side("p.jpg", {"one": "a zebra"}, ["content/1"], RECORDS).ways
    assert ways_text(Comparison("p.jpg", ("zebra",), (alone,))).splitlines()[-2:] == [
        "  words: zebra",
        "  no image shares a word with this",
    ]


def test_nothing_that_is_compared_is_markup(photos: Path) -> None:
    """Words of the student project's analyzer hold what stood between blanks; quotes end an attribute."""
    evil, photo = '<img/src="x">', str(photos / "chelsea.png")
    captions = {"one": f"{evil} <i> dog", "<u>": f"{evil} <s>"}
    records = [CaptionRecord("x", f'{evil} " onload="', image=photo)]
    page = comparison_page(side_by_side(photo, captions, ["seed/1"], records))
    assert page.count("&lt;img/src=&quot;x&quot;&gt;") > 8
    assert not re.search(r"<img/|<i>|<u>|<s>|\sonload=\"", page)


def test_an_image_id_is_shown_as_it_is() -> None:
    records = [CaptionRecord("two  blanks\n.jpg", "a cat")]
    page = comparison_page(side_by_side("p.jpg", {"one": "a cat"}, ["english/2"], records))
    assert r'<span class="name">two  blanks\n.jpg</span>' in page


def test_the_command_compares_given_captions_and_writes_the_page(tmp_path: Path) -> None:
    where, page = str(tmp_path / "index"), tmp_path / "page.html"
    with open_index(where, create=True) as index:
        draft = index.draft("test")
        draft.add(RECORDS)
        draft.publish()
    options = ["--models", "", "--caption", "a dog on a beach", "--analyzers", "seed/1,english/2"]
    asked = ["compare", "p.jpg", "--index", where, *options]
    done = CliRunner().invoke(main, [*asked, "--json", "--html", str(page)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [way["analyzer"] for way in found["ways"]] == ["seed/1", "english/2"]
    assert found["ways"][1]["hits"][0]["image_id"] == "dog.jpg"
    assert page.read_text().count("<article>") == 2
    full = CliRunner().invoke(main, [*asked, "--json", "--html", "/dev/full"])
    assert (full.exit_code, full.stderr) == (1, "Error: /dev/full: No space left on device\n")
    assert json.loads(full.stdout) == found
    seen = CliRunner().invoke(main, asked).stdout
    assert "caption 1 · seed/1\n  a dog on a beach\n" in seen and "* dog.jpg" not in seen
    unknown = CliRunner().invoke(main, ["compare", "p.jpg", "--index", where, "--analyzers", "klingon/1"])
    assert (unknown.exit_code, unknown.output.startswith("Error: unknown analyzer")) == (1, True)
