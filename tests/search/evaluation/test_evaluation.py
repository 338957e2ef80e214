"""The evaluation itself: rankers agree, the student's faults are kept, and one small real run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import pytrec_eval
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from captioner.captioner import Captioner
from captioner.checkpoint import Checkpoint
from captioner.configuration import ModelConfig
from captioner.model import CaptionModel
from captioner.photo import open_photo
from captioner.tokens import analyzer
from search.cli import main
from search.errors import EvaluationError
from search.evaluation.captions import captions_of, read_captions
from search.evaluation.data import flickr8k
from search.evaluation.encoder_output import class_nouns, pooled_features
from search.evaluation.engines import IndexRanker
from search.evaluation.evaluation import Material, archive_captions, rows_with_material
from search.evaluation.exchange import read_run, write_run
from search.evaluation.gains import cider_relevance
from search.evaluation.rankers import (
    EvaluationQuery,
    RandomRanker,
    SetRanker,
    StudentRanker,
    weighted_jaccard,
)
from search.evaluation.report import BEGIN, END, insert
from search.evaluation.rows import BY_RARITY, OTHER_DECODINGS
from tests.captioner.noted import Noted
from tests.captioner.worlds import TINY, WORDS, tiny_checkpoint
from tests.full_disk import full_disk

ARCHIVE = {
    "dog": ("a dog runs on the beach", "a brown dog by the sea"),
    "cat": ("a cat sleeps on a sofa",),
    "man": ("a man with a dog",),
}
captions = st.lists(st.sampled_from("dog cat man beach zebra run sofa".split()), max_size=5).map(" ".join)


@given(st.lists(st.lists(captions, min_size=1, max_size=3), min_size=1, max_size=8), captions)
def test_the_ranker_orders_images_by_their_best_weighted_jaccard(groups: list[list[str]], asked: str) -> None:
    archive = {f"image{number}": tuple(group) for number, group in enumerate(groups)}
    tokens = analyzer("english/3")

    def weight(token: str) -> float:
        return 1.0 + len(token) / 4

    query = tokens(asked)
    scores = {
        image: max(weighted_jaccard(query, tokens(one), weight) for one in group)
        for image, group in archive.items()
    }
    found = SetRanker(archive, tokens, weight).rank(EvaluationQuery("q", (asked,)), 3)
    wanted = sorted((score for score in scores.values() if score > 0), reverse=True)[:3]
    assert [scores[image] for image in found] == pytest.approx(wanted)


def test_the_embedded_engine_gives_the_rankers_answer(tmp_path: Path) -> None:
    engine = IndexRanker(ARCHIVE, "english/3", tmp_path)
    try:
        for asked in ("a dog on a beach", "a cat", "a man and his dog by the sea"):
            query = EvaluationQuery("q", (asked,))
            assert engine.rank(query, 3) == SetRanker(ARCHIVE, analyzer("english/3")).rank(query, 3)
    finally:
        engine.close()


def test_the_student_project_shows_the_best_last_and_an_image_twice() -> None:
    tokens = analyzer("seed/1")
    asked = EvaluationQuery("q", ("a dog runs on the beach",))
    assert StudentRanker(ARCHIVE, tokens).rank(asked, 3)[-1] == "dog"
    whole = StudentRanker(ARCHIVE, tokens).rank(asked, 10)
    assert whole.count("dog") == 2
    assert StudentRanker(ARCHIVE, tokens, mended=True).rank(asked, 10) == ["dog", "man", "cat"]


def test_random_ranking_is_the_same_again_and_names_no_image_twice() -> None:
    first = RandomRanker(ARCHIVE, seed=5).rank(EvaluationQuery("q", ("",)), 3)
    assert sorted(first) == sorted(ARCHIVE)
    assert RandomRanker(ARCHIVE, seed=5).rank(EvaluationQuery("q", ("",)), 3) == first


def test_photos_that_people_describe_alike_are_relevant_to_each_other() -> None:
    queries = {"q": ("a dog runs on the beach",)}
    relevance = cider_relevance(queries, ARCHIVE)["q"]
    assert sorted(relevance, key=lambda image: relevance[image]) == ["cat", "man", "dog"]
    # The same single caption is as alike as can be: CIDEr 10, in thousandths.
    same = cider_relevance(
        {"q": ("a cat sleeps on a sofa",)}, {"cat": ("a cat sleeps on a sofa",), **ARCHIVE}
    )
    assert same["q"]["cat"] == 10_000


def test_rows_read_the_captions_of_their_own_way_to_decode(tmp_path: Path) -> None:
    written = {
        way: {image: (f"{way} {image}", f"{way} {image} again") for image in ("q", *ARCHIVE)}
        for way in ("beam", *OTHER_DECODINGS)
    }
    material = Material(
        (),
        {},
        {"q": ("a dog",)},
        ARCHIVE,
        written["beam"],
        {},
        {way: written[way] for way in OTHER_DECODINGS},
    )
    found = {row.decoding: row for row in rows_with_material(material, 1, tmp_path)}
    assert set(found) == {"beam", *OTHER_DECODINGS}
    for way, row in found.items():
        assert archive_captions(row, material, "generated")["dog"] == written[way]["dog"][: row.archived]
        assert archive_captions(row, material, "both")["cat"][0] == ARCHIVE["cat"][0]
    without = replace(material, other_decodings={})
    assert {row.decoding for row in rows_with_material(without, 1, tmp_path)} == {"beam"}


def test_generated_captions_are_read_in_order_and_errors_left_out(tmp_path: Path) -> None:
    file = tmp_path / "captions.jsonl"
    rows = [
        {"image": "photos/a.jpg", "caption": "best"},
        {"image": "photos/a.jpg", "caption": "second"},
        {"image": "photos/b.jpg", "error": "not a photo"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    known = read_captions(file)
    assert known == {"a.jpg": ("best", "second")}
    assert captions_of(["a.jpg"], known, 1) == {"a.jpg": ("best",)}
    with pytest.raises(EvaluationError, match=r"no generated caption for b.jpg \(1 of 2 images\)"):
        captions_of(["a.jpg", "b.jpg"], known)
    file.write_text('{"image": "a.jpg"}\n')
    with pytest.raises(EvaluationError, match="line 1: not an object with image and caption"):
        read_captions(file)


@pytest.mark.parametrize(
    ("line", "image", "caption"),
    [
        pytest.param(
            '{"image": "a.jpg", "caption": "a dog\u2028runs"}', "a.jpg", "a dog\u2028runs", id="U+2028"
        ),
        pytest.param('\ufeff{"image": "a.jpg", "caption": "a dog"}', "a.jpg", "a dog", id="byte order mark"),
        pytest.param('{"image_id": 7, "caption": "a dog"}', "7", "a dog", id="a number for an id"),
    ],
)
def test_a_file_of_captions_is_read_as_the_index_reads_it(
    line: str, image: str, caption: str, tmp_path: Path
) -> None:
    file = tmp_path / "captions.jsonl"
    file.write_text(line + "\n", "utf-8")
    assert read_captions(file) == {image: (caption,)}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [("[1]", "line 1: is not a JSON object"), ('{"image": 7, "caption": "a"}', "line 1: not an object with")],
)
def test_a_bad_line_of_captions_is_named(line: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "captions.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(EvaluationError, match=complaint):
        read_captions(file)


@pytest.mark.parametrize("name", ["images", "Images"])
def test_the_photos_of_flickr8k_lie_where_the_captioner_finds_them(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "captions.txt").write_text("image,caption\na.jpg,A dog .\n")
    (tmp_path / "dev.txt").write_text("a.jpg\n")
    assert flickr8k(tmp_path, "dev").paths() == [tmp_path / name / "a.jpg"]


def test_the_table_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    insert(f"{BEGIN}\nnew\n{END}\n", file)
    assert file.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    insert(f"{BEGIN}\nnewer\n{END}\n", tmp_path / "fresh.md")
    assert (tmp_path / "fresh.md").read_text() == f"{BEGIN}\nnewer\n{END}\n"


def test_a_run_from_anywhere_can_be_measured(tmp_path: Path) -> None:
    (tmp_path / "r.run").write_text("q Q0 a 1 0.9 me\nq Q0 b 2 0.8 me\n")
    (tmp_path / "q.qrels").write_text("q 0 a 1\n")
    options = ["evaluate", "--run", str(tmp_path / "r.run"), "--relevance", str(tmp_path / "q.qrels")]
    done = CliRunner().invoke(main, options)
    assert json.loads(done.output) == {"queries": 1, "ndcg@10": 1.0}


def test_equal_scores_are_read_as_trec_eval_reads_them(tmp_path: Path) -> None:
    run = {"a": 1.0, "c": 1.0, "b": 1.00000001, "é": 1.0, "d": 1.000001, "first": 1e300, "last": -1.0}
    file = tmp_path / "r.run"
    file.write_text("".join(f"q Q0 {image} 1 {score!r} me\n" for image, score in run.items()), "utf-8")
    [found] = read_run(file).values()
    assert found == ["first", "d", "é", "c", "b", "a", "last"]
    for place, image in enumerate(found, start=1):
        judged = pytrec_eval.RelevanceEvaluator({"q": {image: 1}}, {"recip_rank"}).evaluate({"q": run})
        assert judged["q"]["recip_rank"] == pytest.approx(1 / place)


def test_an_exported_run_is_read_back_in_its_order(tmp_path: Path) -> None:
    rankings = {"q": ["b", "c", "a", "d"], "other": ["z"]}
    write_run(tmp_path / "r.run", rankings, "me")
    assert read_run(tmp_path / "r.run") == rankings


def test_a_score_that_is_no_number_is_said(tmp_path: Path) -> None:
    file = tmp_path / "r.run"
    for score in ("high", "nan"):
        file.write_text(f"q Q0 a 1 1.0 me\nq Q0 b 2 {score} me\n")
        with pytest.raises(EvaluationError, match=f"line 2: the score '{score}' is no number"):
            read_run(file)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["evaluate"], env={"CAPTION_DATA": ""}).exit_code == 2
    done = CliRunner().invoke(main, ["evaluate", "--data", str(tmp_path)])
    assert (done.exit_code, len(done.output.splitlines())) == (1, 1)


def test_a_table_is_put_into_text_alone(tmp_path: Path) -> None:
    file = tmp_path / "plot.png"
    for content, said in ((b"\x89PNG", "is no text in UTF-8"), (b"# Figures", "--data DIR")):
        file.write_bytes(content)
        done = CliRunner().invoke(main, ["evaluate", "--insert", str(file)], env={"CAPTION_DATA": ""})
        assert done.exit_code == 2 and said in done.output
        assert file.read_bytes() == content


def test_a_small_real_evaluation_writes_its_report(shared_data: Path, tmp_path: Path) -> None:
    output, page = tmp_path / "report", tmp_path / "evaluation.md"
    options = ["--hold-out", "--queries", "12", "--archive", "120", "--elasticsearch", ""]
    done = CliRunner().invoke(
        main,
        ["evaluate", "--data", str(shared_data), *options, "--output", str(output), "--insert", str(page)],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    report = json.loads((output / "report.json").read_text())
    rows = {row["row"]: row for row in report["rows"]}
    # The figures of the design, reproduced; and the goal for the default analyzer, one against five.
    assert rows["student project"]["spearman_one"]["value"] == pytest.approx(0.305, abs=0.001)
    assert rows["words/1"]["spearman_one"]["value"] == pytest.approx(0.328, abs=0.002)
    assert rows["english/3"]["spearman_one"]["low"] > 0.46
    assert rows["random"]["ndcg10_both"]["value"] < rows["english/3"]["ndcg10_both"]["value"]
    assert rows["english/3, embedded engine"]["ndcg10_both"] == rows["english/3"]["ndcg10_both"]
    assert set(report["origin"]["data_sha256"]) == {"coco captions", "ratings", "flickr8k captions"}
    assert "| english/3 |" in page.read_text()
    assert (output / "quality-and-time.svg").read_text().count("<svg") == 1
    assert (output / "student-project.run").exists() and (output / "relevance.qrels").exists()


def test_a_disk_that_fills_leaves_nothing_of_what_the_encoder_saw(photos: Path, tmp_path: Path) -> None:
    with full_disk(), pytest.raises(OSError, match=r"imagenet-classes-.*\.npz"):
        class_nouns([photos / "chelsea.png"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_photos_are_looked_at_once(photos: Path, tmp_path: Path) -> None:
    """By the encoder as ImageNet left it, which is sure of the cat."""
    paths, watcher = [photos / "chelsea.png", photos / "rocket.jpg"], Noted()
    seen, again = (class_nouns(paths, tmp_path, watcher) for _ in range(2))
    assert (watcher.stages, watcher.done) == ({"class words 2": 0}, [2])
    assert again == seen
    assert "cat" in seen["chelsea.png"] and "cat" not in seen["rocket.jpg"]


def test_features_are_those_of_the_captioner_itself(photos: Path, tmp_path: Path) -> None:
    """Of its own encoder, which may have been trained further; kept for each model apart, made once."""
    paths, watcher = [photos / "chelsea.png", photos / "rocket.jpg"], Noted()
    checkpoint = tiny_checkpoint()
    one = Captioner(replace(checkpoint, digest="1"), "tiny", "cpu")
    found = pooled_features(one, paths, tmp_path, watcher)
    pixels = torch.stack([one.pixels(open_photo(path, one.smallest)) for path in paths])
    for path, places in zip(paths, one.features(pixels), strict=True):
        torch.testing.assert_close(torch.from_numpy(found[path.name]), places.mean(dim=0))
    with torch.no_grad():
        for weight in checkpoint.model.encoder.parameters():
            weight.mul_(0.9)
    other = Captioner(replace(checkpoint, digest="2"), "tiny", "cpu")
    assert (pooled_features(other, paths, tmp_path, watcher)["rocket.jpg"] != found["rocket.jpg"]).any()
    again = pooled_features(one, paths, tmp_path, watcher)
    assert watcher.done == [2, 2] and (again["rocket.jpg"] == found["rocket.jpg"]).all()


def test_features_that_are_pooled_already_are_taken_as_they_are(photos: Path, tmp_path: Path) -> None:
    settings = ModelConfig("resnet101", "show_and_tell", 16, 16, preprocess=TINY.preprocess)
    student = Captioner(Checkpoint(CaptionModel(settings, len(WORDS)).eval(), WORDS), "student", "cpu")
    found = pooled_features(student, [photos / "chelsea.png"], tmp_path)
    assert found["chelsea.png"].shape == (16,)


def test_the_rarity_of_a_word_is_the_same_whatever_else_is_evaluated(tmp_path: Path) -> None:
    """It came from the archive where there was one, and the row's agreement with people moved with it."""
    ratings_only = Material((), ARCHIVE, {}, {}, {}, {})
    whole = replace(
        ratings_only, queries={"q": ("a zebra",)}, archive={"z": ("a zebra",)}, generated={"z": ("",)}
    )
    one, other = (
        next(row for row in rows_with_material(material, 1, tmp_path) if row.name == BY_RARITY)
        for material in (ratings_only, whole)
    )
    assert {token: one.weight(token) for token in ("dog", "zebra")} == {
        token: other.weight(token) for token in ("dog", "zebra")
    }
    assert one.weight("zebra") > one.weight("dog")
