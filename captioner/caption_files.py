"""Files of captions, line by line and annotation by annotation: Flickr8k's, COCO's and JSON lines.

Training and the index read them by these rules. A bad line does not affect the others: the index reports it
and goes on, training refuses the file. Nothing here needs torch.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TextIO

from captioner.errors import DataError
from captioner.problem import Problem

Table = Sequence[Mapping[str, Any]]

#: Longer lines of JSON are not read: a caption of 10,000 words has 60,000 bytes.
MAX_LINE = 4 << 20


def photo_in(folder: Path, name: str) -> Path | None:
    """Where the photo of this name lies in the folder; None for a name that leads out of it."""
    inside = PurePosixPath(name)
    return None if inside.is_absolute() or ".." in inside.parts else folder / inside


def names_in(file: Path, errors: str = "strict") -> list[str]:
    """The names of photos in a list: one a line, as file names may hold blanks."""
    lines = map(str.strip, file.read_text(encoding="utf-8-sig", errors=errors).split("\n"))
    return [line for line in lines if line]


# Flickr8k: a folder with captions.txt, a CSV file with the header `image,caption`, and the photos


def flickr8k_photos(place: Path) -> Path | None:
    """The folder of the photos beside captions.txt, if there is one."""
    folders = (place / name for name in ("images", "Images"))
    return next((folder for folder in folders if folder.is_dir()), None)


def flickr8k_captions(lines: TextIO, name: str) -> Iterator[tuple[str, str] | Problem]:
    """Image and caption of each line. Raises DataError where `name` is not Flickr8k's captions.txt."""
    if [field.strip() for field in lines.readline(1024).split(",")] != ["image", "caption"]:
        raise DataError(f"{name}: does not begin with the line image,caption of Flickr8k's captions.txt")
    for number, line in enumerate(lines, start=2):
        if line.strip():
            yield _parse_csv_line(line, f"{name}: line {number}")


def _parse_csv_line(line: str, where: str) -> tuple[str, str] | Problem:
    """Parse one line alone, so that an unclosed quotation mark does not swallow the next line."""
    try:
        image, caption = next(csv.reader([line], strict=True))
    except csv.Error as error:
        return Problem(where, str(error))
    except ValueError:
        return Problem(
            where, "has not the two fields image and caption (commas of a caption stand in quotation marks)"
        )
    return image, caption


# COCO: the tables of a captions_*.json, read by pycocotools


def coco_tables(file: Path) -> Mapping[str, Table]:
    """The annotations' tables: licenses (may be empty), images, annotations. Raises DataError."""
    from pycocotools.coco import COCO

    class Annotations(COCO):  # type: ignore[misc]
        def createIndex(self) -> None:  # noqa: N802
            """Make no index: a broken entry would stop it. Entries are checked one by one instead."""

    try:
        # pycocotools prints its progress to stdout, where results belong.
        with contextlib.redirect_stdout(io.StringIO()):
            return _check_tables(file, Annotations(str(file)).dataset)
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # so are the JSON and the Unicode errors
        raise DataError(f"{file}: is not valid JSON ({error})") from None
    except AssertionError:
        raise DataError(f"{file}: is not in the form of COCO's annotations") from None


def _check_tables(file: Path, dataset: Mapping[str, Any]) -> Mapping[str, Table]:
    tables: dict[str, Table] = {}
    for name in ("licenses", "images", "annotations"):
        entries = dataset.get(name)
        entries = entries if isinstance(entries, list) else []
        tables[name] = [entry for entry in entries if isinstance(entry, dict)]
    for name in ("images", "annotations"):
        if not tables[name]:
            raise DataError(f"{file}: has no list of {name}; give a captions_*.json file of COCO")
    if not any("caption" in entry for entry in tables["annotations"]):
        raise DataError(f"{file}: its annotations have no captions; give a captions_*.json file of COCO")
    return tables


def coco_images(images: Table) -> Table:
    """The images that have an `id` and a `file_name`."""
    return [
        image
        for image in images
        if isinstance(image.get("id"), (int, str)) and isinstance(image.get("file_name"), str)
    ]


def coco_captions(
    annotations: Table, images: Collection[int | str], name: str
) -> Iterator[tuple[int | str, str] | Problem]:
    """Image id, one of `images`, and caption of each annotation, or what is wrong with the annotation."""
    for position, annotation in enumerate(annotations):
        number, caption = annotation.get("image_id"), annotation.get("caption")
        where = f"{name}: annotation {annotation.get('id', f'at position {position}')}"
        if not isinstance(number, (int, str)) or number not in images:
            yield Problem(where, f"its image {number!r} is not among the images of the file")
        elif not isinstance(caption, str):
            yield Problem(where, "has no caption")
        else:
            yield number, caption


# JSON lines: a file with one object a line, of `image_id`, `image`, `caption` and more


def json_lines(stream: BinaryIO, name: str) -> Iterator[tuple[str, dict[str, Any]] | Problem]:
    """Each line that is not empty: its place, for messages, and its fields, without those that are null."""
    for number, line in enumerate(_limited_lines(stream), start=1):
        line = line.removeprefix(codecs.BOM_UTF8) if line and number == 1 else line
        where = f"{name}: line {number}"
        if line is None:
            yield Problem(where, f"is longer than {MAX_LINE:,} bytes")
        elif line.strip():
            yield _parse_fields(line.rstrip(), where)


def _limited_lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """The lines of a file; None for one of more than MAX_LINE bytes, which is never held in memory."""
    while line := stream.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield None
        else:
            yield line


def _parse_fields(line: bytes, where: str) -> tuple[str, dict[str, Any]] | Problem:
    try:
        values = json.loads(line.decode())
    except json.JSONDecodeError as error:
        return Problem(where, f"is not valid JSON ({error.msg} at column {error.pos + 1})")
    except UnicodeDecodeError as error:
        return Problem(where, f"is not UTF-8 (byte {error.start + 1})")
    except RecursionError:
        return Problem(where, "is nested too deeply")
    except ValueError as error:
        return Problem(where, str(error))
    if not isinstance(values, dict):
        return Problem(where, "is not a JSON object")
    known = {name: value for name, value in values.items() if value is not None}
    if type(number := known.get("image_id")) is int:
        known["image_id"] = str(number)
    return where, known
