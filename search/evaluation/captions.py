"""Generated captions: read from JSON lines, or written by a model once and kept there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from captioner.caption_files import json_lines
from captioner.problem import Problem
from captioner.stages import UNWATCHED, StageWatcher
from search.errors import EvaluationError
from search.evaluation.data import Captions

if TYPE_CHECKING:  # torch comes with it
    from captioner.streaming import StreamingCaptioner

#: How strongly the groups of a diverse beam search keep apart (`captioner.decode.Decoding`).
DIVERSITY = 0.5


def read_captions(file: Path) -> Captions:
    """Image name -> captions, the best first. One object a line, as `captioner caption --json` prints.

    `image` (a path) or `image_id` names the photo; several lines of a photo are its captions in order.
    Lines with an `error` are left out. Raises EvaluationError.
    """
    found: dict[str, list[str]] = {}
    try:
        with file.open("rb") as stream:
            for image, caption in _image_captions(stream, str(file)):
                found.setdefault(image, []).append(caption)
    except OSError as error:
        raise EvaluationError(f"{file}: cannot be read ({error})") from None
    return {image: tuple(captions) for image, captions in found.items()}


def _image_captions(stream: BinaryIO, name: str) -> Iterator[tuple[str, str]]:
    for line in json_lines(stream, name):
        if isinstance(line, Problem):
            raise EvaluationError(str(line))
        where, row = line
        if "error" in row:
            continue
        image, caption = row.get("image_id") or row.get("image"), row.get("caption")
        if not isinstance(image, str) or not isinstance(caption, str):
            raise EvaluationError(f"{where}: not an object with image and caption")
        yield Path(image).name, caption


def generate(
    captioner: StreamingCaptioner,
    photos: Sequence[Path],
    folder: Path,
    beam: int,
    captions: int,
    watcher: StageWatcher = UNWATCHED,
    diversity: float = 0.0,
) -> Path:
    """Caption photos into a file of `folder` named by model and decoding; photos it has already are kept.

    An interrupted run goes on where it stopped. A photo that cannot be read is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    way = "diverse" if diversity else "beam"
    file = folder / f"{captioner.identity}-{way}{beam}x{captions}.jsonl"
    known = read_captions(file) if file.exists() else {}
    todo = [photo for photo in photos if photo.name not in known]
    if todo:
        watcher.stage(f"captions {way}{beam}x{captions}", len(todo))
    with file.open("a", encoding="utf-8") as lines:
        for done in captioner.stream(todo, beam=beam, captions=captions, diversity=diversity):
            rows = [{"image": Path(done.image).name, "caption": one.text} for one in done.captions]
            lines.writelines(json.dumps(row) + "\n" for row in rows)
            watcher.advance()
    return file


def captions_of(images: Iterable[str], captions: Captions, most: int | None = None) -> Captions:
    """The captions of these images, up to `most` each. Raises EvaluationError where one has none."""
    images = list(images)
    missing = [image for image in images if not captions.get(image)]
    if missing:
        raise EvaluationError(
            f"no generated caption for {missing[0]} ({len(missing)} of {len(images)} images); "
            "caption the whole split, or let a captioner do it"
        )
    return {image: captions[image][:most] for image in images}
