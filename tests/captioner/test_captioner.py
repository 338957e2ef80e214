"""Captioner: order, laziness, bad photos, several captions, loading, and the faster encoder."""

from __future__ import annotations

import contextlib
import io
import itertools
import multiprocessing
import pickle
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from captioner.captioner import Caption, Captioned, Captioner
from captioner.checkpoint import Checkpoint
from captioner.configuration import ModelConfig, configuration
from captioner.effort import Effort
from captioner.errors import ModelError, PhotoError
from captioner.finding import open_captioner
from captioner.model import CaptionModel
from captioner.networks.decoders import ShowAndTellDecoder
from captioner.networks.fused import TOGETHER, faster_encoder
from captioner.photo import Photo
from captioner.preprocess import Preprocess
from captioner.streaming import _split_evenly
from captioner.vocabulary import PAD, UNK
from tests.captioner.pictures import encoded, noise
from tests.captioner.worlds import COLOURS, TINY, WORDS, tiny_checkpoint, tiny_model

STUDENT = ModelConfig(
    "resnet101", "show_and_tell", 16, 16, preprocess=Preprocess(size=64, shrink_on_load=False)
)


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return Captioner(tiny_checkpoint(), "tiny", "cpu", batch=4)


def pictures(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (60 + n % 7, 80), COLOURS[n % len(COLOURS)]) for n in range(count)]


def texts(results: list[Captioned]) -> list[str]:
    return [result.captions[0].text for result in results]


def looks(results: Iterable[Captioned]) -> list[tuple[str, str]]:
    """Hashes, too: captions of a tiny model are often the same."""
    return [(result.phash, result.captions[0].text) for result in results]


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def threads_of_a_new_thread() -> int:
    with ThreadPoolExecutor(1) as another:
        return another.submit(torch.get_num_threads).result()


def test_captions_come_in_the_order_given(captioner: Captioner) -> None:
    together = texts(list(captioner.stream(pictures(11))))
    alone = [texts(list(captioner.stream([photo])))[0] for photo in pictures(11)]
    assert together == alone
    assert len(set(together)) > 1


def test_paths_bytes_and_images_give_the_same(captioner: Captioner, photos: Path) -> None:
    path = photos / "chelsea.png"
    with Image.open(path) as image:
        given: list[Photo] = [path, str(path), path.read_bytes(), image]
        found = list(captioner.stream(given))
    assert len(set(texts(found))) == 1 and len({one.phash for one in found}) == 1
    assert [one.image for one in found] == [str(path), str(path), "<photo>", "<photo>"]


