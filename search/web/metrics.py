"""What Prometheus reads at /metrics: counts, and time per step (read, caption, candidates, ranking)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

STEPS = ("read", "caption", "candidates", "ranking")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The numbers of one application; each has its own registry, so that tests do not share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "search_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "search_request_seconds",
            "Time to answer a request.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.step_seconds = Histogram(
            "search_step_seconds",
            "Time in each step of a search.",
            ("step",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "search_caption_batch_size",
            "Photos captioned at once.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self.registry,
        )
        self.searches = Counter(
            "search_results", "Searches answered, by proof.", ("exact",), registry=self.registry
        )
        for step in STEPS:
            self.step_seconds.labels(step)

    def step(self, name: str, seconds: float) -> None:
        self.step_seconds.labels(name).observe(seconds)

    def watch_queue(self, waiting: Callable[[], int]) -> None:
        """Report how many photos wait for the captioner."""
        gauge = Gauge("search_caption_waiting", "Photos waiting for the captioner.", registry=self.registry)
        gauge.set_function(waiting)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self.requests.labels(method, route, str(status)).inc()
        self.request_seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)
