"""Searching the web from a photo, against a site that speaks a provider's API."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from captioner.photo import Photo, open_photo
from captioner.photo_captioner import Captioned
from captioner.tokens import FUNCTION_WORDS
from indexer.scrape.providers import Provider
from indexer.scrape.providers.openverse import Openverse
from search.cli import main
from search.errors import QueryError
from search.web_search import Watch, folder_name, search_web, web_queries
from tests.captioners import WithoutModel
from tests.indexer.scrape.apis import Apis, Picture
from tests.indexer.scrape.conftest import SETTINGS, site  # noqa: F401 - a fixture
from tests.indexer.scrape.pictures import jpeg
from tests.indexer.scrape.site import Answer, Site

CAPTIONS = (
    "a man riding a motorcycle on a street",
    "a man riding a horse on a beach",
    "two cats on a sofa",
    "a motorcycle parked on a street",
)


class Knowing(WithoutModel):
    """Knows some pictures by their content."""

    def __init__(self, captions: Mapping[bytes, str]) -> None:
        super().__init__("knowing")
        self.captions = {hashlib.sha256(body).hexdigest(): caption for body, caption in captions.items()}
        self.asked: list[str] = []
        self.beams: list[int | None] = []

    def stream(
        self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
    ) -> Iterator[Captioned]:
        self.beams.append(beam)
        return super().stream(photos, beam=beam, captions=captions)

    def texts(self, name: str, image: Image.Image) -> Iterable[str]:
        self.asked.append(name)
        return [self.captions[hashlib.sha256(Path(name).read_bytes()).hexdigest()]]


@pytest.fixture
def captioner() -> Knowing:
    return Knowing({jpeg(number): caption for number, caption in enumerate(CAPTIONS)})


@pytest.fixture
def apis(site: Site) -> Apis:  # noqa: F811
    return Apis(site)


@pytest.fixture
def openverse(apis: Apis) -> Provider:
    return Openverse(apis.environment()["OPENVERSE_ENDPOINT"], delay=0.0)


def _pictures(apis: Apis, numbers: Iterable[int]) -> list[Picture]:
    return [Picture(apis.site.photo(f"/{number}.jpg", jpeg(number)), "Untold") for number in numbers]


def test_queries_are_content_words_ever_fewer() -> None:
    assert web_queries("A man riding a motorcycle on the street, a motorcycle!") == [
        "man riding motorcycle street",
        "man riding motorcycle",
        "man riding",
    ]
    assert web_queries("cats") == ["cats"]
    longest = web_queries("one red two blue three green four black five white six pink")[0].split()
    assert len(longest) == 6
    assert not FUNCTION_WORDS & set(longest)


def test_a_caption_without_content() -> None:
    with pytest.raises(QueryError, match="nothing to search for: 'it is what it is' holds no word"):
        web_queries("it is what it is")
    with pytest.raises(QueryError, match="of …' holds no word that counts"):
        web_queries("of the " * 20)


@pytest.mark.parametrize(
    "query", ["../../etc", "a/b\\c", "..", "x" * 300, "東京 の 猫", "猫が庭で" * 30, "\udcff cat", "-rf", ""]
)
def test_a_query_names_a_folder_of_one_level(query: str) -> None:
    name = folder_name(query)
    assert Path(name).name == name
    assert not name.startswith((".", "-"))
    assert 0 < len(name.encode()) <= 109


def test_queries_with_one_long_beginning_have_folders_of_their_own(tmp_path: Path) -> None:
    names = {folder_name("猫" * 100), folder_name("猫" * 101), folder_name("x" * 100 + "a"), "x" * 100}
    assert len(names) == 4
    assert folder_name("x" * 100) in names
    for name in names:
        (tmp_path / name).mkdir()


def test_downloads_are_ranked_by_their_own_captions(
    apis: Apis, openverse: Provider, captioner: Knowing, tmp_path: Path
) -> None:
    apis.pictures["man riding motorcycle street"] = _pictures(apis, range(4))
    settings = replace(SETTINGS, per_query=4)
    found = search_web(CAPTIONS[0], captioner, [openverse], tmp_path, settings, k=3)
    assert found.queries == ("man riding motorcycle street",)
    assert found.results.exact
    assert found.results.hits[0].caption == CAPTIONS[0]
    assert found.results.hits[0].jaccard == 1.0
    assert {hit.caption for hit in found.results.hits} == {CAPTIONS[0], CAPTIONS[1], CAPTIONS[3]}
    assert {hit.kind for hit in found.results.hits} == {"generated"}
    assert all(Path(hit.image).is_relative_to(tmp_path) for hit in found.results.hits)
    assert found.results.hits[0].record.license == "CC BY-SA 2.0"


def test_the_photo_and_what_is_downloaded_are_captioned_with_the_same_beam(
    apis: Apis, openverse: Provider, captioner: Knowing, tmp_path: Path
) -> None:
    apis.pictures["man riding motorcycle street"] = _pictures(apis, range(4))
    (tmp_path / "mine.jpg").write_bytes(jpeg(0))
    settings = replace(SETTINGS, per_query=4)
    found = search_web(
        tmp_path / "mine.jpg", captioner, [openverse], tmp_path, settings, beam=7, min_score=0.9
    )
    assert len(captioner.beams) >= 2 and set(captioner.beams) == {7}
    assert [hit.caption for hit in found.results.hits] == [CAPTIONS[0]]


def test_shorter_queries_follow_while_too_little_is_found(
    apis: Apis, openverse: Provider, captioner: Knowing, tmp_path: Path
) -> None:
    apis.pictures["man riding motorcycle"] = _pictures(apis, [0])
    apis.pictures["man riding"] = _pictures(apis, [0, 1, 2])
    found = search_web(CAPTIONS[0], captioner, [openverse], tmp_path, replace(SETTINGS, per_query=3))
    assert found.queries == ("man riding motorcycle street", "man riding motorcycle", "man riding")
    assert len(list(found.folder.glob("images/*/*"))) == 2
    assert found.report.found.total() == 3


def test_no_caption_with_a_word_to_do_without_answers(
    apis: Apis, openverse: Provider, captioner: Knowing, tmp_path: Path
) -> None:
    apis.pictures["man riding motorcycle street"] = _pictures(apis, range(4))
    found = search_web(CAPTIONS[0], captioner, [openverse], tmp_path, SETTINGS, without=iter(["motorcycles"]))
    assert found.results.filtered
    assert found.results.hits and not any("motorcycle" in hit.caption for hit in found.results.hits)


@pytest.mark.parametrize("wanted", [{"k": 0}, {"min_score": 2.0}])
def test_what_no_answer_can_be_is_told_before_anything_is_asked(
    apis: Apis, openverse: Provider, captioner: Knowing, tmp_path: Path, wanted: dict[str, Any]
) -> None:
    asked: list[str] = []
    with pytest.raises(QueryError, match=r"hits wanted|least score"):
        search_web(
            CAPTIONS[0],
            captioner,
            [openverse],
            tmp_path,
            SETTINGS,
            watch=Watch(on_query=asked.append),
            **wanted,
        )
    assert not asked and not any(tmp_path.iterdir())


def test_the_same_search_again_downloads_and_captions_nothing(
    apis: Apis, openverse: Provider, captioner: Knowing, tmp_path: Path
) -> None:
    apis.pictures["man riding motorcycle street"] = _pictures(apis, range(4))
    settings = replace(SETTINGS, per_query=4)
    first = search_web(CAPTIONS[0], captioner, [openverse], tmp_path, settings)
    asked, captioned = len(apis.site.paths()), len(captioner.asked)
    again = search_web(CAPTIONS[0], captioner, [openverse], tmp_path, settings)
    assert again.results.hits == first.results.hits
    assert [path for path in apis.site.paths()[asked:] if path.endswith(".jpg")] == []
    assert len(captioner.asked) == captioned


def test_what_was_taken_earlier_counts(
    apis: Apis, openverse: Provider, captioner: Knowing, tmp_path: Path
) -> None:
    apis.pictures["man riding motorcycle street"] = _pictures(apis, [0])
    apis.pictures["man riding motorcycle"] = _pictures(apis, [1])
    apis.pictures["man riding"] = _pictures(apis, [2, 3])
    settings = replace(SETTINGS, per_query=2)
    for _ in range(3):
        found = search_web(CAPTIONS[0], captioner, [openverse], tmp_path, settings)
        assert found.queries == ("man riding motorcycle street", "man riding motorcycle")
        assert found.report.taken == 2
        assert len(list(found.folder.glob("images/*/*"))) == 2
    more = search_web(CAPTIONS[0], captioner, [openverse], tmp_path, replace(SETTINGS, per_query=4))
    assert len(list(more.folder.glob("images/*/*"))) == 4


def test_shorter_queries_ask_again_neither_what_is_spent_nor_what_failed(
    apis: Apis, openverse: Provider, captioner: Knowing, tmp_path: Path
) -> None:
    busy = apis.site.url("/busy.jpg")
    apis.site.pages["/busy.jpg"] = Answer(status=500)
    apis.pictures["man riding motorcycle street"] = [*_pictures(apis, [0]), Picture(busy, "Untold")]
    found = search_web(CAPTIONS[0], captioner, [openverse], tmp_path, SETTINGS)
    assert len(found.queries) == 3
    assert apis.site.paths().count("/busy.jpg") == 1
    apis.site.asked.clear()
    apis.site.pages["/v1/images/"] = Answer(b'{"detail": "wrong token"}', "application/json", status=403)
    refreshing = replace(SETTINGS, refresh=True)
    told = search_web(CAPTIONS[0], captioner, [openverse], tmp_path, refreshing).report.unanswered
    assert [one.reason for one in told] == ["key", "not-asked", "not-asked"]
    assert apis.site.paths().count("/v1/images/") == 1


def test_nothing_found_says_why(apis: Apis, openverse: Provider, captioner: Knowing, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="the web gave no photo for 'two cats sofa': nothing was found"):
        search_web(CAPTIONS[2], captioner, [openverse], tmp_path, SETTINGS)
    apis.site.pages["/v1/images/"] = Answer(b"{}", "application/json", status=403)
    with pytest.raises(QueryError, match="HTTP 403"):
        search_web(CAPTIONS[3], captioner, [openverse], tmp_path, SETTINGS)


def test_who_found_nothing_is_asked_again_the_next_time(
    apis: Apis, openverse: Provider, captioner: Knowing, tmp_path: Path
) -> None:
    with pytest.raises(QueryError):
        search_web(CAPTIONS[2], captioner, [openverse], tmp_path, SETTINGS)
    assert [*tmp_path.iterdir()] == []
    apis.pictures["two cats sofa"] = _pictures(apis, [2])
    found = search_web(CAPTIONS[2], captioner, [openverse], tmp_path, SETTINGS)
    assert [hit.caption for hit in found.results.hits] == [CAPTIONS[2]]


@pytest.fixture
def command(apis: Apis, captioner: Knowing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """`search web` without its query, with this captioner and the site's API."""
    monkeypatch.setattr("captioner.finding.open_captioner", lambda model: captioner)
    for name, value in apis.environment().items():
        monkeypatch.setenv(name, value)
    apis.pictures["man riding motorcycle street"] = _pictures(apis, range(4))
    local = ["--allow-network", "127.0.0.1", "--delay", "0", "--contact", "mailto:tests@example.org"]
    return ["web", "--provider", "openverse", "--per-query", "4", "-o", str(tmp_path / "web"), *local]


