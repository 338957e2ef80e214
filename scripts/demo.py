"""What the program does, on real photos: caption and index a folder, then search with another photo.

The photos are COCO's where COCO_ROOT names a folder with them, and otherwise those that scikit-image,
scikit-learn and matplotlib carry. Every step is a command that can be typed by hand; it is shown as it runs.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

OUTPUT = Path("demo-output")
#: The photo to search with comes first, the rest is indexed.
PACKAGED = {
    "skimage": (
        "data/motorcycle_right.png",
        "data/motorcycle_left.png",
        "data/astronaut.png",
        "data/camera.png",
        "data/chelsea.png",
        "data/coffee.png",
        "data/rocket.jpg",
        "data/coins.png",
        "data/clock_motion.png",
        "data/horse.png",
        "data/grass.png",
        "data/brick.png",
        "data/gravel.png",
    ),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
}
MOST_COCO_PHOTOS = 500


def coco_photos(root: Path) -> list[Path]:
    """Photos of a COCO folder, wherever in it they are."""
    return sorted(root.rglob("*.jpg"))[:MOST_COCO_PHOTOS]


def packaged_photos() -> list[Path]:
    """Photos that come with scientific Python packages."""
    found = []
    for package, names in PACKAGED.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            found += [Path(spec.origin).parent / name for name in names]
    return [path for path in found if path.exists()]


def gather() -> tuple[Path, Path]:
    """Copy the photos: the one to search with, and a folder of the others."""
    root = os.environ.get("COCO_ROOT")
    photos = coco_photos(Path(root)) if root else packaged_photos()
    if len(photos) < 2:
        sys.exit(
            f"no photos below {root}: COCO_ROOT must name a folder with COCO's JPEGs"
            if root
            else "no photos found"
        )
    folder = OUTPUT / "photos"
    shutil.rmtree(OUTPUT, ignore_errors=True)
    folder.mkdir(parents=True)
    query, *others = photos
    for photo in others:
        shutil.copyfile(photo, folder / photo.name)
    return Path(shutil.copyfile(query, OUTPUT / f"query{query.suffix}")), folder


def program(name: str) -> str:
    """As a shell finds it from here: nobody need have entered the environment that the demo runs in."""
    return os.path.relpath(Path(sys.executable).parent / name)


def run(name: str, *words: str) -> None:
    """Show a command as one would type it, and run it; the demo ends with the first that fails."""
    command = [program(name), *words]
    print(f"\n$ {shlex.join(command)}", flush=True)
    finished = subprocess.run(command)
    if finished.returncode:
        sys.exit(finished.returncode)


def advise(index: str) -> None:
    """What to do next."""
    print("Now try your own:")
    for words in ("similar PHOTO", "text 'a cat'"):
        print(f"  {program('search')} {words} --index {index}")


def main() -> None:
    query, folder = gather()
    index = str(OUTPUT / "caption-index")
    montage, page = OUTPUT / "montage.png", OUTPUT / "hits.html"
    run("indexer", "build", "--folder", str(folder), "--index", index)
    run("search", "similar", str(query), "--index", index, "--montage", str(montage), "--html", str(page))
    print(f"\nThe montage is {montage}, the page is {page}.")
    advise(index)


if __name__ == "__main__":
    main()
