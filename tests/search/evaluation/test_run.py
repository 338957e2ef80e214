"""An evaluation as a whole, on data sets of a few captions: what is chosen is gathered, measured, written."""

from __future__ import annotations

import json
from itertools import combinations, product
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor

from captioner.captioner import Captioner
from captioner.effort import Effort
from captioner.photo_captioner import Caption
from captioner.streaming import StreamingCaptioner
from indexer.errors import IndexerError
from search.cli import main
from search.evaluation.evaluation import ARCHIVES
from search.evaluation.material import Choices, gather
from search.evaluation.report import BASELINE
from search.evaluation.rows import CLASS_WORDS, COSINE, SEVERAL, USUAL, extra_rows
from search.evaluation.run import run
from tests.captioner.noted import Noted
from tests.captioner.worlds import tiny_model
from tests.indexer.proxy import Handler, Proxy, error_body

SUBJECTS = ("a dog", "a brown dog", "two cats", "a man with a dog", "a woman", "a child and a ball")
PLACES = ("on the beach", "in the snow", "on a sofa", "in a red car")


def texts_of(number: int) -> list[str]:
    subject, place = SUBJECTS[number % len(SUBJECTS)], PLACES[number % len(PLACES)]
    return [f"{subject} {place}", f"{subject} stands {place} today", f"there is {subject} {place}"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve captioned photos, rated in pairs; four are queries and eight the archive in Flickr8k's form."""
    folder = tmp_path_factory.mktemp("data")
    for place in ("coco/annotations", "cxc", "flickr8k/images"):
        (folder / place).mkdir(parents=True)
    photos = range(1, 13)
    for number in photos:
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"flickr8k/images/{number}.jpg", "PNG")
    notes = [
        {"id": 10 * number + place, "image_id": number, "caption": caption}
        for number in photos
        for place, caption in enumerate(texts_of(number))
    ]
    images = [{"id": number, "file_name": f"{number:012}.jpg"} for number in photos]
    (folder / "coco/annotations/captions_tiny.json").write_text(
        json.dumps({"images": images, "annotations": notes})
    )
    pairs = [f"{one:012}.jpg,{other:012}.jpg,{(one * other) % 6}" for one, other in combinations(photos, 2)]
    (folder / "cxc/sis_val.csv").write_text("\n".join(["image1,image2,agg_score", *pairs]))
    rows = [f"{number}.jpg,{caption}" for number in photos for caption in texts_of(number)]
    (folder / "flickr8k/captions.txt").write_text("\n".join(["image,caption", *rows]))
    (folder / "flickr8k/dev.txt").write_text("".join(f"{number}.jpg\n" for number in photos[:4]))
    (folder / "flickr8k/train.txt").write_text("".join(f"{number}.jpg\n" for number in photos[4:]))
    return folder


