"""A small collection to look at: scikit-image's pictures with captions written for them by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

from PIL import Image

from indexer.records import CaptionRecord, IndexStatus
from tests.indexer.memory import MemoryIndex

#: File of scikit-image -> captions, the first one the best.
CAPTIONS: dict[str, tuple[str, ...]] = {
    "astronaut.png": (
        "A smiling woman in an orange space suit in front of a flag",
        "An astronaut poses for a portrait beside a model of a space shuttle",
        "A woman astronaut with short hair smiles at the camera",
    ),
    "chelsea.png": (
        "A close up of a ginger cat looking at the camera",
        "A tabby cat with green eyes rests on a blanket",
        "The face of an orange striped cat",
    ),
    "coffee.png": (
        "A cup of coffee on a saucer with a spoon on a wooden table",
        "A white cup full of espresso stands on a table",
    ),
    "rocket.jpg": (
        "A rocket stands on the launch pad at night",
        "A white rocket is lit by lights before the launch",
        "A space rocket on its pad between towers",
    ),
    "camera.png": (
        "A man in a dark coat looks through a camera on a tripod",
        "A photographer with a camera stands on the grass",
        "Black and white photo of a man with a camera in a field",
    ),
    "motorcycle_left.png": (
        "A motorcycle stands in a garage full of tools",
        "A red motorcycle parked in a workshop",
    ),
    "motorcycle_right.png": ("A motorcycle parked in a garage beside a bicycle wheel",),
    "moon.png": (
        "The grey surface of the moon with a large crater",
        "Craters on the moon in black and white",
    ),
    "hubble_deep_field.jpg": ("Many bright galaxies in a dark sky", "Stars and galaxies in deep space"),
    "coins.png": ("Rows of old coins on a dark table", "A collection of ancient coins lies on a cloth"),
    "horse.png": ("The black shape of a horse standing on white ground",),
    "brick.png": ("A wall of dark bricks", "Black and white photo of a brick wall"),
    "grass.png": ("A close up of long grass in a field", "Grass on the ground in black and white"),
    "gravel.png": ("Small grey stones lie on the ground", "A close up of gravel"),
    "clock_motion.png": (
        "A blurred clock on a wall",
        "A round clock that was moved while the photo was taken",
    ),
    "page.png": ("A page of a book with printed text",),
    "text.png": ("Handwritten text on a white page", "A page with words written by hand"),
    "color.png": ("Wheels of bright colours on a dark ground",),
    "retina.jpg": ("A close up of the back of an eye in orange and red",),
    "ihc.png": ("A microscope photo of purple and brown cells",),
    "cell.png": ("A round cell under a microscope in black and white",),
    "logo.png": ("A drawing of a snake in blue and yellow",),
}


def gallery(folder: Path) -> list[CaptionRecord]:
    """Write the pictures into `folder`, at most 800 pixels wide, and give their captions."""
    records = []
    for name, captions in CAPTIONS.items():
        path = folder / Path(name).with_suffix(".jpg").name
        with as_file(files("skimage") / "data" / name) as source, Image.open(source) as image:
            small = image.convert("RGB")
        small.thumbnail((800, 800))
        small.save(path, quality=88)
        records += [_record(path, caption, number) for number, caption in enumerate(captions)]
    return records


def _record(path: Path, caption: str, number: int) -> CaptionRecord:
    return CaptionRecord(
        image_id=f"skimage/{path.name}",
        caption=caption,
        image=str(path),
        source="folder",
        kind="reference" if number == 0 else "generated",
        model="" if number == 0 else "default@0",
        creator="scikit-image",
        attribution="scikit-image, see its data/README",
        license="https://creativecommons.org/publicdomain/zero/1.0/",
    )


def crowd(size: int) -> list[CaptionRecord]:
    """Many captions without pictures, all alike, to page through."""
    return [
        CaptionRecord(f"crowd-{number:04}", f"Penguin number{number} walks over the ice", source="crowd")
        for number in range(size)
    ]


class Gallery(MemoryIndex):
    """The reference index with counts to filter by."""

    def status(self) -> IndexStatus:
        records = [document.record for document in self.documents.values()]
        sources, kinds = (Counter(getattr(record, name) for record in records) for name in ("source", "kind"))
        return replace(super().status(), sources=sources, kinds=kinds)
