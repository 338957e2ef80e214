"""Captioners from elsewhere: Hugging Face's image-to-text models behind the same interface.

Needs the extra `transformers`. Only safetensors are loaded and no code that comes with a model runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from captioner.digest import file_digest
from captioner.effort import MOST_BEAM, USUAL_BEAM, Effort
from captioner.errors import ModelError
from captioner.extras import how_to_install
from captioner.model_folder import model_name
from captioner.networks.device import choose_device
from captioner.outside import error_text
from captioner.photo_captioner import Caption
from captioner.streaming import StreamingCaptioner, is_out_of_memory
from captioner.warnings_off import WARNINGS_OFF

#: model_type in config.json -> the class that writes captions.
CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "blip": "BlipForConditionalGeneration",
        "blip-2": "Blip2ForConditionalGeneration",
        "git": "GitForCausalLM",
        "vision-encoder-decoder": "VisionEncoderDecoderModel",
    }
)
_MAX_WORDS = 30  # new tokens; these models cut words into pieces
_WIDER = 4  # times the beam, where it spells one text in several ways


class TransformersCaptioner(StreamingCaptioner):
    """A Hugging Face model; `.identity` names it and its revision (of a folder: the hash of its weights)."""

    usual_beam = USUAL_BEAM

    def __init__(
        self,
        parts: tuple[Any, Any, Any],
        name: str,
        revision: str,
        device: str | None = None,
        batch: int = 16,
    ) -> None:
        """`parts`: the model, its image processor and its tokenizer."""
        model, self._processor, self._tokenizer = parts
        self.name = f"hf:{name}"
        self.identity = f"{self.name}@{revision[:8]}"
        self.device = choose_device(device)
        self.model = model.to(self.device).eval()
        self.batch = batch
        self.smallest = max((int(side) for side in dict(self._processor.size).values() if side), default=None)

    @classmethod
    def load(cls, model: str, device: str | None = None) -> TransformersCaptioner:
        """`model`: ORG/NAME, or a folder. Raises ModelError: not there, gated, of another kind, damaged."""
        try:
            import transformers
        except ImportError:
            raise ModelError(f"{model}: needs transformers: {how_to_install('transformers')}") from None
        _silence_transformers(transformers)
        folder = Path(model)
        if not folder.is_dir() and (model.count("/") != 1 or model.startswith((".", "/", "~"))):
            raise ModelError(f"{model}: no such folder, and a model's name has the form ORG/NAME")
        try:
            with WARNINGS_OFF:
                parts, commit = _load_parts(transformers, model)
        except ModelError:
            raise
        except (
            Exception
        ) as error:  # OSError with a page of advice, ValueError, ImportError, SafetensorError ...
            raise ModelError(_explain(model, error)) from None
        if folder.is_dir():
            return cls(parts, model_name(folder), file_digest(*_files(folder)), device)
        return cls(parts, model, commit, device)

    def pixels(self, image: Image.Image) -> Tensor:
        """(3, H, W) float32 as the model's own processor gives them."""
        found: Tensor = self._processor(images=image, return_tensors="pt")["pixel_values"][0]
        return found

    def features(self, pixels: Tensor) -> Tensor:
        """The pixels themselves: these models encode a photo in `write`."""
        return pixels.to(self.device)

    @torch.inference_mode()
    def write(self, features: Tensor, effort: Effort) -> list[tuple[Caption, ...]]:
        if effort.diversity > 0:
            raise ModelError(f"{self.name}: diversity is for this project's own models")
        return self._write_different(features, max(effort.beam, effort.captions), effort.captions)

    def _write_different(self, features: Tensor, beam: int, captions: int) -> list[tuple[Caption, ...]]:
        """Captions of each photo, each text once; fewer than asked for where a wider beam has no more.

        These models spell one text in several ways, by other pieces of words or other specials. So photos
        that lack captions are searched once more, one by one, as far as there is memory for it.
        """
        by_photo = self._search(features, beam, captions)
        wider = min(_WIDER * beam, MOST_BEAM)
        for row, found in enumerate(by_photo):
            if len(found) < captions and beam < wider:
                by_photo[row] = max(
                    found, self._search_wider(features[row : row + 1], wider, captions), key=len
                )
        return by_photo

    def _search_wider(self, features: Tensor, beam: int, captions: int) -> tuple[Caption, ...]:
        try:
            [found] = self._search(features, beam, captions)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return ()  # what the usual beam found is enough
        return found

    def _search(self, features: Tensor, beam: int, captions: int) -> list[tuple[Caption, ...]]:
        """Up to so many captions of each photo, the best first and each text once."""
        found = self.model.generate(
            pixel_values=features,
            num_beams=beam,
            num_return_sequences=beam if captions > 1 else 1,
            do_sample=False,
            max_new_tokens=_MAX_WORDS,
            return_dict_in_generate=True,
            output_scores=True,
        )
        texts = self._tokenizer.batch_decode(found.sequences, skip_special_tokens=True)
        written = zip(
            texts, self._mean_log_probabilities(found), self._have_ended(found.sequences), strict=True
        )
        by_photo: list[dict[str, Caption]] = [{} for _ in features]
        for number, (spelt, score, ended) in enumerate(written):
            text = " ".join(spelt.split())
            by_photo[number * len(features) // len(texts)].setdefault(text, Caption(text, score, ended))
        return [tuple(by_text.values())[:captions] for by_text in by_photo]

    def _mean_log_probabilities(self, found: Any) -> list[float]:
        """Each caption's mean log probability of a token; beam search has computed it already."""
        if getattr(found, "sequences_scores", None) is not None:
            scores: list[float] = found.sequences_scores.tolist()
            return scores
        steps = torch.stack([step.float().log_softmax(dim=-1) for step in found.scores], dim=1)
        tokens = found.sequences[:, -steps.shape[1] :]
        logs = steps.gather(2, tokens.unsqueeze(2)).squeeze(2)
        written = (logs.isfinite() & (tokens != self._tokenizer.pad_token_id)).float()
        means: Tensor = (logs.nan_to_num(neginf=0.0) * written).sum(1) / written.sum(1).clamp(min=1)
        return [float(mean) for mean in means]

    def _have_ended(self, sequences: Tensor) -> Iterator[bool]:
        """Whether a sequence came to an end token after its first word."""
        ends = {
            token
            for token in (
                self._tokenizer.eos_token_id,
                self._tokenizer.sep_token_id,
                self._tokenizer.pad_token_id,
            )
            if token is not None
        }
        return (any(token in ends for token in row[1:]) for row in sequences.tolist())


def _load_parts(transformers: Any, model: str) -> tuple[tuple[Any, Any, Any], str]:
    """(Model, image processor, tokenizer), and the revision that the hub gave."""
    config = transformers.AutoConfig.from_pretrained(model, trust_remote_code=False)
    if config.model_type not in CLASSES:
        known = ", ".join(CLASSES)
        raise ModelError(f"{model}: is of the kind {config.model_type!r}; captions are written by {known}")
    revision = getattr(config, "_commit_hash", None)
    options: dict[str, Any] = {"trust_remote_code": False}
    if not Path(model).is_dir():
        options["revision"] = revision  # all parts of one revision, even if the model changes meanwhile
    model_class = getattr(transformers, CLASSES[config.model_type])
    network = model_class.from_pretrained(model, use_safetensors=True, **options)
    processor = transformers.AutoImageProcessor.from_pretrained(model, **options)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model, **options)
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # transformers makes one up where there is none
        raise ModelError(f"{model}: has no tokenizer, or one without words; fetch the whole model")
    return (network, processor, tokenizer), revision or "unknown"


