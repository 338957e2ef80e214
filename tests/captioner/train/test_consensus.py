"""A model is given a consensus, keeps it on disk, writes by it, and loses it when it is trained on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from captioner import checkpoint
from captioner.captioner import Captioner
from captioner.cli import main
from captioner.configuration import CONFIGURATIONS, ConsensusSizes
from captioner.datasets import CaptionedPhoto
from captioner.decode import decode
from captioner.decoding_settings import usual_decoding
from captioner.effort import Effort
from captioner.errors import DataError, ModelError
from captioner.guides.consensus import Consensus
from captioner.guides.noun_phrases import NounPhrases
from captioner.model import CaptionModel
from captioner.model_folder import read_config
from captioner.train.consensus import add_consensus
from captioner.train.run import BEST, STATE, TrainingData, TrainingRun, train
from captioner.training_record import seen_in_training
from tests.captioner.noted import Noted
from tests.captioner.train.test_run import Watch
from tests.captioner.worlds import (
    RECIPE,
    TINY,
    WORDS,
    coloured_photos,
    tiny_checkpoint,
    tiny_model,
    write_coco,
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[CaptionedPhoto]:
    return coloured_photos(tmp_path_factory.mktemp("photos"), 36)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(
        tmp_path_factory.mktemp("plain") / "model",
        data=["something"],
        scores={"CIDEr-D": 0.5},
        dev_cider_d=0.5,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, plain: Path, photos: Sequence[CaptionedPhoto]) -> Path:
    out = tmp_path_factory.mktemp("made") / "model"
    add_consensus(plain, photos, ("colours",), out, "cpu", watcher=(noted := Noted()))
    assert sum(noted.done) == 2 * len(photos)  # they are looked at, and their features made
    return out


def test_photos_are_captioned_by_what_such_photos_are_called(
    photos: Sequence[CaptionedPhoto], tmp_path: Path
) -> None:
    """The decoder likes all words alike: what is said of the colours comes from the consensus alone."""
    made = tiny_checkpoint()
    with torch.no_grad():
        for parameter in made.model.decoder.parameters():
            parameter.zero_()
    checkpoint.save(made, tmp_path / "plain")
    add_consensus(tmp_path / "plain", photos, (), tmp_path / "made", "cpu")
    captions = Captioner.load(tmp_path / "made", "cpu").caption([photo.image for photo in photos], beam=5)
    for photo, caption in zip(photos, captions, strict=True):
        assert photo.captions[0].split()[1] in caption.text.split()


def test_the_caption_is_the_best_of_all_that_the_beam_closed(made: Path) -> None:
    captioner = Captioner.load(made, "cpu")
    consensus = captioner.model.consensus
    assert consensus is not None
    features = torch.randn(4, TINY.grid**2, captioner.model.encoder.channels)
    found = consensus.rank(features, decode(captioner.decoder, features, captioner.decoding(3)))
    assert max(map(len, found)) > 3
    written = captioner.write(features, Effort(3, 1, 0.0))
    assert [[one.text for one in row] for row in written] == [
        [" ".join(WORDS.decode(row[0].ids))] for row in found
    ]
    several = captioner.write(features, Effort(3, 3, 0.0))
    for row, first in zip(several, written, strict=True):
        assert row[0].text == first[0].text and len(row) == 3
        assert [one.score for one in row] == sorted((one.score for one in row), reverse=True)


def test_greedy_and_diverse_captions_are_as_the_decoder_ranks_them(made: Path) -> None:
    captioner = Captioner.load(made, "cpu")
    assert not captioner.decoding(1).runners_up
    assert not captioner.decoding(3, 3, 0.5).runners_up
    features = torch.randn(3, TINY.grid**2, captioner.model.encoder.channels)
    greedy = decode(captioner.decoder, features, captioner.decoding(1))
    assert [row[0].score for row in captioner.write(features, Effort(1, 1, 0.0))] == [
        row[0].score for row in greedy
    ]


def test_a_model_remembers_what_its_consensus_is_of(
    made: Path, plain: Path, photos: Sequence[CaptionedPhoto]
) -> None:
    about = checkpoint.load(made).about
    assert about["data"] == ["something", "colours"]
    assert not about.keys() & {"scores", "dev_cider_d"}
    names = [photo.name for photo in photos]
    assert seen_in_training(about, [*names, "other.png"]) == names
    assert Captioner.load(made, "cpu").identity != Captioner.load(plain, "cpu").identity


def test_peoples_card_is_passed_on_and_a_made_one_made_anew(
    plain: Path, photos: Sequence[CaptionedPhoto], tmp_path: Path
) -> None:
    add_consensus(plain, photos, ("colours",), tmp_path / "made", "cpu")
    card = checkpoint.read_card(tmp_path / "made")
    assert f"With a consensus of {len(photos)} photos' captions." in card and "CIDEr-D" not in card
    written = checkpoint.load(plain)
    checkpoint.save(written, tmp_path / "plain", card="# Ours\n")
    add_consensus(tmp_path / "plain", photos, ("colours",), tmp_path / "ours", "cpu")
    assert checkpoint.read_card(tmp_path / "ours") == "# Ours\n"


def test_a_consensus_is_replaced_in_its_place(made: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    add_consensus(made, coloured_photos(tmp_path / "photos", 12), ("colours",), model, "cpu")
    again = add_consensus(model, coloured_photos(tmp_path / "photos", 12), ("colours",), model, "cpu")
    assert again.model.consensus is not None
    assert again.model.consensus.sizes.photos == 12
    assert again.about["data"] == ["something", "colours"]


def _as_of_an_earlier_kind(folder: Path) -> Path:
    """The model's consensus as it was before it had entries."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config["model"]["consensus"]["entries"]
    path.write_text(json.dumps(config))
    return folder


