"""Hugging Face models behind the same interface: tiny ones with random weights, made here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from click.testing import CliRunner
from PIL import Image

from captioner.captioner import Captioner
from captioner.cli import main
from captioner.errors import ModelError
from captioner.finding import open_captioner
from captioner.streaming import StreamingCaptioner
from captioner.transformers_captioner import TransformersCaptioner
from tests.serving import LocalServer, Quiet, serving

WORDS = [
    "[PAD]",
    "[BOS]",
    "[EOS]",
    "[UNK]",
    *"a dog cat red green blue field sky runs sits on the in".split(),
]
VISION: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
}
SIZES: dict[str, Any] = {"image_size": 32, "patch_size": 16}
TOKENS: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "vocab_size": len(WORDS)}


def save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=words, pad_token="[PAD]", bos_token="[BOS]", eos_token="[EOS]", unk_token="[UNK]"
    ).save_pretrained(folder)


def blip() -> Any:
    text = {**VISION, **TOKENS, "encoder_hidden_size": 16, "sep_token_id": 2, "projection_dim": 16}
    config = transformers.BlipConfig(text_config=text, vision_config={**VISION, **SIZES}, projection_dim=16)
    return transformers.BlipForConditionalGeneration(config)


def git() -> Any:
    config = transformers.GitConfig(vision_config={**VISION, **SIZES}, **VISION, **TOKENS)
    return transformers.GitForCausalLM(config)


def encoder_decoder() -> Any:
    encoder = transformers.ViTConfig(**VISION, **SIZES)
    decoder = transformers.GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=64, **TOKENS)
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 1, 0, 2
    model = transformers.VisionEncoderDecoderModel(config)
    model.generation_config.decoder_start_token_id = 1
    model.generation_config.pad_token_id, model.generation_config.eos_token_id = 0, 2
    return model


KINDS = {"blip": blip, "git": git, "vision-encoder-decoder": encoder_decoder}


@pytest.fixture(scope="module", params=sorted(KINDS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model as its authors would publish it, with weights large enough to tell photos apart."""
    place: Path = tmp_path_factory.mktemp("hf") / request.param
    torch.manual_seed(0)
    model = KINDS[request.param]()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
    model.save_pretrained(place)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(place)
    save_tokenizer(place)
    return place


@pytest.fixture(scope="module")
def captioner(folder: Path) -> StreamingCaptioner:
    return open_captioner(f"hf:{folder}", "cpu")


def pictures(count: int) -> list[Image.Image]:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (count, 40, 50, 3), generator=generator, dtype=torch.uint8)
    return [Image.fromarray(one.numpy()) for one in pixels]


@pytest.mark.parametrize("beam", [1, 3])
def test_batches_give_what_single_photos_give_in_order(captioner: StreamingCaptioner, beam: int) -> None:
    captioner.batch = 4
    together = list(captioner.stream([*pictures(6), b"no photo", *pictures(1)], beam=beam))
    assert [one.error is None for one in together] == [True] * 6 + [False, True]
    alone = [next(iter(captioner.stream([photo], beam=beam))) for photo in pictures(6)]
    assert [one.captions[0].text for one in together[:6]] == [one.captions[0].text for one in alone]
    for ours, single in zip(together[:6], alone, strict=True):
        assert ours.captions[0].score == pytest.approx(single.captions[0].score, abs=1e-3)
        assert ours.captions[0].score <= 0 and ours.phash
        assert set(ours.captions[0].text.split()) <= set(WORDS)


def test_several_captions_are_ranked(captioner: StreamingCaptioner) -> None:
    for result in captioner.stream(pictures(3), captions=3):
        scores = [one.score for one in result.captions]
        assert len(scores) == 3 and scores == sorted(scores, reverse=True)


@pytest.fixture
def repeating(folder: Path) -> TransformersCaptioner:
    """As with a tokenizer of pieces, several tokens are one word: here the colours, and the animals."""
    captioner = TransformersCaptioner.load(str(folder), "cpu")
    spell = captioner._tokenizer.batch_decode

    def spell_alike(*given: Any, **how: Any) -> list[str]:
        alike = {"green": "red", "blue": "red", "cat": "dog", "sits": "runs", "the": "a", "in": "on"}
        return [" ".join(alike.get(word, word) for word in text.split()) for text in spell(*given, **how)]

    captioner._tokenizer.batch_decode = spell_alike
    return captioner


@pytest.mark.parametrize("beam", [1, 3])
def test_several_captions_are_different_texts(repeating: TransformersCaptioner, beam: int) -> None:
    found = list(repeating.stream(pictures(4), beam=beam, captions=4))
    for result in found:
        texts = [one.text for one in result.captions]
        assert len(set(texts)) == len(texts) == 4
        scores = [one.score for one in result.captions]
        assert scores == sorted(scores, reverse=True)
    [alone] = repeating.stream(pictures(1), beam=beam, captions=4)
    assert [one.text for one in alone.captions] == [one.text for one in found[0].captions]


def test_where_there_are_not_so_many_texts_fewer_are_given(repeating: TransformersCaptioner) -> None:
    repeating._tokenizer.batch_decode = lambda sequences, **_: ["a dog"] * len(sequences)
    for result in repeating.stream(pictures(2), captions=3):
        assert [one.text for one in result.captions] == ["a dog"]


