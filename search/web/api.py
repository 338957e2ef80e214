"""The REST API's routes: read the request, call the service, answer."""

from __future__ import annotations

import time
from collections import Counter
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Form, Path, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response

from search.web.answers import (
    CountAnswer,
    ImageAnswer,
    RandomAnswer,
    SearchAnswer,
    StatusAnswer,
)
from search.web.browser_copies import caching_headers, not_modified
from search.web.parameters import (
    SINGLE,
    CountParameters,
    ImageParameters,
    NoParameters,
    PhotoForm,
    PhotoParameters,
    RandomParameters,
    SearchParameters,
    SessionForm,
    TextParameters,
    ThumbnailParameters,
)
from search.web.pictures import SIZES
from search.web.problems import MEDIA_TYPE, HttpProblem
from search.web.security import is_token, session_cookie, too_large
from search.web.service import Service

_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture.",
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "The copy whose ETag came as If-None-Match is current."},
}


def _problems(picture: bool = False, **why: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's entries for problem documents (status -> when), and for a picture where one is answered."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}}
    return (_PICTURE if picture else {}) | {
        int(status.strip("_")): {"description": text, "content": content} for status, text in why.items()
    }


_ALWAYS = _problems(
    _401="The server asks for its token.",
    _421="The server does not answer to this name.",
    _422="A parameter is wrong.",
    _503="The search engine does not answer, or too many searches are under way.",
    _504="It took too long.",
)


async def _each_once(request: Request) -> None:
    """Refuse a second value of what takes one, as any other parameter that would not be heeded."""
    given = [("query", name) for name, _ in request.query_params.multi_items() if name in SINGLE]
    if request.method == "POST":  # forms, of which every field takes one; they have been read by now
        given += [("body", name) for name, _ in (await request.form()).multi_items()]
    if twice := [place for place, times in Counter(given).items() if times > 1]:
        raise RequestValidationError(
            [{"loc": place, "msg": "give it once", "type": "several"} for place in twice]
        )


router = APIRouter(responses=_ALWAYS, dependencies=[Depends(_each_once)])


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _decoded(image_id: Annotated[str, Path(min_length=1, max_length=4_000)]) -> str:
    """The id of a path, whose slashes came as %2F (see `security.RequestGuard`)."""
    return unquote(image_id, errors="replace")


ServiceOf = Annotated[Service, Depends(_service)]
ImageId = Annotated[str, Depends(_decoded)]
NoParametersHere = Annotated[NoParameters, Query()]


@router.get(
    "/text",
    response_model=SearchAnswer,
    responses=_problems(
        _400="Nothing to search for, or a wrong cursor.",
        _404="No such image as `like`.",
    ),
)
async def text(parameters: Annotated[TextParameters, Query()], service: ServiceOf) -> Response:
    """Images for a sentence, or for a caption whose tokens were edited (`add`, `drop`)."""
    return JSONResponse(await service.text(parameters))


@router.get(
    "/count",
    response_model=CountAnswer,
    responses=_problems(_400="Nothing to search for.", _404="No such image as `like`."),
)
async def count(parameters: Annotated[CountParameters, Query()], service: ServiceOf) -> Response:
    """How many images reach a similarity to these words."""
    return JSONResponse(await service.count(parameters))


@router.post(
    "/similar",
    response_model=SearchAnswer,
    responses=_problems(
        _400="There is no word to search for, a wrong cursor, or the form cannot be read.",
        _403="Photos by web address are off, or the request comes from another site.",
        _408="The upload took too long.",
        _413="The photo is too large.",
        _429="Too many photos are sent, downloaded or waiting; Retry-After says how long.",
    ),
)
async def similar(
    request: Request,
    parameters: Annotated[PhotoParameters, Query()],
    form: Annotated[PhotoForm, Form(media_type="multipart/form-data")],
    service: ServiceOf,
) -> Response:
    """Images similar to a photo.

    Later pages: `GET /text` with the cursor and the captions answered, the first as `q`, others as `also`.
    """
    began = getattr(request.state, "began", time.perf_counter())
    data = await _photo_of(service, form.photo, form.url)
    return JSONResponse(await service.photo(data, parameters, began))


async def _photo_of(service: Service, photo: UploadFile | None, url: str | None) -> bytes:
    if (photo is None) == (url is None):
        raise HttpProblem(
            422, "parameters", "The request is not as described", "Give one photo, as the field `photo`."
        )
    if photo is None:
        return await service.fetched(url or "")
    data = await photo.read()
    if len(data) > service.settings.upload_bytes:
        raise too_large(service.settings)
    return data


@router.get("/images/{image_id:path}/similar", response_model=SearchAnswer, responses=_problems(
    _400="A wrong cursor.", _404="No such image."
))  # fmt: skip
async def similar_to_image(
    image_id: ImageId, parameters: Annotated[SearchParameters, Query()], service: ServiceOf
) -> Response:
    """Images similar to one of the index."""
    return JSONResponse(await service.similar_to_image(image_id, parameters))


_OF_PICTURES = _problems(
    picture=True,
    _404="No such image, or no picture of it here.",
    _503="The picture's file or the search engine cannot be read now, or too much is under way.",
)


@router.get("/images/{image_id:path}/file", response_class=Response, responses=_OF_PICTURES)
async def image_file(
    image_id: ImageId, request: Request, service: ServiceOf, _: NoParametersHere
) -> Response:
    """The picture itself, as it lies in one of the folders named when the server started."""
    picture = await service.picture(image_id)
    headers = caching_headers(picture.version) | {"Content-Security-Policy": "default-src 'none'; sandbox"}
    if current := not_modified(request, headers):
        return current
    return FileResponse(picture.path, media_type=await service.media_type(picture), headers=headers)


@router.get("/images/{image_id:path}/thumbnail", response_class=Response, responses=_OF_PICTURES)
async def thumbnail(
    image_id: ImageId,
    parameters: Annotated[ThumbnailParameters, Query()],
    request: Request,
    service: ServiceOf,
) -> Response:
    """A small JPEG of the picture."""
    size = next((size for size in SIZES if size >= parameters.size), SIZES[-1])
    picture = await service.picture(image_id)
    headers = caching_headers(f"{picture.version}-{size}")
    if current := not_modified(request, headers):
        return current
    made = await service.thumbnail(picture, size)
    return Response(made, media_type="image/jpeg", headers=headers)


@router.get("/images/{image_id:path}", response_model=ImageAnswer, responses=_problems(_404="No such image."))
async def image(
    image_id: ImageId, parameters: Annotated[ImageParameters, Query()], service: ServiceOf
) -> Response:
    """An image with all its captions."""
    return JSONResponse(await service.image(image_id, parameters))


@router.get("/random", response_model=RandomAnswer)
async def random(parameters: Annotated[RandomParameters, Query()], service: ServiceOf) -> Response:
    """Images drawn at random, one caption each."""
    return JSONResponse(await service.random(parameters))


@router.get("/status", response_model=StatusAnswer)
async def status(service: ServiceOf, _: NoParametersHere) -> Response:
    """What the index holds, and what this server allows."""
    return JSONResponse(await service.status() | {"thumbnails": list(SIZES)})


@router.post("/session", status_code=204, responses=_problems(
    _403="The token is not this server's, or the request comes from another site.",
    _413="More than a token was sent.",
    _415="The token is sent as a plain form, without parts.",
))  # fmt: skip
async def session(
    form: Annotated[SessionForm, Form()], request: Request, service: ServiceOf, _: NoParametersHere
) -> Response:
    """Sign in with the server's token: the answer sets a cookie, so that the page can show pictures."""
    if not service.settings.token or not is_token(service.settings, form.token.encode("utf-8", "replace")):
        raise HttpProblem(403, "token", "Refused", "That is not this server's token.")
    answer = Response(status_code=204)
    answer.set_cookie(
        *session_cookie(service.settings.token),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )
    return answer
