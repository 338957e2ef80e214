"""The `search` command as a user meets it, on the embedded engine; photos are captioned by their names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from indexer.index import open_index
from indexer.records import CaptionRecord
from search.cli import main
from search.commands.paths import print_paths
from search.cursor import encode
from search.searcher import Searcher
from tests.search.test_cursor import CURSOR
from tests.search.worlds import NamingCaptioner

Run = Callable[..., Result]

RECORDS = (
    CaptionRecord("dog-beach", "A dog runs on the beach.", source="coco", split="val"),
    CaptionRecord(
        "dog-beach", "A brown dog at the beach.", source="coco", kind="generated", model="naming@12345678"
    ),
    CaptionRecord("dog-snow", "A dog in the snow.", source="folder", phash="00ff00ff00ff00ff"),
    CaptionRecord("dog-snow-copy", "A big dog in the snow.", source="folder", phash="00ff00ff00ff00fe"),
    CaptionRecord("cat", "A cat on a sofa.", source="coco", license="CC BY 4.0"),
)


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("cli") / "index")
    with open_index(folder, create=True) as index, index.draft("cli", "english/1") as draft:
        draft.add(RECORDS)
        draft.publish()
    return folder


@pytest.fixture
def run(where: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    def opened(
        kind: type[Searcher], place: str, model: str = "default", beam: int = 3, captions: int = 1
    ) -> Searcher:
        return kind(open_index(place), NamingCaptioner, beam, captions)

    monkeypatch.setattr(Searcher, "open", classmethod(opened))
    monkeypatch.setenv("CAPTION_INDEX", where)
    monkeypatch.setenv("COLUMNS", "100")
    yield lambda *arguments: CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture
def dog(photos: Path, tmp_path: Path) -> Path:
    """A real photo whose name says "a dog in snow"."""
    path = tmp_path / "a-dog-in-snow.png"
    path.write_bytes((photos / "chelsea.png").read_bytes())
    return path


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [hit["image_id"] for hit in json.loads(result.stdout)["hits"]]


class TestText:
    def test_a_table_on_stdout(self, run: Run) -> None:
        result = run("text", "the dog in the snow", "-k", "2")
        assert result.exit_code == 0
        assert result.stdout.startswith("the dog in the snow\nwords: dog snow\n")
        assert "  1  dog-snow " in result.stdout
        assert re.search(
            r"exact: the true top 2 of 5 captions, \d+ examined, ", result.stdout.splitlines()[-1]
        )
        assert re.fullmatch(r"next page: the same command with --after \S+\n", result.stderr)

    def test_json_is_the_contracts_object(self, run: Run) -> None:
        answer = json.loads(run("text", "a dog in snow", "--json").stdout)
        took = answer.pop("took_ms")
        assert took >= 0
        assert answer["examined"] >= 3
        del answer["examined"]
        assert answer["hits"][0] == {
            "rank": 1,
            "image_id": "dog-snow",
            "image": "",
            "caption": "A dog in the snow.",
            "jaccard": 1.0,
            "overlap": 2,
            "union": 2,
            "shared": ["dog", "snow"],
            "missing": [],
            "extra": [],
            "source": "folder",
            "kind": "reference",
        }
        assert {key: value for key, value in answer.items() if key != "hits"} == {
            "query": {"caption": "a dog in snow", "tokens": ["dog", "snow"]},
            "exact": True,
            "captions": 5,
        }

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ([], ["dog-snow", "dog-snow-copy", "dog-beach"]),
            (["--source", "coco"], ["dog-beach"]),
            (["--source", "coco", "--source", "folder"], ["dog-snow", "dog-snow-copy", "dog-beach"]),
            (["--kind", "generated"], ["dog-beach"]),
            (["--model", "naming@12345678"], ["dog-beach"]),
            (["--model", "other"], []),
            (["--split", "val", "--kind", "reference"], ["dog-beach"]),
            (["--where", "license=CC BY 4.0"], []),
            (["--where", "phash=00ff00ff00ff00fe", "--where", "attribution="], ["dog-snow-copy"]),
            (["--min-score", "0.5"], ["dog-snow", "dog-snow-copy"]),
            (["--fold-duplicates"], ["dog-snow", "dog-beach"]),
            (["-k", "1"], ["dog-snow"]),
            (["--without", "big"], ["dog-snow", "dog-beach"]),
            (["--without", "big", "--without", "a beach"], ["dog-snow"]),
            (["--without", "snow", "--like", "beach"], ["dog-beach"]),
        ],
    )
    def test_options(self, run: Run, options: list[str], expected: list[str]) -> None:
        assert ids(run("text", "dog in snow", "--json", *options)) == expected

    def test_json_tells_what_filters_go_by(self, run: Run) -> None:
        [cat] = json.loads(run("text", "cat", "--json").stdout)["hits"]
        assert cat["license"] == "CC BY 4.0"
        assert not {"model", "split", "query", "page", "title", "creator", "attribution"} & cat.keys()
        [dog] = json.loads(run("text", "dog", "--json", "--split", "val").stdout)["hits"]
        assert dog["split"] == "val"

    @pytest.mark.parametrize(
        ("options", "remark"),
        [
            (["--where", "license=CC"], "no caption has the license 'CC'; there is 'CC BY 4.0'\n"),
            (["--split", "a", "--split", "b"], "no caption has the split 'a' or 'b'; there is 'val'\n"),
            (["--query", "x"], "no caption has the query 'x'; of those looked at, none has any query\n"),
            (["--where", "license=CC BY 4.0"], ""),
            (
                ["--where", "attribution=me"],
                "no caption has the attribution 'me'; of those looked at, none has any attribution\n",
            ),
            (["--kind", "generated", "--source", "coco"], ""),
        ],
    )
    def test_a_filter_by_what_no_caption_has_says_so(self, run: Run, options: list[str], remark: str) -> None:
        result = run("text", "snow", *options)
        assert (result.exit_code, result.stderr) == (0, remark)
        assert "exact: no match" in result.stdout

    @pytest.mark.parametrize(
        ("options", "words"),
        [(["--unlike", "snow"], ["dog"]), (["--like", "beach"], ["beach", "dog", "snow"])],
    )
    def test_more_like_and_less_like(self, run: Run, options: list[str], words: list[str]) -> None:
        """By the words asked for the picture of the beach comes second; by the caption alone it is last."""
        result = run("text", "dog in snow", "--json", *options)
        assert json.loads(result.stdout)["query"]["tokens"] == words
        assert ids(result) == ["dog-snow", "dog-beach", "dog-snow-copy"]

    def test_a_hyphen_does_without_a_word(self, run: Run) -> None:
        answer = run("text", "dog in snow -big -beaches", "--json")
        assert ids(answer) == ["dog-snow"]
        assert json.loads(answer.stdout)["query"] == {
            "caption": "dog in snow",
            "tokens": ["dog", "snow"],
            "without": ["beach", "big"],
        }
        counted = run("text", "dog in snow -big", "--count", "--min-score", "0.1", "--without", "beach")
        assert counted.stdout == "1\n"

    def test_words_to_do_without_need_one_to_look_for(self, run: Run) -> None:
        result = run("text", "--", "-dog -snow")
        said = "nothing to search for: give a word to look for besides those to do without\n"
        assert (result.exit_code, result.stderr) == (0, said)
        assert ids(run("text", "--json", "--", "-dog")) == []
        assert ids(run("text", "--json", "--", "-big dog in snow -beaches")) == ["dog-snow"]
        assert ids(run("text", "--json", "--like", "snow", "--", "-big")) == ["dog-snow"]

    def test_a_word_to_do_without_that_does_not_count(self, run: Run) -> None:
        plain = ids(run("text", "dog in snow", "--json"))
        for given in ["dog in snow", "--without", "the"], ["dog in snow -the"]:
            result = run("text", *given, "--json")
            assert ids(result) == plain
            assert result.stderr == "--without 'the' is ignored: it has only stop words\n"
        nothing = run("text", "--", "-the").stderr.splitlines()[0]
        assert nothing == "nothing to search for: give a word to look for besides those to do without"

    def test_of_several_photos_it_is_told_once(self, run: Run, dog: Path) -> None:
        result = run("similar", dog, dog, "--without", "the")
        assert result.stderr.count("--without 'the' is ignored: it has only stop words\n") == 1

    def test_less_like_what_is_not_in_the_query_says_so(self, run: Run) -> None:
        result = run("text", "dog in snow", "--unlike", "big", "--json")
        assert len(ids(result)) == 3
        assert result.stderr == (
            "--unlike 'big' has no effect: the query has none of its words. "
            "To exclude such pictures, use --without 'big'\n"
        )

    def test_pages(self, run: Run) -> None:
        first = json.loads(run("text", "dog in snow", "--json", "-k", "2").stdout)
        second = run("text", "dog in snow", "--json", "-k", "2", "--after", first["cursor"])
        assert ids(second) == ["dog-beach"]
        assert "cursor" not in json.loads(second.stdout)
        foreign = run("text", "cat", "--after", first["cursor"])
        assert (foreign.exit_code, foreign.stdout) == (1, "")
        assert "belongs to another search" in foreign.stderr

    def test_a_page_too_long_for_a_cursor_says_so(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("search.hits.LONGEST", 10)
        result = run("text", "dog in snow", "-k", "1", "--fold-duplicates")
        assert re.match("exact: the true top 1 of 5 captions, ", result.stdout.splitlines()[-1])
        assert result.stderr.startswith("there are more results, but") and result.stderr.count("\n") == 1

    def test_a_photo_given_as_words(self, run: Run, dog: Path) -> None:
        result = run("text", dog)
        assert result.exit_code == 0
        assert result.stderr == f"{dog} is a file; `search similar` searches by photos\n"

    def test_a_negation_is_told_how_to_say_it(self, run: Run) -> None:
        told = '"no", "not" and "without" mean nothing in a query; to keep a word away: '
        for sentence, way in {
            "a dog, not in the snow": "-snow, or --without snow\n",
            "no dogs without snow -cat": "-dogs -snow, or --without dogs --without snow\n",
        }.items():
            for options in ((), ("--json",), ("--count", "--min-score", "0.1"), ("--like", "no cats")):
                assert run("text", sentence, *options).stderr == told + way
        for sentence in "a dog in the snow", "a dog, no snow -snow", "a dog, not on the baech":
            assert run("text", sentence).stderr == ""

    def test_a_word_that_no_caption_has_is_told_what_may_be_meant(self, run: Run) -> None:
        assert "\nno caption has: dgo (perhaps dog)\n" in run("text", "a dgo in snow").stdout
        assert json.loads(run("text", "a dgo", "--json").stdout)["query"]["corrections"] == {"dgo": ["dog"]}

    def test_counting(self, run: Run) -> None:
        assert run("text", "dog in snow", "--count", "--min-score", "0.5").stdout == "2\n"
        assert json.loads(run("text", "dog in snow", "--count", "--min-score", "0.1", "--json").stdout) == {
            "query": {"caption": "dog in snow", "tokens": ["dog", "snow"]},
            "count": 3,
        }
        counted = run("text", "dog in snow", "--count", "--min-score", "0.1", "--where", "image_id=dog-beach")
        assert counted.stdout == "1\n"

    @pytest.mark.parametrize("caption", ["", "of the"])
    def test_nothing_to_search_for(self, run: Run, caption: str) -> None:
        result = run("text", caption)
        assert result.exit_code == 0
        assert "nothing to search for" in result.stderr
        assert ids(run("text", caption, "--json")) == []


class TestImage:
    def test_others_without_a_word(self, run: Run) -> None:
        assert ids(run("image", "dog-snow", "--json", "--without", "beach")) == ["dog-snow-copy"]

    def test_others_like_an_indexed_image(self, run: Run) -> None:
        assert ids(run("image", "dog-snow", "--json")) == ["dog-snow-copy", "dog-beach"]
        assert run("image", "dog-snow", "--count", "--min-score", "0.5").stdout == "1\n"

    def test_less_like_an_example(self, run: Run) -> None:
        result = run("image", "dog-snow", "--unlike", "snow", "--json")
        assert json.loads(result.stdout)["query"]["tokens"] == ["dog"]
        assert ids(result) == ["dog-beach", "dog-snow-copy"]

    def test_an_unknown_one(self, run: Run) -> None:
        result = run("image", "nowhere")
        assert (result.exit_code, result.stdout) == (1, "")
        assert re.fullmatch(r"Error: no image 'nowhere' in \S+\n", result.stderr)

    def test_one_given_by_its_file(self, run: Run, tmp_path: Path, dog: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(tmp_path)
        where = str(tmp_path / "index")
        with open_index(where, create=True) as index:
            index.add(
                [CaptionRecord("pets/dog", "A dog in snow.", image=str(dog)), CaptionRecord("b", "Snow.")]
            )
        for file in (dog, link / dog.name, link / ".." / tmp_path.name / dog.name):
            result = run("image", file, "--index", where, "--json")
            assert ids(result) == ["b"], file
            assert json.loads(result.stdout)["query"]["caption"] == "A dog in snow."

    def test_a_relative_path_is_no_other_folders_photo(
        self, run: Run, tmp_path: Path, dog: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        where = str(tmp_path / "index")
        with open_index(where, create=True) as index:
            index.add(
                [
                    CaptionRecord("elsewhere", "A cat.", image=dog.name),
                    CaptionRecord("here", "A dog in snow.", image=str(dog)),
                ]
            )
        monkeypatch.chdir(dog.parent)
        query = json.loads(run("image", dog.name, "--index", where, "--json").stdout)["query"]
        assert query["caption"] == "A dog in snow."

    def test_a_file_that_is_not_in_the_index(self, run: Run, dog: Path) -> None:
        result = run("image", dog)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "`search similar` searches by any photo" in result.stderr

    def test_a_photo_is_told_what_an_id_is(self, run: Run) -> None:
        result = run("image", "Pictures/IMG_0000.jpg")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "a photo's id is its path below the folder that was indexed" in result.stderr


class TestRandom:
    def test_random_images(self, run: Run) -> None:
        found = ids(run("random", "--json", "-k", "9"))
        assert sorted(found) == ["cat", "dog-beach", "dog-snow", "dog-snow-copy"]
        for seed in range(8):
            once, again = (ids(run("random", "--json", "-k", "2", "--seed", seed)) for _ in range(2))
            assert once == again
        assert "Jaccard" not in run("random").stdout
        assert sorted(ids(run("random", "--json", "--without", "dogs"))) == ["cat"]

    def test_none_to_be_drawn_blames_no_query(self, run: Run) -> None:
        result = run("random", "--kind", "title")
        assert result.exit_code == 0
        assert result.stderr.splitlines() == [
            "no image in the index passes the filters",
            "no caption has the kind 'title'; there is 'reference' and 'generated'",
        ]


class TestSimilar:
    def test_a_photo(self, run: Run, dog: Path, tmp_path: Path) -> None:
        page, montage = tmp_path / "p.html", tmp_path / "m.png"
        result = run("similar", dog, "--html", page, "--montage", montage)
        assert result.exit_code == 0
        assert result.stdout.splitlines()[1:3] == ["a dog in snow", "words: dog snow"]
        assert result.stderr.splitlines() == [f"page: {page}", f"montage: {montage}"]
        assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
        assert ids(run("similar", dog, "--json", "--without", "big")) == ["dog-snow", "dog-beach"]
        assert montage.read_bytes().startswith(b"\x89PNG")

    def test_the_next_montage_replaces_the_last_one_and_never_a_photo(
        self, run: Run, dog: Path, tmp_path: Path
    ) -> None:
        montage, photo = tmp_path / "m.png", dog.read_bytes()
        assert [run("similar", dog, "--montage", montage).exit_code for _ in range(2)] == [0, 0]
        for option in ("--montage", "--html"):
            result = run("similar", dog, option, dog)
            assert (result.exit_code, result.stdout) == (2, "")
            assert "is no page or picture with this program's mark" in result.stderr
        assert dog.read_bytes() == photo

    @pytest.mark.parametrize("examples", [(), ("--like", "snow")], ids=["alone", "with an example"])
    def test_one_bad_photo_of_several(
        self, run: Run, dog: Path, tmp_path: Path, examples: tuple[str, ...]
    ) -> None:
        missing = tmp_path / "missing.jpg"
        result = run("similar", dog, missing, dog, "--json", *examples)
        assert result.exit_code == 1
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert [line["photo"] for line in lines] == [str(dog), str(missing), str(dog)]
        assert [len(line.get("hits", ())) for line in lines] == [3, 0, 3]
        assert lines[1]["error"] == f"{missing}: no such file"
        assert result.stderr == f"Error: {missing}: no such file\n"

    def test_a_single_bad_photo(self, run: Run, tmp_path: Path) -> None:
        result = run("similar", tmp_path / "missing.jpg")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.count("\n") == 1

    def test_more_like_and_less_like(self, run: Run, dog: Path, tmp_path: Path) -> None:
        result = run("similar", dog, "--unlike", "snow", "--json")
        assert json.loads(result.stdout)["query"]["tokens"] == ["dog"]
        typo = run("similar", dog, "--like", tmp_path / "typo.jpg")
        assert typo.exit_code == 1
        assert "typo.jpg: no such file" in typo.stderr

    @pytest.mark.parametrize(
        "arguments",
        [
            ["similar", "none.jpg"],
            ["similar", "none.jpg", "neither.jpg"],
            ["similar", "none.jpg", "--like", "a dog"],
            ["similar", __file__, "--unlike", "none.jpg"],
            ["text", "a dog", "--like", "none.jpg"],
            ["compare", "none.jpg"],
            ["web", "none.jpg", "--contact", "mailto:tests@example.org"],
        ],
    )
    def test_no_captioner_is_loaded_for_photos_that_are_not_there(
        self, run: Run, where: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
    ) -> None:
        def loaded(model: str) -> NamingCaptioner:
            raise AssertionError("a captioner was loaded")

        monkeypatch.setattr(
            Searcher, "open", lambda *given: Searcher(open_index(where), lambda: loaded("default"))
        )
        monkeypatch.setattr("captioner.finding.open_captioner", loaded)
        monkeypatch.setattr("search.compare.loader", lambda model: lambda: loaded(model))
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.splitlines()[0] == "Error: none.jpg: no such file"

    def test_an_index_of_another_captioner_is_told_of(
        self, run: Run, dog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = str(tmp_path / "index")
        monkeypatch.setenv("CAPTION_INDEX", folder)
        with open_index(folder, create=True) as index:
            index.add([CaptionRecord("1", "a dog", kind="generated", model="small@1/beam5")])
        told = run("similar", dog).stderr
        assert told == (
            f"photos in {folder} were captioned by small@1, those searched for by naming@12345678: "
            "give --captioner\n"
        )
        assert run("text", "a dog").stderr == ""
        with open_index(folder) as index:
            index.add([CaptionRecord("1", "dogs", kind="generated", model="naming@12345678/beam9")])
        assert run("similar", dog).stderr == ""

    def test_what_captioning_took_is_told_apart(self, run: Run, dog: Path) -> None:
        for options in ((), ("--like", "a cat")):
            last = run("similar", dog, *options).stdout.splitlines()[-1]
            assert re.search(r" examined, captioned in \d+\.\d s, searched in \d+\.\d ms$", last)
        assert "captioned in" not in run("text", "a dog", "--like", "a cat").stdout

    def test_words_given_as_a_photo(self, run: Run) -> None:
        result = run("similar", "a dog")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "Error: a dog: no such file; `search text` searches by words\n"

    def test_several_captions(self, run: Run, dog: Path, tmp_path: Path) -> None:
        photo, page, montage = tmp_path / "a-big-cat+a-dog-in-snow.png", tmp_path / "p.html", tmp_path / "m"
        photo.write_bytes(dog.read_bytes())
        result = run("similar", photo, "--captions", "3", "--html", page, "--montage", montage)
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert lines[1:4] == ["1 a big cat", "2 a dog in snow", "words: big cat dog snow"]
        rows = [number for number, line in enumerate(lines) if re.match(r"  \d  ", line)]
        ways = [lines[number + 1].split()[:3] for number in rows]
        assert ways == [["by", "2"], ["by", "2:", "+big"], ["by", "1:", "−big"], ["by", "2:", "−snow"]]
        assert "<b>by</b> a dog in snow</p>" in page.read_text(encoding="utf-8")
        several = ("similar", photo, "--json", "--captions", "3")
        found = ids(run(*several))
        assert found == ["dog-snow", "dog-snow-copy", "cat", "dog-beach"]
        assert ids(run("similar", photo, "--json")) == ["cat", "dog-snow-copy"]
        first = json.loads(run(*several, "-k", "2").stdout)
        rest = run(*several, "-k", "9", "--after", first["cursor"])
        assert ids(rest) == found[2:]

    def test_counts_with_several_captions(self, run: Run, dog: Path, tmp_path: Path) -> None:
        photo = tmp_path / "a-big-cat+a-dog-in-snow.png"
        photo.write_bytes(dog.read_bytes())
        asked = ("similar", photo, "--count", "--min-score", "0.3")
        assert run(*asked, "--captions", "3").stdout == "3\n"
        assert run(*asked).stdout == "1\n"

    def test_examples_take_one_caption(self, run: Run, dog: Path) -> None:
        result = run("similar", dog, "--captions", "2", "--like", "snow")
        assert result.exit_code == 2
        assert "--captions does not go with --like" in result.stderr

    def test_counts_of_several(self, run: Run, dog: Path) -> None:
        result = run("similar", dog, dog, "--count", "--min-score", "0.5")
        assert result.stdout == f"2\t{dog}\n" * 2

    def test_names_of_photos_obey_nothing(self, run: Run, dog: Path) -> None:
        odd = dog.with_name("a-dog-in-snow\x1b[2J\n.png")
        odd.write_bytes(dog.read_bytes())
        result = run("similar", odd, "gone\x1b[2J.jpg", "--count", "--min-score", "0.1")
        assert result.stdout == f"3\t{dog.with_name('a-dog-in-snow')}\\x1b[2J\\n.png\n"
        assert result.stderr == "Error: gone\\x1b[2J.jpg: no such file\n"

    def test_a_caption_in_json_obeys_nothing(self, run: Run) -> None:
        """A terminal takes characters for commands that JSON would leave as they are."""
        result = run("text", "dog \x9b2J \u202e 海", "--json")
        assert (
            result.stdout.isascii()
            and json.loads(result.stdout)["query"]["caption"] == "dog \x9b2J \u202e 海"
        )


class TestPaths:
    """From an answer to the pictures."""

    @pytest.fixture(autouse=True)
    def placed(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run) -> None:
        places = ("my photos/1.jpg", "https://example.org/2.jpg", "", "two\nlines.jpg", "/photos/é.jpg")
        folder = str(tmp_path / "index")
        with open_index(folder, create=True) as index:
            index.add(
                CaptionRecord(str(n), f"a dog{' here' * n}", image=place) for n, place in enumerate(places)
            )
        monkeypatch.setenv("CAPTION_INDEX", folder)

    FOUND = "my photos/1.jpg\nhttps://example.org/2.jpg\n/photos/é.jpg\n"

    def test_nothing_but_paths_is_printed(self, run: Run) -> None:
        result = run("text", "a dog", "--paths")
        assert (result.exit_code, result.stdout) == (0, self.FOUND)
        assert result.stderr == "left out, since the index has no place on one line for them: 2 pictures\n"

    def test_of_every_kind_of_search(self, run: Run, dog: Path, tmp_path: Path) -> None:
        assert run("similar", dog, "--paths").stdout == self.FOUND
        assert run("image", "2", "--paths").stdout == self.FOUND
        assert sorted(run("random", "--paths").stdout.split("\n")) == sorted(self.FOUND.split("\n"))
        both = run("similar", dog, tmp_path / "gone.jpg", "--paths", "-k", 1)
        assert (both.exit_code, both.stdout) == (1, "my photos/1.jpg\n")

    def test_in_a_locale_that_knows_only_ascii(self) -> None:
        """Such as that of a cron job on an older system; the names on the disk are UTF-8 all the same."""
        done = subprocess.run(
            [sys.executable, "-m", "search", "text", "a dog", "--paths"],
            env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, self.FOUND.encode())

    def test_what_can_be_no_name_is_left_out(self) -> None:
        assert print_paths(["a.jpg", "half a pair \ud800.jpg"]) == 1

    @pytest.mark.parametrize("other", ["--json", "--count"])
    def test_of_two_things_one_is_printed(self, run: Run, other: str) -> None:
        result = run("text", "a dog", "--paths", other, "--min-score", 0.1)
        assert result.exit_code == 2 and other in result.stderr


def test_a_search_is_opened_as_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(Searcher, "open", lambda *given: asked.extend(given))
    options = ["--index", "there", "--captioner", "mine", "--beam", "5", "--captions", "2"]
    CliRunner().invoke(main, ["similar", "a.jpg", *options])
    assert asked == ["there", "mine", 5, 2]


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["similar"], "Missing argument"),
            (["text", "dog", "-k", "0"], "-k"),
            (["text", "dog", "--index", ""], "is empty; name a folder, or http"),
            (["text", "dog", "--min-score", "2"], "--min-score"),
            (["text", "dog", "--count"], "--count needs --min-score"),
            (["text", "dog", "--count", "--min-score", "1", "--html", "x.html"], "do not go with it"),
            (["text", "dog", "--count", "--fold-duplicates"], "do not go with it"),
            (["random", "--seed", "-1"], "is not in the range"),
            (["text", "dog", "--html", "/no/such/folder/x.html"], "no folder /no/such/folder"),
            (["text", "dog", "--montage", "/no/such/folder/x.png"], "no folder /no/such/folder"),
            (["compare", "none.jpg", "--html", "/no/such/folder/x.html"], "no folder /no/such/folder"),
            (["web", "a dog", "--html", "/no/such/folder/x.html"], "no folder /no/such/folder"),
            (["evaluate", "--insert", "/no/such/folder/x.md"], "no folder /no/such/folder"),
            (["similar", "a.jpg", "b.jpg", "--after", encode(CURSOR)], "one photo"),
            (["text", "dog", "--after", "x"], "not a cursor"),
            (["text", "dog", "--where", "colour"], "is written field=value, not 'colour'"),
            (["web", "a dog", "--provider", "urls"], "'urls' is not one of 'openverse', 'wikimedia'"),
            (["web", "a dog", "--provider", "page"], "'page' is not one of 'openverse', 'wikimedia'"),
        ],
    )
    def test_usage_is_exit_code_2(self, run: Run, arguments: list[str], message: str) -> None:
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr

    @pytest.mark.parametrize("option", ["--html", "--montage"])
    def test_a_full_disk_is_told_with_its_place(self, run: Run, option: str) -> None:
        result = run("text", "dog", option, "/dev/full")
        assert (result.exit_code, result.stderr) == (1, "Error: /dev/full: No space left on device\n")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["text", "dog", "--where", "colour=red"], "no field 'colour'"),
            (["text", "dog", "--after", encode(CURSOR)], "belongs to another search"),
            (["text", "dog", "--index", "/no/such/index"], "/no/such/index"),
        ],
    )
    def test_failure_is_exit_code_1_and_one_line(self, run: Run, arguments: list[str], message: str) -> None:
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_every_command_has_help_for_every_option() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert command.help
        assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_the_installed_way(where: str) -> None:
    """A process of its own: real stdout, real start, an environment with few characters."""
    call = "from search.cli import main; main(prog_name='search')"
    done = subprocess.run(
        [sys.executable, "-c", call, "text", "a dog in snow on a beach", "--unlike", "beach"],
        env={**os.environ, "CAPTION_INDEX": where, "PYTHONIOENCODING": "ascii", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "exact: all 3 matches" in done.stdout
    assert "words: dog snow" in done.stdout.splitlines()


@pytest.mark.parametrize("statement", ["import search, indexer", "import search.cli"])
def test_neither_torch_nor_the_elasticsearch_client_is_imported(statement: str) -> None:
    heavy = "torch", "torchvision", "elasticsearch", "PIL", "nltk"
    check = f"{statement}; import sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "[]\n"
