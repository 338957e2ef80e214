"""The student project's files: the same captions word for word, and nothing in them is ever executed."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import sys
import tracemalloc
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn
from torchvision import models, transforms

from captioner.captioner import Captioner
from captioner.cli import main
from captioner.configuration import CONFIGURATIONS
from captioner.errors import ModelError
from captioner.legacy import LegacyFiles, import_model, legacy_vocabulary
from captioner.model import CaptionModel
from captioner.torch_files import read_tensors
from captioner.unpickle import PickledVocabulary, read_matrix

WORDS = ["<pad>", "<start>", "<end>", "<unk>", *(f"word{number}" for number in range(60)), "naïve", "狗"]


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """What is refused is refused before it fills the memory."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


# The original code, as students have it: EncoderCNN, DecoderRNN, Vocabulary and the inference transform.
class EncoderCNN(nn.Module):
    def __init__(self, network: nn.Module, embed_size: int) -> None:
        super().__init__()
        self.resnet = nn.Sequential(*list(network.children())[:-1])
        self.linear = nn.Linear(network.fc.in_features, embed_size)
        self.bn = nn.BatchNorm1d(embed_size, momentum=0.01)

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.resnet(images)
        features = features.reshape(features.size(0), -1)
        return self.bn(self.linear(features))


class DecoderRNN(nn.Module):
    def __init__(self, embed_size: int, hidden_size: int, vocab_size: int, num_layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_size)
        self.lstm = nn.LSTM(embed_size, hidden_size, num_layers, batch_first=True)
        self.linear = nn.Linear(hidden_size, vocab_size)
        self.max_seg_length = 20

    def sample(self, features: Tensor, states: Any = None) -> Tensor:
        sampled_ids = []
        inputs = features.unsqueeze(1)
        for _ in range(self.max_seg_length):
            hiddens, states = self.lstm(inputs, states)
            outputs = self.linear(hiddens.squeeze(1))
            _, predicted = outputs.max(1)
            sampled_ids.append(predicted)
            inputs = self.embed(predicted)
            inputs = inputs.unsqueeze(1)
        return torch.stack(sampled_ids, 1)


def original_caption(encoder: EncoderCNN, decoder: DecoderRNN, words: list[str], photo: Path) -> str:
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    )
    image = Image.open(photo).convert("RGB").resize([224, 224], Image.Resampling.LANCZOS)
    with torch.no_grad():
        ids = decoder.sample(encoder(transform(image).unsqueeze(0)))[0].numpy()
    caption = []
    for number in ids:
        if words[number] == "<end>":
            break
        caption.append(words[number])
    return " ".join(word for word in caption if word not in ("<start>", "<pad>", "<unk>"))


def pickled_vocabulary(words: list[str], module: str = "build_vocab", protocol: int = 2) -> bytes:
    """Pickle `module.Vocabulary` as the original's build_vocab.py does."""

    class Vocabulary:
        pass

    Vocabulary.__module__, Vocabulary.__qualname__ = module, "Vocabulary"
    before = sys.modules.get(module)
    sys.modules[module] = types.ModuleType(module)
    sys.modules[module].Vocabulary = Vocabulary
    try:
        vocabulary = Vocabulary()
        vocabulary.word2idx = {word: number for number, word in enumerate(words)}
        vocabulary.idx2word = dict(enumerate(words))
        vocabulary.idx = len(words)
        return pickle.dumps(vocabulary, protocol)
    finally:
        if before is None:
            del sys.modules[module]
        else:
            sys.modules[module] = before


