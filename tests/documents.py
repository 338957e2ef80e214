"""What the README's commands find in the folder they run in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def furnish(folder: Path, photos: Path) -> None:
    """photo.jpg, folder/, more/, Pictures/, captions.jsonl and a small coco/ in COCO's own layout."""
    pictures = folder / "Pictures"
    shutil.copytree(photos, pictures)
    names = sorted(path.name for path in photos.iterdir())
    shutil.copy(pictures / names[0], folder / "photo.jpg")
    shutil.copy(pictures / names[0], pictures / "IMG_0001.jpg")
    for other in ("folder", "more", "coco/val2017"):
        (folder / other).mkdir(parents=True)
        shutil.copy(pictures / names[1], folder / other / "000000026371.jpg")
    lines = [{"image_id": "000000026371.jpg", "caption": "A dog on a beach catches a frisbee."}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "captions.jsonl").write_text(text, encoding="utf-8")
    (folder / "coco" / "annotations").mkdir()
    image = {"id": 26371, "file_name": "000000026371.jpg", "license": 4, "width": 64, "height": 64}
    note = {"id": 1, "image_id": 26371, "caption": "A dog on a beach catches a frisbee."}
    data = {"info": {}, "licenses": [{"id": 4, "name": "Attribution License", "url": ""}], "images": [image]}
    path = folder / "coco" / "annotations" / "captions_val2017.json"
    path.write_text(json.dumps({**data, "annotations": [note]}), encoding="utf-8")
