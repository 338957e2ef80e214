"""What a search from the command line costs beyond importing what it needs.

    python benchmarks/cold_start.py --index WHERE [--photo PHOTO] [--runs 11]

`search text` is compared with importing numpy, nltk and click; with `--photo`, `search similar` with
importing torch, loading the default captioner and one forward of its encoder. Each run is a process of
its own; both sides take turns, since a busy machine slows both alike. Prints least and median of each side
in seconds, and the differences.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_SEARCH = "from search.cli import main; main()"
_TEXT_IMPORTS = "import numpy, click, nltk"
_PHOTO_IMPORTS = """
import torch
from captioner.captioner import Captioner
captioner = Captioner.load("default")
with torch.inference_mode():
    size = captioner.model.config.preprocess.size
    captioner.model.encoder(torch.zeros(1, 3, size, size))
"""


def seconds(code: str, *arguments: str) -> float:
    """One run in a fresh interpreter."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=os.environ, capture_output=True, text=True
    )
    taken = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(done.stderr)
    return taken


def compare(title: str, allowed: float, base: str, search: Sequence[str], runs: int) -> None:
    seconds(base), seconds(_SEARCH, *search)  # files into the system's memory
    pairs = [(seconds(base), seconds(_SEARCH, *search)) for _ in range(runs)]
    bases, searches = zip(*pairs, strict=True)
    least, median = min(searches) - min(bases), statistics.median(one - other for other, one in pairs)
    verdict = "reached" if min(least, median) <= allowed else "not reached"
    print(f"{title}: {min(searches):.2f} s at least, {statistics.median(searches):.2f} median; ", end="")
    print(f"imports alone {min(bases):.2f} and {statistics.median(bases):.2f}")
    print(f"  difference: {least:+.2f} s of the least, {median:+.2f} median of pairs", end="")
    print(f" (at most {allowed:g}): {verdict}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", required=True, help="folder or URL of an index")
    parser.add_argument("--photo", help="a photo to search by")
    parser.add_argument("--runs", type=int, default=11)
    options = parser.parse_args()
    place = ["--index", options.index, "--json"]
    compare("search text", 0.3, _TEXT_IMPORTS, ["text", "a dog on a beach", *place], options.runs)
    if options.photo:
        photo = str(Path(options.photo).resolve())
        compare("search similar", 1.0, _PHOTO_IMPORTS, ["similar", photo, *place], options.runs)


if __name__ == "__main__":
    main()