def test_a_consensus_of_an_earlier_kind_is_told_and_replaced(
    plain: Path, photos: Sequence[CaptionedPhoto], tmp_path: Path
) -> None:
    add_consensus(plain, photos[:24], (), tmp_path / "model", "cpu")
    old = _as_of_an_earlier_kind(tmp_path / "model")
    with pytest.raises(ModelError, match=r"config\.json.*earlier kind; `captioner consensus` makes it anew"):
        checkpoint.load(old)
    assert add_consensus(old, photos, (), old, "cpu").model.consensus is not None
    card = checkpoint.read_card(old)
    assert "consensus of 36 photos" in card and "consensus of 24" not in card


def test_a_model_with_a_consensus_of_an_earlier_kind_is_trained_on(
    plain: Path, photos: Sequence[CaptionedPhoto], tmp_path: Path
) -> None:
    add_consensus(plain, photos, (), tmp_path / "model", "cpu")
    old = _as_of_an_earlier_kind(tmp_path / "model")
    dev = coloured_photos(tmp_path / "dev", 3, first=40)
    run = TrainingRun(TINY, RECIPE, tmp_path / "run", tmp_path / "cache", start=old, device="cpu")
    assert train(run, TrainingData(list(photos[:4]), dev), Watch()).model.consensus is None


def test_a_model_that_is_trained_on_has_no_consensus(
    made: Path, photos: Sequence[CaptionedPhoto], tmp_path: Path
) -> None:
    """Its encoder or decoder is another one then; photos would lie elsewhere."""
    dev = coloured_photos(tmp_path / "dev", 3, first=40)
    run = TrainingRun(TINY, RECIPE, tmp_path / "run", tmp_path / "cache", start=made, device="cpu")
    data = TrainingData(list(photos[:4]), dev, names=("colours",))
    trained = train(run, data, watch := Watch())
    left_out = "starts from model without its consensus, made for its own weights alone; once it is trained, "
    assert watch.remarks == [f"{left_out}`captioner consensus` makes new ones"]
    assert trained.model.consensus is None
    assert trained.model.config.consensus is None
    assert read_config(tmp_path / "run" / BEST)[0]["model"]["consensus"] is None