@pytest.fixture
def resnet(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A short ResNet of the same kind under both names: the long ones differ in the number of blocks alone.

    Random weights, tamed so that features stay finite and differ between photos.
    """
    torch.manual_seed(0)

    def short(weights: None = None) -> nn.Module:
        return models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1])

    monkeypatch.setattr(models, "resnet101", short)
    monkeypatch.setattr(models, "resnet152", short)
    network = short()
    for module in network.modules():
        if isinstance(module, models.resnet.Bottleneck):
            module.bn3.weight.data.fill_(0.3)
    return network.eval()


@pytest.mark.parametrize("arch", ["model1", "model2", "model3", "model4", "model5"])
def test_the_whole_models_have_the_original_tensors(arch: str) -> None:
    """Names and shapes of all tensors of the real networks, in the original's order."""
    config = CONFIGURATIONS[arch]
    with torch.device("meta"):
        mine = CaptionModel(config, len(WORDS))
        encoder = EncoderCNN(getattr(models, config.encoder)(weights=None), config.embedding)
        decoder = DecoderRNN(config.embedding, config.hidden, len(WORDS), config.layers)
    for ours, theirs in ((mine.encoder, encoder), (mine.decoder, decoder)):
        assert _shapes(ours) == _shapes(theirs)


def _shapes(module: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(name, value.shape) for name, value in module.state_dict().items()]


@pytest.fixture(scope="module")
def few_photos(photos: Path) -> list[Path]:
    return [photos / "chelsea.png", photos / "rocket.jpg"]


def originals(resnet: nn.Module, arch: str, photos: list[Path]) -> tuple[EncoderCNN, DecoderRNN]:
    """Random weights whose captions depend on the photo and are of several lengths."""
    config = CONFIGURATIONS[arch]
    torch.manual_seed(5)
    encoder = EncoderCNN(resnet, config.embedding).eval()
    decoder = DecoderRNN(config.embedding, config.hidden, len(WORDS), config.layers).eval()
    for parameter in decoder.parameters():
        parameter.data *= 4.0
    pixels = [np.array(Image.open(photo).convert("RGB").resize((64, 64))) for photo in photos]
    with torch.no_grad():
        seen = encoder.linear(
            encoder.resnet(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255).flatten(1)
        )
    encoder.bn.running_mean.copy_(seen.mean(0))
    encoder.bn.running_var.copy_(seen.var(0))
    return encoder, decoder


@pytest.mark.parametrize("arch", ["model1", "model2", "model3", "model4", "model5"])
def test_import_then_caption_gives_what_the_original_gives(
    arch: str, resnet: nn.Module, few_photos: list[Path], tmp_path: Path
) -> None:
    encoder, decoder = originals(resnet, arch, few_photos)
    old = arch in ("model1", "model2")
    torch.save(encoder.state_dict(), tmp_path / "encoder.ckpt", _use_new_zipfile_serialization=not old)
    state = decoder.state_dict()
    command = [
        "import",
        "--arch",
        arch,
        "-o",
        str(tmp_path / "model"),
        "--vocab",
        str(tmp_path / "vocab.pkl"),
    ]
    if arch == "model5":
        matrix = [row.numpy().astype("float64") for row in state.pop("embed.weight")]
        (tmp_path / "weights_matrix.pkl").write_bytes(pickle.dumps(matrix))
        command += ["--weights-matrix", str(tmp_path / "weights_matrix.pkl")]
    torch.save(state, tmp_path / "decoder.ckpt", _use_new_zipfile_serialization=not old)
    (tmp_path / "vocab.pkl").write_bytes(pickled_vocabulary(WORDS))
    command += ["--encoder", str(tmp_path / "encoder.ckpt"), "--decoder", str(tmp_path / "decoder.ckpt")]

    result = CliRunner().invoke(main, command, catch_exceptions=False)

    assert result.exit_code == 0, result.output
    captions = [one.text for one in Captioner.load(tmp_path / "model", device="cpu").caption(few_photos)]
    expected = [original_caption(encoder, decoder, WORDS, photo) for photo in few_photos]
    assert captions == expected
    assert len(set(captions)) > 1 and all(len(caption.split()) > 3 for caption in captions)


# The vocabulary


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("module", ["build_vocab", "__main__"])
def test_a_vocabulary_of_any_protocol_is_read(module: str, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "vocab.pkl"
    path.write_bytes(pickled_vocabulary(WORDS, module, protocol))
    assert legacy_vocabulary(path).words == tuple(WORDS)


def test_a_vocabulary_that_python_2_pickled_is_read(tmp_path: Path) -> None:
    """An old-style class by the opcodes INST and BUILD, its words as byte strings in UTF-8."""
    ids = b"".join(b"S%r\nI%d\ns" % (word, number) for number, word in enumerate(_python_2_words()))
    words = b"".join(b"I%d\nS%r\ns" % (number, word) for number, word in enumerate(_python_2_words()))
    path = tmp_path / "vocab.pkl"
    path.write_bytes(
        b"(ibuild_vocab\nVocabulary\np0\n(dS'word2idx'\n(d" + ids + b"sS'idx2word'\n(d" + words + b"sb."
    )
    assert legacy_vocabulary(path).words == ("<pad>", "<start>", "<end>", "<unk>", "dog", "café")


class _Python2String(bytes):
    def __repr__(self) -> str:
        return bytes.__repr__(self)[1:]

    def __format__(self, _: str) -> str:
        return repr(self)


def _python_2_words() -> list[_Python2String]:
    words = ("<pad>", "<start>", "<end>", "<unk>", "dog", "café")
    return [_Python2String(word.encode()) for word in words]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda words: words[1:], "a vocabulary begins with"),
        (lambda words: [*words, words[-1]], r"vocab\.pkl: the word '狗' stands twice"),
        (lambda words: [*words, "\ud800"], r"vocab\.pkl: the word .* is no text"),
    ],
)
def test_a_vocabulary_that_makes_no_sense_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "vocab.pkl"
    path.write_bytes(pickled_vocabulary(change(WORDS)))
    with pytest.raises(ModelError, match=message):
        legacy_vocabulary(path)