def test_the_command_shows_a_table(command: list[str], tmp_path: Path) -> None:
    photo = tmp_path / "mine.jpg"
    photo.write_bytes(jpeg(0))
    result = CliRunner().invoke(main, [*command, str(photo), "--montage", str(tmp_path / "hits.png")])
    assert result.exit_code == 0, result.output
    assert "+horse" in result.stdout
    assert "asking the web for: man riding motorcycle street" in result.stderr
    assert open_photo(tmp_path / "hits.png").width > 100


def test_the_command_calls_no_part_of_the_answer_all(command: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, CAPTIONS[0], "-k", "2"])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("exact: the true top 2 of 4 captions, ")
    assert "--after" not in result.output


def test_the_answer_is_among_what_the_captioner_wrote(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither titles nor what another captioner wrote earlier can answer, so none of them is counted."""
    other = Knowing({jpeg(number): "two men riding a horse" for number in range(4)})
    other.identity = "other@12345678"
    with monkeypatch.context() as earlier:
        earlier.setattr("captioner.finding.open_captioner", lambda model: other)
        assert CliRunner().invoke(main, [*command, CAPTIONS[0]]).exit_code == 0
    result = CliRunner().invoke(main, [*command, CAPTIONS[0]])
    assert re.match(r"exact: all 3 matches of 4 captions, [34] examined", result.stdout.splitlines()[-1])
    assert json.loads(CliRunner().invoke(main, [*command, CAPTIONS[0], "--json"]).stdout)["captions"] == 4


def test_the_command_gives_json(command: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, CAPTIONS[0], "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["query"]["caption"] == CAPTIONS[0]
    assert answer["exact"] is True
    assert answer["hits"][0]["jaccard"] == 1.0
    assert {hit["source"] for hit in answer["hits"]} == {"scraped"}


@pytest.mark.parametrize("caption", ["", "the of"])
def test_a_question_without_a_word_is_answered_by_nothing(command: list[str], caption: str) -> None:
    """As by `search text`."""
    result = CliRunner().invoke(main, [*command, caption])
    said = f"nothing to search for: {caption!r} holds no word that counts\n"
    assert (result.exit_code, result.stdout.strip(), result.stderr) == (0, "", said)
    answer = json.loads(CliRunner().invoke(main, [*command, caption, "--json"]).stdout)
    assert (answer["query"], answer["hits"]) == ({"caption": caption, "tokens": []}, [])


def test_words_to_do_without_are_no_question(command: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, "--", "-dogs"])
    said = "nothing to search for: give a word to look for besides those to do without\n"
    assert (result.exit_code, result.stdout.strip(), result.stderr) == (0, "", said)


def test_a_word_to_do_without_that_does_not_count_is_told(command: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, "the of", "--without", "the"])
    assert result.exit_code == 0
    assert result.stderr.endswith("\n--without 'the' is ignored: it has only stop words\n")


def test_nothing_found_is_one_clear_line(command: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, "purple elephants"])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: the web gave no photo for 'purple elephants'")
