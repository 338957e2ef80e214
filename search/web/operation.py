"""What whoever runs the server asks: signs of life, and numbers for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from indexer.errors import IndexerError
from search.web.answers import HealthAnswer
from search.web.api import ServiceOf
from search.web.metrics import MEDIA_TYPE
from search.web.problems import not_ready
from search.web.security import signed_in

router = APIRouter()


@router.get("/health/live", response_model=HealthAnswer)
async def live() -> Response:
    """The process answers."""
    return JSONResponse({"status": "live"})


@router.get("/health/ready", response_model=HealthAnswer)
async def ready(request: Request, service: ServiceOf) -> Response:
    """A search would be answered; a problem document (503, 504) where it would not.

    Why not is told to those who may search: everybody may see whether.
    """
    try:
        await service.ready()
    except IndexerError as error:
        service.failures.tell(str(error))
        if signed_in(service.settings, request.headers):
            raise
        raise not_ready() from None
    return JSONResponse({"status": "ready"})


@router.get("/metrics", response_class=Response)
async def metrics(service: ServiceOf) -> Response:
    """Counts and times for Prometheus."""
    return Response(service.metrics.text(), media_type=MEDIA_TYPE)
