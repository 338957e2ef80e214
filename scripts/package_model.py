"""Make a trained model the one that comes with the package: copy it, and write its model card.

    python scripts/package_model.py RUN/best --card MODEL_CARD.md [--name default]

The card is given with the model, not made up here: its scores come from `captioner evaluate`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from captioner import checkpoint
from captioner.finding import MODELS

MOST_BYTES = 40_000_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("model", type=Path)
    options.add_argument("--card", type=Path, required=True)
    options.add_argument("--name", default="default")
    chosen = options.parse_args()
    model = checkpoint.load(chosen.model)
    target = MODELS / chosen.name
    checkpoint.save(model, target, card=chosen.card.read_text(encoding="utf-8"))
    size = sum(path.stat().st_size for path in target.iterdir())
    print(f"{target}: {size / 1e6:.1f} MB")
    if size > MOST_BYTES:
        sys.exit(f"{size} bytes are more than {MOST_BYTES}")


if __name__ == "__main__":
    main()