# Refusals


class _Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


def _names() -> list[tuple[Any, str]]:
    import os
    import subprocess

    return [
        (_Evil(os.system, "touch executed"), "(posix|nt).system"),
        (_Evil(eval, "open('executed', 'w')"), "(builtins|__builtin__).eval"),
        (_Evil(subprocess.Popen, ["touch", "executed"]), "(subprocess|commands).Popen"),
        (_Evil(getattr, "", "join"), "(builtins|__builtin__).getattr"),
        (_Evil(torch.load, "other.pt"), "torch.serialization.load"),
        (_Evil(np.load, "other.npy"), "numpy.load"),
    ]


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("number", range(6))
def test_everything_else_is_refused_by_name_and_not_executed(
    number: int, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    evil, name = _names()[number]
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps(evil, protocol))
    for read in (legacy_vocabulary, read_matrix, read_tensors):
        with pytest.raises(ModelError, match=f"refused.*{name}"):
            read(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("new", [True, False])
def test_a_hostile_checkpoint_is_refused_in_both_formats(new: bool, tmp_path: Path) -> None:
    path = tmp_path / "encoder.ckpt"
    torch.save({"linear.weight": _Evil(print, "executed")}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(ModelError, match=r"refused.*print"):
        read_tensors(path)


def test_a_whole_pickled_module_is_refused_by_name(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "encoder.ckpt")
    with pytest.raises(ModelError, match=r"refused.*torch\.nn\.modules\.linear\.Linear"):
        read_tensors(tmp_path / "encoder.ckpt")


def test_dotted_names_reach_nothing(tmp_path: Path) -> None:
    """Protocol 4 can ask for an attribute of an allowed name."""
    path = tmp_path / "vocab.pkl"
    path.write_bytes(b"\x80\x04\x8c\x0bbuild_vocab\x8c\x1fVocabulary.__init__.__globals__\x93.")
    with pytest.raises(ModelError, match=r"build_vocab\.Vocabulary\.__init__\.__globals__"):
        legacy_vocabulary(path)


def test_what_one_file_changes_does_not_reach_the_next(tmp_path: Path) -> None:
    """A pickle may set attributes of the classes it names; the next file meets fresh ones."""
    path = tmp_path / "vocab.pkl"
    path.write_bytes(b"cbuild_vocab\nVocabulary\n(N(dVword2idx\nV1\nsVidx2word\nV2\nstb.")
    with pytest.raises(ModelError):
        legacy_vocabulary(path)
    path.write_bytes(pickle.dumps({}))
    with pytest.raises(ModelError, match="not a pickled vocabulary, but dict"):
        legacy_vocabulary(path)
    path.write_bytes(b"(ibuild_vocab\nVocabulary\n.")
    with pytest.raises(ModelError, match="without word2idx"):
        legacy_vocabulary(path)


# Tensors and matrices


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_tensors_of_all_kinds_come_back(new: bool, protocol: int, tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float64)
    state = {
        "view": base[4:16].view(3, 4).t(),
        "same storage": base[:5],
        "scalar": torch.tensor(7),
        "half": torch.randn(2, 3).half(),
        "bfloat": torch.randn(3).bfloat16(),
        "bool": torch.tensor([True, False]),
        "empty": torch.zeros(0, 4),
        "parameter": nn.Parameter(torch.randn(2, 2)),
    }
    path = tmp_path / "state.pt"
    torch.save(state, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    found = read_tensors(path)
    assert found.keys() == state.keys()
    assert all(
        torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in state.items()
    )


def _damages() -> Iterator[bytes]:
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save({"a": torch.arange(1000.0)}, buffer, _use_new_zipfile_serialization=new)
        whole = buffer.getvalue()
        yield from (whole[: len(whole) * part // 4] for part in range(4))
    yield b"no file of PyTorch"
    yield pickle.dumps({"a": 1})


@pytest.mark.parametrize("number", range(10))
def test_a_damaged_checkpoint_is_one_clear_line(number: int, tmp_path: Path) -> None:
    path = tmp_path / "encoder.ckpt"
    path.write_bytes(list(_damages())[number])
    with pytest.raises(ModelError, match=r"encoder\.ckpt: ") as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)


def test_a_stream_that_claims_more_than_it_has_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, buffer, _use_new_zipfile_serialization=False)
    path = tmp_path / "encoder.ckpt"
    path.write_bytes(buffer.getvalue().replace(b"K\x03N", b"J\xff\xff\xff\x7fN"))
    with pytest.raises(ModelError, match="larger than the file"):
        read_tensors(path)


def test_storages_that_together_claim_more_than_the_file_has_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    state = {str(number): torch.zeros(1000) for number in range(3)}
    torch.save(state, buffer, _use_new_zipfile_serialization=False)
    path = tmp_path / "encoder.ckpt"
    path.write_bytes(buffer.getvalue().replace(b"M\xe8\x03N", b"M\xb8\x0bN"))
    with pytest.raises(ModelError, match="larger than the file"):
        read_tensors(path)


def test_a_compressed_part_of_a_checkpoint_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "encoder.ckpt"
    torch.save({"a": torch.zeros(3)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            if name.endswith("/byteorder"):
                archive.writestr(name, bytes(30_000_000), zipfile.ZIP_DEFLATED)
            else:
                archive.writestr(name, content)
    with little_memory(), pytest.raises(ModelError, match="byteorder in it is compressed"):
        read_tensors(path)


@pytest.mark.parametrize("read", [legacy_vocabulary, read_matrix, read_tensors])
@pytest.mark.parametrize("put", [b"r\xff\xff\xff\x03", b"p67108863\n"])
def test_a_pickle_that_numbers_what_it_remembers_without_reason_is_refused(
    put: bytes, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "file.pkl"
    path.write_bytes(b"\x80\x02N" + put + b".")
    with pytest.raises(ModelError, match=r"file\.pkl: damaged.* remembers more than it holds"):
        read(path)


@pytest.mark.parametrize(
    "copy", [b"c_codecs\nencode\n(h\x00X\x06\x00\x00\x00latin1tR", b"c__builtin__\nbytearray\n(h\x00tR"]
)
def test_copies_of_one_text_do_not_fill_the_memory(copy: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.pkl"
    text = b"X" + struct.pack("<I", 1_000_000) + b"a" * 1_000_000
    path.write_bytes(b"\x80\x02](" + text + b"q\x00" + copy * 1000 + b"e.")
    with little_memory(), pytest.raises(ModelError, match="larger than the file"):
        read_matrix(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["array", "list", "rows", "fortran", "big-endian", "numbers"])
def test_a_weights_matrix_of_any_kind_is_read(kind: str, protocol: int, tmp_path: Path) -> None:
    matrix = np.random.default_rng(1).normal(size=(5, 3))
    given: Any = {
        "array": matrix,
        "list": matrix.tolist(),
        "rows": list(matrix.astype("float32")),
        "fortran": np.asfortranarray(matrix),
        "big-endian": matrix.astype(">f4"),
        "numbers": [list(row) for row in matrix],
    }[kind]
    path = tmp_path / "weights_matrix.pkl"
    path.write_bytes(pickle.dumps(given, protocol))
    np.testing.assert_allclose(read_matrix(path).numpy(), matrix, rtol=1e-6)


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights_matrix.pkl"
    path.write_bytes(pickle.dumps(np.array([["a", None]], dtype=object)))
    with pytest.raises(ModelError, match="only numbers are read"):
        read_matrix(path)


def _shared_row() -> object:
    return [[1.0] * 1000] * 10_000


def _boxes() -> object:
    row: list[object] = [1.0] * 10
    for _ in range(9):
        row = [row] * 10
    return row


@pytest.mark.parametrize(
    "given",
    [_shared_row(), _boxes(), [[10**400]], [1.0, 2.0], [["a"]], {"a": 1}, 3],
    ids=["shared row", "boxes", "huge", "one row", "text", "mapping", "number"],
)
def test_what_is_no_matrix_is_refused_before_it_fills_the_memory(given: object, tmp_path: Path) -> None:
    path = tmp_path / "weights_matrix.pkl"
    path.write_bytes(pickle.dumps(given))
    with little_memory(), pytest.raises(ModelError, match=r"weights_matrix\.pkl: not a matrix of numbers"):
        read_matrix(path)


def test_rows_may_be_one_and_the_same(tmp_path: Path) -> None:
    """As those of unknown words are, where somebody made them all by one list of zeros."""
    unknown, path = [0.0] * 50, tmp_path / "weights_matrix.pkl"
    path.write_bytes(pickle.dumps([[1.0] * 50] + [unknown] * 200))
    assert read_matrix(path).shape == (201, 50)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({0: ["a"], 1: "b"}, "words that are no text"),
        ({0: "<pad>", 1: "<start>", 2: "<end>", 3: "<unk>", 4: "b"}, "contradict each other"),
        ({"0": "a"}, "ids of the words are not 0"),
        ({0: "a", 2: "b"}, "ids of the words are not 0"),
    ],
)
def test_an_odd_vocabulary_is_one_line(
    words: dict[Any, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = PickledVocabulary()
    odd.word2idx, odd.idx2word = {"a": 0, "b": 1}, words
    monkeypatch.setattr("captioner.legacy.read_vocabulary", lambda _: odd)
    with pytest.raises(ModelError, match=message):
        legacy_vocabulary(tmp_path / "vocab.pkl")


# Fitting together


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> LegacyFiles:
    """Files of a decoder of model3, and an encoder's file whose tensors are of no matter."""
    folder = tmp_path_factory.mktemp("files")
    torch.save(DecoderRNN(128, 256, len(WORDS), 1).state_dict(), folder / "decoder.ckpt")
    torch.save({"linear.weight": torch.zeros(2)}, folder / "encoder.ckpt")
    (folder / "vocab.pkl").write_bytes(pickled_vocabulary(WORDS))
    return LegacyFiles(folder / "encoder.ckpt", folder / "decoder.ckpt", folder / "vocab.pkl")


@pytest.mark.parametrize("arch", ["model3", "model6", "default"])
def test_files_that_do_not_fit_are_named(arch: str, small: LegacyFiles) -> None:
    wanted = {
        "model3": r"encoder\.ckpt: tensor resnet\.0\.weight is missing",
        "model6": "unknown architecture 'model6'",
        "default": "default is not a model of the student project",
    }
    with pytest.raises(ModelError, match=wanted[arch]):
        import_model(small, arch)


@pytest.mark.parametrize("new", [True, False])
def test_a_wrapper_inside_itself_is_refused(new: bool, tmp_path: Path) -> None:
    from captioner.legacy import _state

    wrapper: dict[str, Any] = {}
    wrapper["model"] = wrapper
    torch.save(wrapper, tmp_path / "file.ckpt", _use_new_zipfile_serialization=new)
    with pytest.raises(ModelError, match=r"file\.ckpt: not a state dict"):
        _state(tmp_path / "file.ckpt", "decoder")


def test_weights_that_are_no_numbers_are_refused(small: LegacyFiles, tmp_path: Path) -> None:
    from captioner.legacy import _load

    state = torch.load(small.decoder, weights_only=True)
    state["linear.bias"] = state["linear.bias"].bfloat16().index_fill(0, torch.tensor(3), torch.inf)
    with pytest.raises(
        ModelError, match=r"decoder\.ckpt: tensor linear\.bias holds values that are no numbers"
    ):
        _load(DecoderRNN(128, 256, len(WORDS), 1), state, tmp_path / "decoder.ckpt", "model3")


@pytest.mark.parametrize("wrap", ["module.", "decoder.", "decoder.module.", "state_dict", "decoder"])
def test_prefixes_and_wrappers_are_taken_off(wrap: str, small: LegacyFiles, tmp_path: Path) -> None:
    from captioner.legacy import _state

    state = torch.load(small.decoder, weights_only=True)
    dotted = wrap.endswith(".")
    given = {f"{wrap}{name}": value for name, value in state.items()} if dotted else {wrap: state, "epoch": 5}
    if wrap == "decoder.":
        given["encoder.linear.weight"] = torch.zeros(1)
    torch.save(given, tmp_path / "file.ckpt")
    found = _state(tmp_path / "file.ckpt", "decoder")
    assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)
