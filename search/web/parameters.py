"""What clients may ask: the query parameters of each route, checked; anything else is refused."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import UploadFile
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from indexer.given import HIGHEST_SEED
from indexer.records import KEYWORD_FIELDS, NO_FILTERS, Filters
from search import cursor
from search.wanted import Options

Word = Annotated[str, Field(min_length=1, max_length=200)]
Words = Annotated[list[Word], Field(max_length=200)]
# As many and as long as a sentence gives, also that of an image's caption: an answer's tokens may come back.
Token = Annotated[str, Field(min_length=1, max_length=60_000)]
Tokens = Annotated[list[Token], Field(max_length=6_000)]
Sentence = Annotated[str, Field(min_length=1, max_length=2_000)]
Value = Annotated[str, Field(max_length=500)]
Values = Annotated[list[Value], Field(max_length=50)]
ImageId = Annotated[str, Field(max_length=4_000)]
ImageIds = Annotated[list[ImageId], Field(max_length=50)]

#: Most hits a page may have.
MAX_HITS = 200
#: Most captions of a photo that are searched for.
MAX_CAPTIONS = 5


def _values(what: str) -> Any:
    return Field(default=[], description=f"Only captions with this {what}; repeat it to allow several.")


class FilterParameters(BaseModel):
    """Which captions may answer: every field named must have one of its values, and no word of `without`."""

    model_config = ConfigDict(extra="forbid")

    image_id: Values = _values("image id")
    image: Values = _values("path or URL of the picture")
    source: Values = _values("source (coco, flickr8k, folder, scraped, ...)")
    kind: Values = _values("kind (reference, generated, title)")
    model: Values = _values("captioning model")
    split: Values = _values("split (train, val, ...)")
    query: Values = _values("web query that found the image")
    provider: Values = _values("web search that found the image")
    page: Values = _values("web page that shows the image")
    title: Values = _values("title")
    creator: Values = _values("creator")
    license: Values = _values("licence")
    attribution: Values = _values("attribution")
    phash: Values = _values("perceptual hash of the picture (16 hex digits)")
    without: Words = Field(
        default=[],
        description="Exclude captions that contain this word; repeatable. For a few common words (man, sit, "
        "two) captions that only imply it are excluded too.",
    )

    @property
    def filters(self) -> Filters:
        where = {name: tuple(getattr(self, name)) for name in KEYWORD_FIELDS if getattr(self, name)}
        return Filters(where) if where else NO_FILTERS


class SearchParameters(FilterParameters):
    """How many hits, how similar, and where the page begins."""

    k: int = Field(default=10, ge=1, le=MAX_HITS, description="Hits on a page.")
    min_score: float = Field(
        default=0.0, ge=0.0, le=1.0, allow_inf_nan=False, description="Least Jaccard similarity of a hit."
    )
    after: str | None = Field(
        default=None,
        max_length=cursor.LONGEST,
        description="The `cursor` of the page before; all else as it was.",
    )
    fold_duplicates: bool = Field(default=False, description="Show near-identical pictures once.")

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of every search of `Searcher`."""
        return {name: getattr(self, name) for name in ("k", *Options.__annotations__)}


class PhotoParameters(SearchParameters):
    """A search by a photo."""

    captions: int = Field(
        default=1,
        ge=1,
        le=MAX_CAPTIONS,
        description="Captions of the photo to search for; the best counts.",
    )


class OneSentence(BaseModel):
    """A sentence and what was changed of its words."""

    q: str = Field(default="", max_length=2_000, description="A sentence, or a photo's caption.")
    like: ImageId = Field(default="", description="An image of the index, whose caption is taken for `q`.")
    token: Tokens = Field(default=[], description="Tokens as they are, beside or instead of those of `q`.")
    add: Words = Field(default=[], description="Further words.")
    drop: Tokens = Field(default=[], description="Stems or tokens of the query to leave out.")

    @property
    def others(self) -> tuple[str, ...]:
        """Sentences beside `q`."""
        return ()

    @property
    def empty(self) -> bool:
        """Whether nothing is named at all; words that are all dropped again are something."""
        return not (self.q.strip() or self.like or self.token or self.add or self.drop)


class Sentences(OneSentence):
    """What is searched for in words."""

    also: Annotated[list[Sentence], Field(max_length=MAX_CAPTIONS - 1)] = Field(
        default=[], description="Further captions of the photo; an image counts by the best of all."
    )

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(self.also)


class TextParameters(Sentences, SearchParameters):
    """A search by words."""


class CountParameters(Sentences, FilterParameters):
    """How many images reach a similarity."""

    exclude: ImageIds = Field(
        default=[], description="Images that do not count, such as the one asked about."
    )
    min_score: float = Field(gt=0.0, le=1.0, allow_inf_nan=False, description="The similarity to reach.")


class ImageParameters(OneSentence):
    """The search that every caption of an image is scored against, and whose words are marked in it."""

    model_config = ConfigDict(extra="forbid")


class RandomParameters(FilterParameters):
    """A handful of images to begin with."""

    size: int = Field(default=12, ge=1, le=100, description="How many images.")
    seed: int | None = Field(
        default=None, ge=0, le=HIGHEST_SEED, description="The same seed, the same images of the same index."
    )


class ThumbnailParameters(BaseModel):
    """How large a thumbnail may be."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(
        default=320, ge=1, le=4096, description="Longest side in pixels, rounded up to a size that is kept."
    )


class NoParameters(BaseModel):
    """For routes without parameters."""

    model_config = ConfigDict(extra="forbid")


def _a_file(given: Any) -> Any:
    """What a form's field must be: curl without the @ sends a file's name."""
    if isinstance(given, str):
        raise PydanticCustomError("no_file", "send a photo's file, not text; with curl: -F photo=@FILE")
    return given


class PhotoForm(BaseModel):
    """A photo, by one of the two."""

    model_config = ConfigDict(extra="forbid")

    photo: Annotated[UploadFile | None, BeforeValidator(_a_file)] = Field(
        default=None, description="The photo's file."
    )
    url: str | None = Field(
        default=None, max_length=2_000, description="A photo's web address; off by default."
    )


class SessionForm(BaseModel):
    """A sign-in."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(max_length=1_000)


def _single(*models: type[BaseModel]) -> frozenset[str]:
    fields = [item for model in models for item in model.model_fields.items()]
    return frozenset(name for name, field in fields if not isinstance(field.get_default(), list))


#: Parameters of one value, of which FastAPI would take the last where several are given.
SINGLE = _single(PhotoParameters, TextParameters, CountParameters, RandomParameters, ThumbnailParameters)