def _files(folder: Path) -> list[Path]:
    """All files of a model that may decide its captions: weights, configurations, words."""
    kinds = {".safetensors", ".json", ".jinja", ".txt", ".model"}
    return sorted(file for file in folder.iterdir() if file.suffix in kinds and file.is_file())


def _silence_transformers(transformers: Any) -> None:
    """Turn off transformers' own bars and advice, which would stand between captions."""
    from huggingface_hub.utils import logging as hub_logging

    hub: Any = hub_logging  # has no types
    hub.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def _explain(model: str, error: BaseException) -> str:
    """One line for the errors of transformers, its hub client and its file readers, which have many lines."""
    causes = _error_classes(error)
    if "GatedRepoError" in causes:
        return f"{model}: is gated; ask for access at https://huggingface.co/{model} and set HF_TOKEN"
    if "RepositoryNotFoundError" in causes:
        return (
            f"{model}: no such folder, and no such model on huggingface.co, or a private one (set HF_TOKEN)"
        )
    if causes & {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError", "ConnectError"}:
        return (
            f"{model}: neither such a folder nor such a model is here, and huggingface.co cannot be reached"
        )
    if "safetensors" in str(error) and "SafetensorError" not in causes:
        return f"{model}: has no weights in safetensors; other formats are not loaded, as they can run code"
    return f"{model}: cannot be loaded as an image-to-text model ({error_text(error)})"


def _error_classes(error: BaseException | None) -> set[str]:
    """Names of the error's classes and of those that caused it."""
    found: set[str] = set()
    while error is not None:
        found |= {kind.__name__ for kind in type(error).__mro__}
        error = error.__cause__ or error.__context__
    return found