@pytest.mark.parametrize("kind", ["TIFF", "GIF"])
def test_frames_of_one_file_are_each_captioned_as_they_are(captioner: Captioner, kind: str) -> None:
    chance = np.random.default_rng(0)
    frames = [Image.fromarray(chance.integers(0, 256, (90, 120, 3), dtype=np.uint8)) for _ in range(12)]
    content = io.BytesIO(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    with Image.open(content) as file:
        expected = list(captioner.stream([frame.copy() for frame in ImageSequence.Iterator(file)]))
        found = list(captioner.stream(ImageSequence.Iterator(file)))
    assert looks(found) == looks(expected) and len(set(looks(found))) == len(frames)


def test_an_image_that_is_not_read_yet_may_be_given_many_times(captioner: Captioner) -> None:
    content = io.BytesIO(encoded(noise(2000, 1500), "JPEG", progressive=True))
    with Image.open(content) as file:
        found = list(captioner.stream([file] * 12))
    assert len(set(looks(found))) == 1


def test_an_image_may_be_painted_over_for_the_next(captioner: Captioner) -> None:
    def painted() -> Iterator[Image.Image]:
        canvas = Image.new("RGB", (2000, 2000))
        for colour in COLOURS * 2:
            canvas.paste(colour, (0, 0, *canvas.size))
            yield canvas

    plain = [Image.new("RGB", (2000, 2000), colour) for colour in COLOURS * 2]
    assert looks(captioner.stream(painted())) == looks(captioner.stream(plain))


def test_a_bad_photo_gives_its_error_and_the_rest_go_on(captioner: Captioner, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no photo")
    good = pictures(9)
    found = list(captioner.stream([*good[:3], bad, *good[3:], tmp_path / "none.jpg"]))
    assert [one.error is None for one in found] == [True] * 3 + [False] + [True] * 6 + [False]
    assert found[3].image == str(bad) and found[3].captions == () and str(bad) in str(found[3].error)
    assert texts([one for one in found if one.error is None]) == texts(list(captioner.stream(good)))


def test_a_batch_of_bad_photos_alone(captioner: Captioner) -> None:
    found = list(captioner.stream([b""] * 9))
    assert len(found) == 9 and all(one.error for one in found)


def test_nothing_gives_nothing(captioner: Captioner) -> None:
    assert list(captioner.stream([])) == []
    assert captioner.caption([]) == []


def test_caption_raises_at_a_bad_photo(captioner: Captioner) -> None:
    assert len(captioner.caption(pictures(2))) == 2
    with pytest.raises(PhotoError, match="no such file"):
        captioner.caption([pictures(1)[0], "none.jpg"])


def test_photos_are_taken_only_a_bounded_number_ahead(captioner: Captioner) -> None:
    taken = 0
    most = (3 * torch.get_num_threads() + 2) * captioner.batch

    def thousands() -> Iterator[Photo]:
        nonlocal taken
        for photo in itertools.repeat(pictures(1)[0], 5000):
            taken += 1
            yield photo

    results = captioner.stream(thousands())
    for got in range(1, 41):
        next(results)
        assert taken <= got + most
    results.close()
    assert taken <= 40 + most


def test_nothing_is_read_before_a_result_is_asked_for(captioner: Captioner) -> None:
    def never() -> Iterator[Photo]:
        raise AssertionError("read too early")
        yield

    captioner.stream(never())


def test_an_error_of_the_source_comes_through_and_no_thread_is_left(captioner: Captioner) -> None:
    def breaks() -> Iterator[Photo]:
        yield from pictures(30)
        raise ConnectionError("the source is gone")

    before = threading.active_count()
    with pytest.raises(ConnectionError, match="the source is gone"):
        list(captioner.stream(breaks()))
    assert threading.active_count() == before


def test_an_error_of_a_worker_comes_through_and_no_thread_is_left(
    captioner: Captioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = captioner.features, itertools.count()

    def breaks(images: torch.Tensor) -> torch.Tensor:
        if next(calls) == 5:
            raise RuntimeError("the encoder is gone")
        return whole(images)

    monkeypatch.setattr(captioner, "features", breaks)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="the encoder is gone"):
        list(captioner.stream(pictures(60)))
    assert threading.active_count() == before


def test_closing_drops_what_no_worker_has_begun(
    captioner: Captioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, write = [], captioner.write

    def counted(features: torch.Tensor, effort: Effort) -> list[tuple[Caption, ...]]:
        written.append(len(features))
        return write(features, effort)

    monkeypatch.setattr(captioner, "write", counted)
    before = threading.active_count()
    results = captioner.stream(itertools.repeat(pictures(1)[0]))
    next(results)
    results.close()
    assert threading.active_count() == before
    assert sum(written) <= 2 * torch.get_num_threads() * captioner.batch


def test_workers_compute_alone_and_all_others_keep_their_threads(
    captioner: Captioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: set[tuple[str, int]] = set()
    whole = captioner.features

    def noted(images: torch.Tensor) -> torch.Tensor:
        features = whole(images)
        found.add((threading.current_thread().name, torch.get_num_threads()))
        return features

    monkeypatch.setattr(captioner, "features", noted)
    with torch_threads(2):
        list(captioner.stream(pictures(11)))
        assert {threads for _, threads in found} == {1} and len(found) == 2
        assert (torch.get_num_threads(), threads_of_a_new_thread()) == (2, 2)


def test_a_lone_photo_is_captioned_here_with_all_threads(
    captioner: Captioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    whole = captioner.features

    def noted(images: torch.Tensor) -> torch.Tensor:
        found.append((threading.current_thread(), torch.get_num_threads()))
        return whole(images)

    monkeypatch.setattr(captioner, "features", noted)
    with torch_threads(3):
        list(captioner.stream(pictures(1)))
    assert found == [(threading.current_thread(), 3)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_captions_too(captioner: Captioner) -> None:
    forked = multiprocessing.get_context("fork")
    answers = forked.SimpleQueue()
    with torch_threads(2):
        expected = looks(captioner.stream(pictures(1)))
        child = forked.Process(target=lambda: answers.put(looks(captioner.stream(pictures(1)))))
        child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
        pytest.fail("the forked process waits for threads that only its parent has")
    assert child.exitcode == 0 and answers.get() == expected


def test_a_captioner_may_be_sent_to_another_process(captioner: Captioner) -> None:
    expected = looks(captioner.stream(pictures(3)))
    assert looks(pickle.loads(pickle.dumps(captioner)).stream(pictures(3))) == expected


def test_few_photos_share_the_threads_of_many(captioner: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    whole = captioner.features

    def noted(images: torch.Tensor) -> torch.Tensor:
        found.append((len(images), torch.get_num_threads()))
        return whole(images)

    monkeypatch.setattr(captioner, "features", noted)
    with torch_threads(4):
        list(captioner.stream(pictures(2)))
    assert found == [(1, 2), (1, 2)]


@given(st.lists(st.integers(), max_size=60), st.integers(1, 9))
def test_photos_are_shared_out_evenly_and_in_order(items: list[int], parts: int) -> None:
    shared = _split_evenly(items, parts)
    assert [one for part in shared for one in part] == items
    assert len(shared) == min(parts, len(items))
    sizes = [len(part) for part in shared]
    assert not sizes or max(sizes) - min(sizes) <= 1


def test_several_captions_are_different_and_ranked(captioner: Captioner) -> None:
    for result in captioner.stream(pictures(5), captions=4):
        scores = [one.score for one in result.captions]
        assert len(scores) == 4 and scores == sorted(scores, reverse=True)
        assert len({one.text for one in result.captions}) == 4


def test_several_captions_of_a_photo_are_given_by_the_stream_alone(captioner: Captioner) -> None:
    with pytest.raises(TypeError, match="captions"):
        captioner.caption(pictures(1), captions=3)  # type: ignore[call-arg]
    [result] = captioner.stream(pictures(1), captions=3)
    assert len(result.captions) == 3


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("diversity", [0.01, 0.5])
def test_groups_that_agree_are_made_up_for(captioner: Captioner, beam: int, diversity: float) -> None:
    for result in captioner.stream(pictures(5), beam=beam, captions=5, diversity=diversity):
        scores = [one.score for one in result.captions]
        assert len({one.text for one in result.captions}) == 5 and scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("name", ["beam", "captions"])
@pytest.mark.parametrize("given", [0, 51, 2.5, True, "3"])
def test_what_cannot_be_asked_for_is_refused_at_once(captioner: Captioner, name: str, given: Any) -> None:
    wrong = {name: given}
    with pytest.raises(ModelError, match="not possible"):
        captioner.stream([], **wrong)


@pytest.mark.parametrize("one", ["photo.jpg", Path("photo.jpg"), b"\xff\xd8", Image.new("RGB", (9, 9))])
def test_a_single_photo_is_not_taken_for_many(captioner: Captioner, one: Any) -> None:
    for given_to in (captioner.caption, captioner.stream):
        with pytest.raises(PhotoError, match=r"^give photos as a list, also a single one: \["):
            given_to(one)


def test_a_model_that_cannot_write_is_an_error_and_no_silence(
    captioner: Captioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captioner, "features", lambda images: torch.full((len(images), 4, 1280), torch.nan))
    with pytest.raises(ModelError, match="tiny: writes nothing, since its scores are no numbers"):
        list(captioner.stream(pictures(2)))


def test_batches_that_do_not_fit_in_memory_are_halved(
    captioner: Captioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = texts(list(captioner.stream(pictures(10))))
    whole = captioner.features

    def small_memory(images: torch.Tensor) -> torch.Tensor:
        if len(images) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return whole(images)

    monkeypatch.setattr(captioner, "features", small_memory)
    monkeypatch.setattr(captioner, "batch", 4)
    assert texts(list(captioner.stream(pictures(10)))) == expected
    assert captioner.batch == 1


def test_a_photo_that_alone_does_not_fit_gives_a_clear_error(
    captioner: Captioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(images: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(captioner, "features", no_memory)
    monkeypatch.setattr(captioner, "batch", 4)
    with pytest.raises(ModelError, match="out of memory with a single photo"):
        list(captioner.stream(pictures(3)))


def test_other_errors_of_the_model_are_not_taken_for_lack_of_memory(
    captioner: Captioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(images: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(captioner, "features", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(captioner.stream(pictures(3)))


# The encoder as it runs on a CPU


@pytest.mark.parametrize("size", [64, 97])
def test_the_faster_encoder_gives_the_same_features(size: int) -> None:
    encoder = tiny_checkpoint().model.encoder
    images = torch.randn(2 * TOGETHER + 1, 3, size, size).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected, found = encoder(images), faster_encoder(encoder)(images)
    assert found.shape == expected.shape
    assert float((found - expected).norm() / expected.norm()) < 1e-4


def test_an_encoder_runs_as_it_is_where_torch_lacks_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = tiny_checkpoint().model.encoder
    images = torch.randn(1, 3, 64, 64)
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())  # private operators, which may go
    with torch.inference_mode():
        assert torch.equal(faster_encoder(encoder)(images), encoder(images))


def test_the_faster_encoder_leaves_the_model_as_it_was() -> None:
    encoder = tiny_checkpoint().model.encoder
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    faster_encoder(encoder)
    after = encoder.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_student_projects_models_run_as_they_are() -> None:
    torch.manual_seed(0)
    model = CaptionModel(STUDENT, len(WORDS)).eval()  # random: torchvision's weights are a download
    student = Captioner(Checkpoint(model, WORDS), "student", "cpu")
    images = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        expected = student.model.encoder(images)
        assert torch.allclose(student._encoder(images), expected, rtol=1e-4)
    assert student.usual_beam == 1
    assert len(texts(list(student.stream(pictures(2))))) == 2


@pytest.mark.parametrize("diversity", [0.0, 0.5])
def test_several_captions_of_a_student_projects_model_differ_by_words(diversity: float) -> None:
    torch.manual_seed(0)
    model = CaptionModel(STUDENT, len(WORDS)).eval()
    assert isinstance(model.decoder, ShowAndTellDecoder)
    with torch.no_grad():
        model.decoder.linear.bias[[PAD, UNK]] += 3
    student = Captioner(Checkpoint(model, WORDS), "student", "cpu")
    for result in student.stream(pictures(2), captions=5, diversity=diversity):
        assert len({one.text for one in result.captions}) == len(result.captions) == 5


# Loading


def test_it_tells_what_it_is(captioner: Captioner) -> None:
    assert repr(captioner) == f"<Captioner {captioner.identity} on cpu>"


def test_the_same_weights_decoded_otherwise_are_another_captioner() -> None:
    torch.manual_seed(0)
    short, long = (replace(STUDENT, max_words=words) for words in (5, 20))
    identities = [
        Captioner(
            Checkpoint(CaptionModel(config, len(WORDS)).eval(), WORDS, digest="1" * 64), "one", "cpu"
        ).identity
        for config in (short, long, long)
    ]
    assert identities[0] != identities[1] == identities[2]


@pytest.mark.parametrize(("config", "digest"), [(STUDENT, "e14dfc1a"), (TINY, "c07142fa")])
def test_identities_stay_as_they_are_kept_with_captions(config: ModelConfig, digest: str) -> None:
    model = CaptionModel(config, len(WORDS)).eval()
    assert Captioner(Checkpoint(model, WORDS, digest="1" * 64), "one", "cpu").identity == f"one@{digest}"


def test_a_model_is_loaded_by_its_folder_and_named_by_its_weights(tmp_path: Path) -> None:
    one, other = tiny_model(tmp_path / "one"), tiny_model(tmp_path / "other", seed=1)
    loaded, again = Captioner.load(one, "cpu"), open_captioner(str(one), "cpu")
    assert loaded.name == "one" and loaded.identity == again.identity
    name, _, digest = loaded.identity.partition("@")
    assert name == "one" and len(digest) == 8
    assert digest not in Captioner.load(other, "cpu").identity
    assert texts(list(loaded.stream(pictures(3)))) == texts(list(again.stream(pictures(3))))


@pytest.mark.parametrize("model", [".", "./", "..", "../", "../mine", "below/.."])
def test_a_folder_has_its_name_however_it_is_reached(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_model(tmp_path / "mine")
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below" if model in ("..", "../") else folder)
    assert Captioner.load(model, "cpu").identity == Captioner.load(folder, "cpu").identity


def test_a_model_of_a_training_run_is_called_by_the_run(tmp_path: Path) -> None:
    """All runs have it in a folder of one name."""
    made = tiny_model(tmp_path / "run1" / "best")
    assert Captioner.load(made, "cpu").identity.startswith("run1@")


def test_a_link_to_a_folder_names_the_model(tmp_path: Path) -> None:
    """As in indexes that hold captions of it."""
    (tmp_path / "current").symlink_to(tiny_model(tmp_path / "mine"))
    assert Captioner.load(tmp_path / "current", "cpu").name == "current"


def test_a_model_with_another_vocabulary_is_refused(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    words = (folder / "vocab.json").read_text()
    (folder / "vocab.json").write_text(words.replace("field", "meadow"))
    with pytest.raises(ModelError, match="not the vocabulary that this model was trained with"):
        Captioner.load(folder, "cpu")


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_damaged_weights_are_refused(tmp_path: Path, damage: str) -> None:
    folder = tiny_model(tmp_path / "model")
    weights = folder / "weights.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    if damage == "cut":
        weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"weights\.safetensors"):
        Captioner.load(folder, "cpu")


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there(tmp_path: Path, device: str) -> None:
    folder = tiny_model(tmp_path / "model")
    with pytest.raises(ModelError, match=r"unknown device 'nonsense'|no such GPU"):
        Captioner.load(folder, device)


def test_the_named_configurations_can_all_be_preprocessed_for() -> None:
    for name in ("default", "model1", "model5"):
        preprocess = configuration(name).preprocess
        pixels = preprocess.pixels(pictures(1)[0])
        assert pixels.shape == (preprocess.size, preprocess.size, 3)
    assert TINY.preprocess.size == 64
