"""Arguments that may be a photo or words, and hints for a user who gave one in place of the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from captioner.errors import PhotoError
from captioner.files import is_file
from indexer.photo_files.image_ids import id_of_file
from indexer.records import Document
from search.errors import NoImageError, QueryError
from search.hits import Answer
from search.searcher import Searcher


def is_photo(given: str) -> bool:
    """Whether an argument means a photo: it is a file, or is named like one."""
    return is_file(given) or _named_like_a_photo(given)


def check_photos(given: Iterable[str]) -> None:
    """Raise PhotoError for a photo that is not there, before any captioner is loaded."""
    from captioner.photo import check_there

    for one in given:
        try:
            check_there(one)
        except PhotoError as error:
            raise PhotoError(_with_hint(one, error)) from None


def missing(photos: Iterable[str]) -> list[Answer]:
    """An answer with the error for each photo that is not there."""
    answers = []
    for photo in photos:
        try:
            check_photos([photo])
        except PhotoError as error:
            answers.append(Answer(photo, error=str(error)))
    return answers


def as_captions(
    like: Sequence[str], unlike: Sequence[str], searcher: Searcher
) -> tuple[list[str], list[str]]:
    """Turn examples into captions: photos are captioned, and words are taken as they are."""
    check_photos(one for one in (*like, *unlike) if is_photo(one))

    def caption(one: str) -> str:
        return searcher.caption(Path(one)) if is_photo(one) else one

    return [caption(one) for one in like], [caption(one) for one in unlike]


def indexed(searcher: Searcher, image: str) -> Document:
    """The caption that stands for an image of the index, by its id or file; raises QueryError."""
    try:
        return searcher.representative(image)
    except NoImageError as error:
        if not is_photo(image):
            raise
        image_id = id_of_file(searcher.index, image) if is_file(image) else None
        if image_id is None:
            raise QueryError(
                f"{error}; a photo's id is its path below the folder that was indexed, and `search similar` "
                "searches by any photo"
            ) from None
    return searcher.representative(image_id)


def _named_like_a_photo(given: str) -> bool:
    from captioner.formats import SUFFIXES

    return Path(given).suffix.lower() in SUFFIXES


def _with_hint(given: str, error: PhotoError) -> str:
    return str(error) if _named_like_a_photo(given) else f"{error}; `search text` searches by words"