def test_where_there_is_no_memory_to_look_further_fewer_are_given(
    repeating: TransformersCaptioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate, beams = repeating.model.generate, list[int]()

    def with_little_memory(**given: Any) -> Any:
        beams.append(given["num_beams"])
        if given["num_beams"] > 4:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return generate(**given)

    monkeypatch.setattr(repeating.model, "generate", with_little_memory)
    repeating._tokenizer.batch_decode = lambda sequences, **_: ["a dog"] * len(sequences)
    before = repeating.batch
    for result in repeating.stream(pictures(2), captions=4):
        assert [one.text for one in result.captions] == ["a dog"]
    assert set(beams) == {4, 16} and beams.count(16) == 2, "each photo once more"
    assert repeating.batch == before


def test_greedy_writes_what_the_model_itself_writes(folder: Path, captioner: StreamingCaptioner) -> None:
    assert isinstance(captioner, TransformersCaptioner)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    pixels = processor(images=pictures(2), return_tensors="pt")["pixel_values"]
    ids = captioner.model.generate(pixel_values=pixels, max_new_tokens=30, do_sample=False, num_beams=1)
    texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
    found = captioner.caption(pictures(2), beam=1)
    assert [one.text for one in found] == [" ".join(text.split()) for text in texts]


def test_identity_names_the_model_and_its_weights(folder: Path, captioner: StreamingCaptioner) -> None:
    name, _, digest = captioner.identity.partition("@")
    assert captioner.name == name == f"hf:{folder.name}" and len(digest) == 8
    assert open_captioner(folder, "cpu").identity == captioner.identity  # a plain folder is recognised


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("tokenizer.json", '"dog"', '"zebra"'), ("preprocessor_config.json", "0.5", "0.25")],
)
def test_identity_changes_with_all_that_decides_captions(
    folder: Path, captioner: StreamingCaptioner, tmp_path: Path, file: str, old: str, new: str
) -> None:
    """Else `indexer build` would take captions over that the model no longer writes."""
    changed = Path(shutil.copytree(folder, tmp_path / folder.name))
    text = (changed / file).read_text()
    assert old in text
    (changed / file).write_text(text.replace(old, new))
    assert open_captioner(changed, "cpu").identity != captioner.identity


def test_a_model_without_its_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    """transformers makes up an empty one, by which every caption would be empty."""
    bare = Path(shutil.copytree(folder, tmp_path / folder.name))
    for file in bare.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelError, match="tokenizer"):
        open_captioner(bare, "cpu")


def test_the_command_takes_such_a_model(folder: Path, photos: Path) -> None:
    arguments = [
        "caption",
        str(photos / "coffee.png"),
        "--json",
        "--model",
        f"hf:{folder}",
        "--device",
        "cpu",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["model"].startswith(f"hf:{folder.name}@")


def test_diverse_captions_are_refused_in_one_line(captioner: StreamingCaptioner) -> None:
    with pytest.raises(ModelError, match="this project's own models"):
        list(captioner.stream(pictures(1), captions=2, diversity=0.5))


# What cannot be loaded


def refusal(model: str | Path) -> str:
    with pytest.raises(ModelError) as caught:
        open_captioner(f"hf:{model}", "cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    config = transformers.BertConfig(**VISION, vocab_size=20)
    transformers.BertModel(config).save_pretrained(tmp_path)
    known = "blip, blip-2, git, vision-encoder-decoder"
    assert refusal(tmp_path) == f"{tmp_path}: is of the kind 'bert'; captions are written by {known}"


def test_pickled_weights_are_not_loaded(tmp_path: Path) -> None:
    model = encoder_decoder()
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    assert "no weights in safetensors" in refusal(tmp_path)


def test_damaged_weights_are_one_line(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert refusal(tmp_path).startswith(f"{tmp_path}: cannot be loaded as an image-to-text model")


def test_a_folder_without_a_model_and_a_name_that_is_none(tmp_path: Path) -> None:
    assert "cannot be loaded" in refusal(tmp_path)
    assert "has the form ORG/NAME" in refusal("nonesuch")
    assert "no such folder" in refusal(tmp_path / "none")


def test_our_own_folders_are_not_taken_for_theirs(tmp_path: Path) -> None:
    from tests.captioner.worlds import tiny_model

    assert isinstance(open_captioner(tiny_model(tmp_path / "ours"), "cpu"), Captioner)


@contextmanager
def hub(status: int, code: str) -> Iterator[str]:
    """A model hub that answers every request with one refusal."""

    class Refusing(Quiet):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", "refused")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815

    with serving(LocalServer(Refusing)) as server:
        yield server.url


def caption_with_hub(cache: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **settings, "HF_HOME": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-m", "captioner.cli", "caption", "a.jpg", "--model", "hf:someone/something"]
    root = Path(__file__).parents[2]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=root)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "RepoNotFound", "no such folder, and no such model on"),
        (403, "GatedRepo", "is gated; ask for access"),
    ],
)
def test_what_the_hub_refuses_is_one_clear_line(status: int, code: str, words: str, tmp_path: Path) -> None:
    with hub(status, code) as url:
        result = caption_with_hub(tmp_path, HF_ENDPOINT=url)
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: someone/something: {words}") and result.stderr.count("\n") == 1


def test_a_hub_that_cannot_be_reached_is_one_clear_line(tmp_path: Path) -> None:
    result = caption_with_hub(tmp_path, HF_HUB_OFFLINE="1")
    assert result.returncode == 1
    assert result.stderr == (
        "Error: someone/something: neither such a folder nor such a model is here, "
        "and huggingface.co cannot be reached\n"
    )
