"""Photos a second: the bare encoder, `captioner caption` over a folder, and the original's way, as ratios.

    python benchmarks/captioning.py [--model default] [--photos 1000]

All in one process and in turns, since only ratios of one run mean something on a busy machine. The
photos are real ones (../shared/data where it is, else those that scikit-image carries), written as JPEG.
The original's way is the student project's: one photo at a time, encoder and decoder as they are built
(no fused convolutions, no bfloat16), greedy, each photo opened when its turn comes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

sys.path[0] = str(Path(__file__).resolve().parents[1])  # where `benchmarks` is found

from benchmarks.captions import SHARED  # noqa: E402
from captioner.captioner import Captioner  # noqa: E402
from captioner.decode import decode  # noqa: E402
from captioner.folders import PhotosBelow  # noqa: E402
from captioner.guides.guided import guided  # noqa: E402
from captioner.networks.fused import faster_encoder  # noqa: E402

BATCHES = (1, 2, 4, 8, 16, 32)


def source_photos() -> list[Path]:
    for name in ("flickr8k", "coco"):
        if found := sorted((SHARED / name / "images").glob("*.jpg")):
            return found
    import skimage

    return sorted((Path(skimage.__file__).parent / "data").glob("*.jpg"))


def write_photos(folder: Path, count: int, side: int) -> None:
    """`count` JPEGs; with `side` above 0, enlarged to about a camera's size."""
    for number, path in zip(range(count), itertools.cycle(source_photos()), strict=False):
        with Image.open(path) as image:
            photo = image.convert("RGB")
        if side:
            photo = photo.resize((side, side * 3 // 4), Image.Resampling.BICUBIC)
        photo.save(folder / f"{number:05d}.jpg", quality=90)


def rate(work: Callable[[], int], seconds: float) -> float:
    """Photos a second; `work` gives how many it did, and is repeated for about `seconds`."""
    work()
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        done += work()
    return done / spent


@torch.inference_mode()
def bare_forward(encoder: Callable[[Tensor], Tensor], size: int, seconds: float) -> tuple[float, int]:
    """The encoder alone on ready pixels: photos a second at its best batch size, and that size."""

    def of(batch: int) -> float:
        images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
        return rate(lambda: len(encoder(images)), seconds)

    return max((of(batch), batch) for batch in BATCHES)


@torch.inference_mode()
def original_way(captioner: Captioner, photos: Sequence[str]) -> int:
    preprocess = captioner.model.config.preprocess
    decoder = guided(captioner.model.decoder, captioner.model, captioner.vocabulary)
    for path in photos:
        with Image.open(path) as image:
            pixels = preprocess.squash(image.convert("RGB"))
        features = captioner.model.encoder(preprocess.normalise(torch.tensor(pixels)[None]))
        decode(decoder, features, captioner.decoding(1))
    return len(photos)


def folder_rate(captioner: Captioner, photos: Sequence[str], beam: int) -> float:
    start = time.perf_counter()
    done = sum(1 for _ in captioner.stream(photos, beam=beam))
    return done / (time.perf_counter() - start)


def same_captions(captioner: Captioner, photos: Sequence[str], beam: int) -> float:
    """Share of photos whose caption is that of encoder and decoder as they are built, in float32."""
    ours = [one.captions[0].text for one in captioner.stream(photos, beam=beam)]
    used = captioner._encoder, captioner.decoder
    captioner._encoder = captioner.model.encoder
    captioner.decoder = guided(captioner.model.decoder, captioner.model, captioner.vocabulary)
    plain = [one.captions[0].text for one in captioner.stream(photos, beam=beam)]
    captioner._encoder, captioner.decoder = used
    return sum(one == other for one, other in zip(ours, plain, strict=True)) / len(photos)


def measurements(captioner: Captioner, folder: Path, seconds: float) -> Iterator[tuple[str, float]]:
    photos, size = list(PhotosBelow([folder])), captioner.model.config.preprocess.size
    encoder = captioner.model.encoder
    plain, best = bare_forward(encoder, size, seconds)
    yield f"bare encoder as built, batch {best}", plain
    fused, best = bare_forward(faster_encoder(encoder), size, seconds)
    yield f"bare encoder as used (fused), batch {best}", fused
    few = photos[: max(8, len(photos) // 20)]
    yield "the original's way", rate(lambda: original_way(captioner, few), 0.01)
    for beam in (1, 3):
        yield f"captioner caption, beam {beam}", folder_rate(captioner, photos, beam)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--side", type=int, default=0, help="width of the photos; 0: as they are")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each batch size")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--same", type=int, default=0, help="compare captions of so many photos with float32")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    captioner = Captioner.load(asked.model, "cpu")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_photos(folder, asked.photos, asked.side)
        found = dict(measurements(captioner, folder, asked.seconds))
        plain = next(iter(found.values()))
        for name, value in found.items():
            print(f"{name:<45} {value:7.1f} photos/s  {value / plain:5.2f}", flush=True)
        result: dict[str, float] = {name: round(value / plain, 3) for name, value in found.items()}
        if asked.same:
            photos = list(itertools.islice(PhotosBelow([folder]), asked.same))
            result["same captions"] = same_captions(captioner, photos, 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