def test_the_student_projects_models_have_none(tmp_path: Path) -> None:
    small = CONFIGURATIONS["model2"].__class__("resnet101", "show_and_tell", 8, 8)
    model = CaptionModel(small, len(WORDS)).eval()
    checkpoint.save(checkpoint.Checkpoint(model, WORDS), tmp_path / "model")
    with pytest.raises(ModelError, match="student project"):
        add_consensus(tmp_path / "model", [], (), tmp_path / "out")


def test_what_cannot_be_done_is_found_out_before_the_work(plain: Path, tmp_path: Path) -> None:
    here = coloured_photos(tmp_path / "photos", 2)
    gone = CaptionedPhoto(tmp_path / "gone.png", ("a wall",))
    with pytest.raises(DataError, match="no such photo"):
        add_consensus(plain, [*here, gone], (), tmp_path / "out", "cpu")
    noted = Noted()
    with pytest.raises(DataError, match="too few photos"):
        add_consensus(plain, here, (), tmp_path / "out", "cpu", watcher=noted)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("dear")
    with pytest.raises(ModelError, match=r"holds letter\.txt"):
        add_consensus(plain, here, (), tmp_path / "taken", "cpu")
    enough = coloured_photos(tmp_path / "enough", 12)
    with pytest.raises(ModelError, match=r"letter\.txt.*Not a directory"):
        inside = tmp_path / "taken" / "letter.txt" / "model"
        add_consensus(plain, enough, (), inside, "cpu", watcher=noted)
    marked = tiny_model(tmp_path / "marked")
    (marked / checkpoint.CARD).write_bytes(b"caf\xe9")
    with pytest.raises(ModelError, match=r"MODEL_CARD\.md: not a readable model card"):
        add_consensus(marked, enough, (), tmp_path / "out", "cpu", watcher=noted)
    assert noted.stages == {"checking photos 2": 0}  # of the two that are too few
    assert not (tmp_path / "out").exists()


def test_a_model_may_be_named_and_a_foreign_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model; it comes with default"):
        add_consensus("nothing", [], (), tmp_path / "out")
    with pytest.raises(DataError, match="too few photos"):
        add_consensus("default", [], (), tmp_path / "out")
    foreign = tmp_path / "blip"
    foreign.mkdir()
    (foreign / "config.json").write_text('{"model_type": "blip"}')
    with pytest.raises(ModelError, match="a model of Hugging Face's only captions"):
        add_consensus(foreign, [], (), tmp_path / "out")


def test_a_run_that_began_before_there_was_a_consensus_goes_on(
    photos: Sequence[CaptionedPhoto], tmp_path: Path
) -> None:
    """Its state names the model's settings without one."""
    dev = coloured_photos(tmp_path / "dev", 3, first=40)
    data, run = (
        TrainingData(list(photos[:4]), dev),
        TrainingRun(TINY, RECIPE, tmp_path / "run", tmp_path / "cache", device="cpu"),
    )
    with pytest.raises(KeyboardInterrupt):
        train(run, data, Watch(at_epoch=1))
    state = torch.load(tmp_path / "run" / STATE, weights_only=True)
    assert "consensus" not in state["made with"]["model"]
    train(run, data, Watch(), resume=True)


def test_a_captioner_is_named_by_how_it_writes_and_no_more(made: Path, plain: Path) -> None:
    """An index tells by the name whether captions are to be written anew."""
    way = "beam=3, max_words=8, length_penalty=0.7, barred=(0, 1, 3), unrepeated=2, apart=2, "
    words = tuple(WORDS.id(word) for word in ("a", "under", "the"))
    phrases = NounPhrases.of(WORDS)
    for model in (made, plain):
        how = usual_decoding(checkpoint.load(model).model, WORDS)
        kept = f"repeatable={words}, synonyms=(), phrases={phrases}"
        assert how.key() == f"Decoding({way}{kept}, groups=1, diversity=0.0)"


