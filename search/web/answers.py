"""What the routes answer, as OpenAPI describes it; the contract test compares the service's answers."""

from __future__ import annotations

from pydantic import BaseModel, Field

Span = tuple[int, int]

_IMPLIED = "For each stem that the caption does not say, its word that implies it."


class AskedAnswer(BaseModel):
    """One of several captions of a photo."""

    caption: str
    tokens: list[str]


class QueryAnswer(BaseModel):
    """The query as it was understood."""

    caption: str
    tokens: list[str]
    captions: list[AskedAnswer] = Field(
        default=[], description="All captions of the photo that were searched for, where they are several."
    )
    without: list[str] = Field(default=[], description="Tokens that no caption which answers holds.")
    idle_without: list[str] = Field(
        default=[],
        description="Of the words to do without those that keep no caption away, since they do not count.",
    )
    unknown: list[str] = Field(default=[], description="Tokens that no caption of the index holds.")
    corrections: dict[str, list[str]] = Field(
        default={},
        description="For stems of such tokens the words that they may be misspelt for, the likeliest first.",
    )
    negated: list[str] = Field(
        default=[],
        description="Words searched for that come after 'no', 'not' or 'without', which say nothing here.",
    )
    words: dict[str, str] = Field(
        description="For each stem of a token, the word that was given for it, or else the usual spelling."
    )
    implied: dict[str, str] = Field(description=_IMPLIED)
    image_id: str | None = None


class Shown(BaseModel):
    """An image with one caption of it."""

    image_id: str
    image: str = Field(description="Where the picture is as the index has it: a path or a web address.")
    caption: str
    source: str
    kind: str
    model: str
    title: str
    creator: str
    license: str
    attribution: str
    page: str = Field(description="The web page that shows the image.")
    file: str | None = Field(description="The picture on this server; null where it has none.")
    thumbnail: str | None
    gone: bool = Field(description="Whether its path leads into a folder of this server without such a file.")


class HitAnswer(Shown):
    split: str = Field(default="", description="Of the data set: train, val, ...")
    query: str = Field(default="", description="The web query that found the image.")
    provider: str = Field(default="", description="The web search that answered it.")
    rank: int
    jaccard: float
    overlap: int
    union: int
    shared: list[str]
    missing: list[str]
    extra: list[str]
    query_caption: str | None = Field(
        default=None, description="Which of several captions searched for this is most similar to."
    )
    duplicates: list[str] = Field(default=[], description="Near-identical images folded into this one.")
    spans: list[Span] = Field(description="Where the shared words stand in `caption` (code points).")
    implied: dict[str, str] = Field(description=f"{_IMPLIED} Of the shared ones.")


class SearchAnswer(BaseModel):
    """Hits with their explanation and the certificate: `exact` is true when they are provably the top k."""

    query: QueryAnswer
    hits: list[HitAnswer]
    exact: bool
    examined: int
    captions: int
    took_ms: float
    cursor: str | None = Field(default=None, description="Give it as `after` for the next page.")
    more: bool = Field(
        default=False,
        description="There is more but no cursor: a folded search has none past some 4,200 pictures.",
    )
    remarks: list[str] = Field(
        default=[], description="Where there are no hits: filters by values that no caption has."
    )


class CountAnswer(BaseModel):
    images: int
    min_score: float


class CaptionAnswer(BaseModel):
    caption: str
    tokens: list[str]
    words: dict[str, str]
    implied: dict[str, str] = Field(description=_IMPLIED)
    kind: str
    source: str
    model: str
    indexed_at: str
    jaccard: float | None = Field(description="Similarity to the tokens of the request, where it had any.")
    shared: list[str]
    spans: list[Span]


class ImageAnswer(Shown):
    """An image with all its captions."""

    media_type: str | None = Field(description="Of the picture at `file`; null where there is none.")
    captions: list[CaptionAnswer]


class RandomAnswer(BaseModel):
    images: list[Shown]


class CaptionerAnswer(BaseModel):
    model: str
    state: str = Field(description="loading, ready, stopping, or failed and why.")


class StatusAnswer(BaseModel):
    version: str
    engine: str
    analyzer: str
    captions: int
    images: int
    sources: dict[str, int]
    kinds: dict[str, int]
    models: dict[str, int]
    built_at: str
    captioner: CaptionerAnswer
    upload_bytes: int
    photo_urls: bool
    remote_images: bool
    image_folders: int = Field(description="Folders whose pictures this server shows.")
    thumbnails: list[int]


class HealthAnswer(BaseModel):
    status: str


class Wrong(BaseModel):
    where: str
    what: str


class ProblemAnswer(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Wrong] = []
