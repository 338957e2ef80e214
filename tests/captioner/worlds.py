"""Small worlds to train and caption in: coloured photos, captions of their colours, tiny models."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from captioner.checkpoint import Checkpoint, save
from captioner.configuration import ModelConfig
from captioner.datasets import CaptionedPhoto
from captioner.model import CaptionModel
from captioner.preprocess import Preprocess
from captioner.train.recipe import Recipe
from captioner.vocabulary import SPECIALS, Vocabulary

COLOURS = ("red", "green", "blue", "white", "yellow", "black")
TINY = ModelConfig(
    "efficientnet_lite2",
    "attention",
    embedding=16,
    hidden=16,
    heads=2,
    grid=2,
    preprocess=Preprocess(size=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    max_words=8,
)
RECIPE = Recipe(epochs=3, photos_per_batch=2, learning_rate=1e-2, warmup_steps=2, label_smoothing=0.0)
WORDS = Vocabulary([*SPECIALS, "a", "field", "wall", "under", "the", "sky", *COLOURS])


def coloured_photos(folder: Path, count: int, first: int = 0) -> list[CaptionedPhoto]:
    """Photos of one colour each, with two captions that name it."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in range(first, first + count):
        colour = COLOURS[number % len(COLOURS)]
        path = folder / f"photo{number}.png"
        Image.new("RGB", (70, 64 + number), colour).save(path)
        found.append(CaptionedPhoto(path, (f"a {colour} field under the sky", f"the {colour} wall")))
    return found


def write_coco(path: Path, photos: Sequence[CaptionedPhoto]) -> Path:
    """The photos' captions in COCO's format."""
    images = [{"id": number, "file_name": photo.image.name} for number, photo in enumerate(photos)]
    notes = [
        {"id": 100 * number + place, "image_id": number, "caption": caption}
        for number, photo in enumerate(photos)
        for place, caption in enumerate(photo.captions)
    ]
    path.write_text(json.dumps({"images": images, "annotations": notes}), encoding="utf-8")
    return path


def write_jsonl(path: Path, photos: Sequence[CaptionedPhoto], **more: str) -> Path:
    """The photos' captions as JSON lines, each with more fields; paths begin at the file where they can."""
    lines = [
        {"image": os.path.relpath(photo.image, path.parent), "caption": caption, **more}
        for photo in photos
        for caption in photo.captions
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def tiny_checkpoint(seed: int = 0, config: ModelConfig = TINY, **about: object) -> Checkpoint:
    """A model with random decoder weights, made large enough that its captions differ between photos."""
    torch.manual_seed(seed)
    model = CaptionModel(config, len(WORDS), pretrained=config.decoder == "attention")
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(3.0)
    return Checkpoint(model.eval(), WORDS, about)


def tiny_model(folder: Path, seed: int = 0, config: ModelConfig = TINY, **about: object) -> Path:
    """The folder of a saved tiny model."""
    save(tiny_checkpoint(seed, config, **about), folder)
    return folder


def in_two_processes(*arguments: object) -> list[tuple[str, str]]:
    """What Python wrote to stdout and stderr in each of two processes that train together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    started = [
        subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env=os.environ | group | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    return [process.communicate(timeout=240) for process in started]