def test_the_command_tells_what_it_made(
    plain: Path, photos: Sequence[CaptionedPhoto], tmp_path: Path
) -> None:
    notes = write_coco(tmp_path / "notes.json", photos)
    arguments = ["consensus", str(plain), "--coco", str(notes), "--images", str(photos[0].image.parent)]
    result = CliRunner().invoke(main, [*arguments, "-o", str(tmp_path / "out"), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "36 photos to agree with" in result.output
    assert checkpoint.load(tmp_path / "out").model.consensus is not None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "name the photos to train on"),
        (("--flickr8k", "here", "--coco", "notes.json"), "one data set at a time"),
        (("--images", "here"), "--images is of no use without --coco"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    plain: Path, tmp_path: Path, options: Sequence[str], says: str
) -> None:
    result = CliRunner().invoke(main, ["consensus", str(plain), *options, "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert says in result.stderr


# On disk


def _consensus(model: CaptionModel) -> Consensus:
    made = Consensus(
        ConsensusSizes(space=3, grams=4, photos=5, words=2, entries=6), len(WORDS), model.encoder.channels
    )
    made.words.random_(0, len(WORDS))
    made.shares.random_(0, 255)
    made.grams.copy_(torch.tensor([4, 5, 77, 78]))
    made.counts.copy_(torch.tensor([3, 0, 1, 2]))
    made.entry_photos.random_(0, 5)
    made.entry_cosines.random_(0, 255)
    return made


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    made = tiny_checkpoint()
    made.model.set_consensus(_consensus(made.model))
    checkpoint.save(made, tmp_path / "model", half=False)
    loaded = checkpoint.load(tmp_path / "model").model
    assert loaded.config == made.model.config
    for name, value in made.model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_words_that_are_none_are_refused(tmp_path: Path) -> None:
    made = tiny_checkpoint()
    consensus = _consensus(made.model)
    consensus.words[2, 1] = len(WORDS)
    made.model.set_consensus(consensus)
    checkpoint.save(made, tmp_path / "model")
    with pytest.raises(ModelError, match=r"consensus\.words holds numbers outside 0 to"):
        checkpoint.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("table", "value", "says"),
    [
        ("grams", torch.tensor([5, 4, 77, 78]), "grams holds keys that do not rise"),
        ("grams", torch.tensor([4, 4, 77, 78]), "grams holds keys that do not rise"),
        ("grams", torch.tensor([0, 4, 77, 78]), "grams holds keys that do not rise"),
        ("entry_photos", torch.tensor([0, 1, 2, 3, 4, 5], dtype=torch.int16), "outside 0 to 4"),
        ("counts", torch.tensor([3, 0, 1, 1], dtype=torch.int32), "counts holds other numbers"),
        ("counts", torch.tensor([4, -1, 1, 2], dtype=torch.int32), "counts holds other numbers"),
        ("usual", torch.full((len(WORDS),), -1.0), "usual holds shares below 0"),
        ("words", torch.full((5, 2), 4.5), "words holds torch.float"),
    ],
)
def test_tables_that_would_give_wrong_captions_are_refused(
    tmp_path: Path, table: str, value: torch.Tensor, says: str
) -> None:
    made = tiny_checkpoint()
    consensus = _consensus(made.model)
    setattr(consensus, table, value)
    made.model.set_consensus(consensus)
    checkpoint.save(made, tmp_path / "model")
    with pytest.raises(ModelError, match=says):
        checkpoint.load(tmp_path / "model")


@pytest.mark.parametrize(
    "sizes", [{"space": 0}, {"photos": 10**9}, {"grams": "many"}, {"more": 1}, 7, [], {"space": 5}]
)
def test_sizes_that_are_none_or_do_not_fit_are_refused(tmp_path: Path, sizes: object) -> None:
    made = tiny_checkpoint()
    made.model.set_consensus(_consensus(made.model))
    checkpoint.save(made, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    kept = config["model"]["consensus"]
    config["model"]["consensus"] = {**kept, **sizes} if isinstance(sizes, dict) else sizes
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"consensus|configuration|space|photos|grams"):
        checkpoint.load(tmp_path / "model")