def written(file: Path, word: str) -> Path:
    """Generated captions of all photos."""
    rows = [{"image": f"{number}.jpg", "caption": f"{word} {texts_of(number)[0]}"} for number in range(1, 13)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_without_captions_the_ratings_alone_are_material(data: Path) -> None:
    material = gather(Choices(data, elasticsearch="http://nowhere"))
    assert (len(material.pairs), len(material.rated)) == (66, 12)
    assert not (material.queries or material.generated or material.extras.elasticsearch)


def test_captions_come_from_the_files_of_each_way_to_decode(data: Path, tmp_path: Path) -> None:
    best, greedy = written(tmp_path / "best.jsonl", "best"), written(tmp_path / "greedy.jsonl", "greedy")
    material = gather(Choices(data, captions=best, greedy=greedy, queries=2, archive=5))
    assert (len(material.queries), len(material.archive)) == (2, 5)
    assert material.generated["1.jpg"] == ("best a brown dog in the snow",)
    assert {way: found["1.jpg"] for way, found in material.other_decodings.items()} == {
        "greedy": ("greedy a brown dog in the snow",)
    }


def test_a_caption_that_stands_in_for_a_generated_one_is_no_reference(data: Path) -> None:
    material = gather(Choices(data, hold_out=True))
    assert material.generated["1.jpg"] == (texts_of(1)[0],)
    assert material.queries["1.jpg"] == tuple(texts_of(1)[1:])


def test_the_outcome_is_what_the_files_say(data: Path, tmp_path: Path) -> None:
    watcher = Noted()
    best = written(tmp_path / "best.jsonl", "see")
    output, page = tmp_path / "report", tmp_path / "page.md"
    outcome = run(Choices(data, captions=best), output, insert=page, watcher=watcher)
    assert outcome.table == (output / "report.md").read_text() == page.read_text()
    rows = [result.row for result in outcome.results]
    assert watcher.remarks == [f"evaluating: {row}" for row in rows]
    assert watcher.stages == {f"evaluating {len(rows)}": 0} and sum(watcher.done) == len(rows)
    assert [row["row"] for row in json.loads((output / "report.json").read_text())["rows"]] == rows
    files = {file.name for file in output.iterdir()}
    assert {"quality-and-time.svg", "queries.jsonl", "relevance.qrels", "student-project.run"} <= files
    assert len([name for name in files if name.endswith(".run")]) == len(rows)
    assert outcome.improvements == ()  # of rows that only a captioner's captions have


BM25 = "BM25, Elasticsearch"


@pytest.mark.elasticsearch
def test_the_row_of_a_server_uses_the_credentials_and_leaves_nothing_there(
    data: Path, tmp_path: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: set[str] = set()

    def look(handler: Handler, path: str) -> bool:
        sent.add(handler.headers.get("authorization", ""))
        return False

    proxy.fault = look
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", "k3y")
    best = written(tmp_path / "best.jsonl", "see")
    outcome = run(Choices(data, captions=best, elasticsearch=proxy.url), tmp_path / "report")
    assert BM25 in [result.row for result in outcome.results]
    assert sent == {"ApiKey k3y"}
    names = {path.split("/")[1].partition("?")[0] for path in proxy.requests} - {"_bulk"}
    for name in names:
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{proxy.url}/{name}", timeout=30)
    assert len(names) == 5  # the first look, three archives, and one's own photos


def test_a_server_that_refuses_is_told_before_anything_is_done(data: Path, tmp_path: Path) -> None:
    best = written(tmp_path / "best.jsonl", "see")
    for url, message in (("http://127.0.0.1:9", "cannot connect"), ("localhost:9", "expected http")):
        with pytest.raises(IndexerError, match=message):
            run(Choices(data, captions=best, elasticsearch=url), tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.mark.elasticsearch
def test_a_server_that_fails_later_costs_its_row_alone(data: Path, tmp_path: Path, proxy: Proxy) -> None:
    def fault(handler: Handler, path: str) -> bool:
        if "_search" in path:
            handler.answer(503, error_body("no_shard_available_action_exception"))
        return "_search" in path

    proxy.fault = fault
    watcher = Noted()
    best = written(tmp_path / "best.jsonl", "see")
    chosen = Choices(data, captions=best, elasticsearch=proxy.url)
    outcome = run(chosen, tmp_path / "report", watcher=watcher)
    assert BM25 not in [result.row for result in outcome.results]
    assert any(line.startswith(f"left out: {BM25}: {proxy.url}/") for line in watcher.remarks)
    assert "english/3, embedded engine" in (tmp_path / "report" / "report.md").read_text()


class Describing(StreamingCaptioner):
    """Says what the captions of a photo say, and that it is seen. A photo's number is its colour."""

    name, identity, usual_beam = "describing", "describing@1", 3
    device, batch, smallest = torch.device("cpu"), 4, None

    def pixels(self, image: Image.Image) -> Tensor:
        return torch.from_numpy(np.array(image))

    def features(self, pixels: Tensor) -> Tensor:
        return pixels[:, 0, 0, 0]

    def write(self, features: Tensor, effort: Effort) -> list[tuple[Caption, ...]]:
        texts = [texts_of(int(number))[: effort.captions] for number in features]
        return [tuple(Caption(f"{text} is seen", -1.0) for text in some) for some in texts]


def test_a_captioners_captions_are_kept_and_what_they_gain_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioner.finding.open_captioner", lambda model: Describing())
    chosen, watcher = Choices(data, captioner="describing", cache=tmp_path / "cache"), Noted()
    outcome = run(chosen, tmp_path / "report", watcher=watcher)
    ways = ("beam1x1", "beam3x3", "beam5x5")  # greedy, as usual, and enough for five captions
    assert sorted(file.name for file in chosen.cache.iterdir()) == [
        f"describing@1-{way}.jsonl" for way in ways
    ]
    rows = len(outcome.results)
    names = ("captions beam5x5 12", "captions beam1x1 12", "captions beam3x3 12", f"evaluating {rows}")
    assert watcher.stages == dict(zip(names, (0, 12, 24, 36), strict=True))
    assert sum(watcher.done) == 36 + rows
    assert {(one.row, one.archive) for one in outcome.improvements} == set(
        product((USUAL, SEVERAL), ARCHIVES)
    )
    gained = {result.row: result.similar["both"].ndcg.value for result in outcome.results}
    [usual] = [one.times for one in outcome.improvements if (one.row, one.archive) == (USUAL, "both")]
    assert usual == gained[USUAL] / gained[BASELINE]


def test_the_cosine_is_of_the_encoder_of_the_captioner(data: Path, tmp_path: Path) -> None:
    """Without a captioner there is no such row: ImageNet's encoder is another one."""
    model = tiny_model(tmp_path / "mine")
    for given, rows in (
        ({"captioner": str(model)}, {COSINE, CLASS_WORDS}),
        ({"captions": written(tmp_path / "best.jsonl", "see")}, {CLASS_WORDS}),
    ):
        material = gather(Choices(data, pictures=True, cache=tmp_path / "cache", **given))
        assert {row.name for row in extra_rows(material.extras)} == rows
        assert set(material.extras.nouns) == {f"{number}.jpg" for number in range(1, 13)}
    kept = {file.name.rpartition("-")[0] for file in (tmp_path / "cache").glob("*.npz")}
    assert kept == {f"{Captioner.load(model).identity}-features", "imagenet-classes"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--captioner one --hold-out", "--captioner and --hold-out: captions come from one place; "),
        ("--captions FILE --captioner one", "--captions and --captioner: captions come from one place; "),
        ("--hold-out --greedy FILE", "--greedy is of no use without --captions"),
        ("--captions FILE --beam 3", "--beam is of no use without --captioner"),
        ("--hold-out --several 3", "--several is of no use without --captioner"),
        ("--pictures", "--pictures is of no use without --captions or --captioner or --hold-out"),
        ("--queries 5", "--queries is of no use without --captions or --captioner or --hold-out"),
        ("--elasticsearch http://x", "--elasticsearch is of no use without --captions or --captioner or"),
        ("--hold-out --cache CACHE", "--cache is of no use without --captioner or --pictures"),
        ("--run FILE", "--run is of no use without --relevance"),
        ("--relevance FILE", "--relevance is of no use without --run"),
        ("--run FILE --relevance FILE --seed 0", "--run and --seed: a ranking is measured by --relevance "),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    options: str, message: str, data: Path, tmp_path: Path
) -> None:
    file = written(tmp_path / "file.jsonl", "see")
    line = options.replace("FILE", str(file)).replace("CACHE", str(tmp_path)).split()
    found = CliRunner().invoke(main, ["evaluate", *line], env={"CAPTION_DATA": str(data)})
    assert found.exit_code == 2
    assert found.stderr.splitlines()[-1].startswith(f"Error: {message}")


def test_what_the_environment_names_need_not_be_of_use(data: Path, tmp_path: Path) -> None:
    """A server that is named there is for other commands, too."""
    line = ["evaluate", "--output", str(tmp_path / "report")]
    named = {"CAPTION_DATA": str(data), "ELASTICSEARCH_URL": "http://nowhere"}
    assert CliRunner().invoke(main, line, env=named).exit_code == 0


def test_the_command_prints_the_table_alone(data: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, ["evaluate", "--data", str(data), "--output", str(tmp_path / "report")], catch_exceptions=False
    )
    assert (done.exit_code, done.stdout) == (0, (tmp_path / "report" / "report.md").read_text())
    assert {file.name for file in (tmp_path / "report").iterdir()} == {"report.md", "report.json"}
