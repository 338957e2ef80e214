"""Photos, and files of captions, as people have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def write_photo(path: Path, colour: str = "red", size: tuple[int, int] = (16, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def write_noise(path: Path, seed: int) -> Path:
    """A photo that no other seed's resembles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((96, 72)).save(path)
    return path


def write_jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def write_coco(path: Path, **changes: Any) -> Path:
    """Two images, three captions, in COCO's form; `changes` replace parts of it."""
    whole = {
        "info": {"description": "COCO 2017 Dataset"},
        "licenses": [
            {"id": 1, "name": "Attribution License", "url": "http://creativecommons.org/licenses/by/2.0/"},
            {"id": 7, "name": "No known copyright restrictions", "url": "http://flickr.com/commons/usage/"},
        ],
        "images": [
            {
                "id": 9,
                "file_name": "000000000009.jpg",
                "license": 1,
                "coco_url": "http://images.cocodataset.org/train2017/000000000009.jpg",
                "flickr_url": "http://farm4.staticflickr.com/9.jpg",
            },
            {"id": 12, "file_name": "COCO_val2014_000000000012.jpg", "license": 7},
        ],
        "annotations": [
            {"id": 1, "image_id": 9, "caption": "A dog on a red sofa."},
            {"id": 2, "image_id": 12, "caption": "Two cats sleep.\n"},
            {"id": 3, "image_id": 9, "caption": "A brown dog lies on a sofa."},
        ],
        **changes,
    }
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


def write_scraped(folder: Path) -> None:
    """A scraped folder of one photo, the same one in every such folder."""
    sha256 = "ab12" * 16
    shared = {"file": f"images/ab/{sha256}.jpg", "sha256": sha256, "phash": "00ff" * 4}
    write_photo(folder / shared["file"])
    item = {"line": "item", "url": f"http://{folder.name}.example/1.jpg", "status": "downloaded"}
    write_jsonl(folder / "manifest.jsonl", item | shared | {"title": f"Seen by {folder.name}"})


def captions_file(folder: Path, *captions: str, name: str = "captions.jsonl") -> Path:
    rows = [{"image_id": f"{number}.jpg", "caption": text} for number, text in enumerate(captions)]
    return write_jsonl(folder / name, *rows)
