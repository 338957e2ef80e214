"""ClusterCaptioner: the captioner's contract, kept by a pool of captioners on a Ray cluster.

A build on a cluster is the ordinary build with this captioner in it, so resuming, ids, rejects and the
report are the same. Ray Data reads and captions the photos in a pool of actors (a model each), holds the
workers back while the index is busy, and does the batch of a worker that died again. Results come in the
order given; a batch that is done twice gives the same captions once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from captioner.extras import how_to_install
from captioner.outside import error_text
from captioner.photo import Photo
from captioner.photo_captioner import Caption, Captioned, PhotoCaptioner
from indexer.batching import batches
from indexer.cluster.photos import UnreadableError, read_photo
from indexer.errors import IndexerError

#: Photos that go to a worker at a time: what a death of it costs, and what a model captions at once.
BATCH = 32
#: Photos that one run of the pipeline takes; between two, the pool loads its models anew.
WINDOW = 100_000

Batch = dict[str, Any]


class ClusterCaptioner:
    """`load` makes a captioner on each worker; it is called here once as well, for what it is."""

    def __init__(
        self, load: Callable[[], PhotoCaptioner], address: str | None = None, window: int = WINDOW
    ) -> None:
        one = load()
        self.name, self.identity, self.usual_beam = one.name, one.identity, one.usual_beam
        self._load = load
        self._window = window
        connect(address)

    def stream(
        self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
    ) -> Iterator[Captioned]:
        """Caption photos (paths or addresses) in the order given; a bad one gives its error."""
        for window in batches(map(os.fspath, photos), self._window):  # type: ignore[arg-type]
            yield from self._run(window, beam, captions)

    def _run(self, addresses: list[str], beam: int | None, captions: int) -> Iterator[Captioned]:
        import ray

        _quiet_and_in_order(ray.data.DataContext.get_current())
        gpus = int(ray.cluster_resources().get("GPU", 0))  # type: ignore[no-untyped-call]
        blocks = -(-len(addresses) // BATCH)
        captioned = (
            ray.data.from_items([{"image": address} for address in addresses], override_num_blocks=blocks)
            .map_batches(_read, batch_size=BATCH)
            .map_batches(
                _Worker,
                batch_size=BATCH,
                fn_constructor_args=(self._load, beam, captions),
                num_gpus=1 if gpus else 0,
                num_cpus=1,
                concurrency=(1, _pool(gpus, blocks)),
            )
        )
        for row in captioned.iter_rows():
            found = zip(row["texts"], row["scores"], row["ended"], strict=True)
            yield Captioned(
                row["image"],
                tuple(Caption(str(text), float(score), bool(ended)) for text, score, ended in found),
                row["phash"],
                row["reason"] or None,
            )


def connect(address: str | None) -> None:
    """Join the cluster at `address` ("auto", ray://HOST:10001, HOST:6379), or start one on this machine."""
    # Ray's own report of its use; an operator who wants it sets the variable to 1.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise IndexerError(f"--engine ray needs {error.name}: {how_to_install('ray')}") from None
    if ray.is_initialized():
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options["include_dashboard"] = False
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        where = address or "this machine"
        raise IndexerError(f"no Ray cluster at {where}: {error_text(error)}") from None


def _quiet_and_in_order(context: Any) -> None:
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = True
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _pool(gpus: int, blocks: int) -> int:
    """The most captioners at once: one for each GPU; else one for each CPU but one, which reads."""
    import ray

    most = gpus or int(ray.cluster_resources().get("CPU", 1)) - 1  # type: ignore[no-untyped-call]
    return max(1, min(most, blocks))


def _read(batch: Batch) -> Batch:
    """image -> image, content, reason (why it cannot be read)."""
    contents: list[bytes] = []
    reasons: list[str] = []
    for address in batch["image"]:
        try:
            contents.append(read_photo(str(address)))
            reasons.append("")
        except UnreadableError as error:
            contents.append(b"")
            reasons.append(str(error))
    return {"image": batch["image"], "content": contents, "reason": reasons}


class _Worker:
    """One captioner, kept from batch to batch."""

    def __init__(self, load: Callable[[], PhotoCaptioner], beam: int | None, captions: int) -> None:
        self._captioner = load()
        self._beam, self._captions = beam, captions

    def __call__(self, batch: Batch) -> Batch:
        """image, content, reason -> image, texts, scores, ended, phash, reason."""
        readable = [bytes(content) for content in batch["content"] if len(content)]
        made = self._captioner.stream(readable, beam=self._beam, captions=self._captions)
        rows = [
            _row(str(image), next(made) if len(content) else Captioned(str(image), reason=str(reason)))
            for image, content, reason in zip(batch["image"], batch["content"], batch["reason"], strict=True)
        ]
        return {name: [row[name] for row in rows] for name in rows[0]}


def _row(image: str, made: Captioned) -> dict[str, Any]:
    """What was made of the photo at this address; the captioner, who got its bytes, does not know that."""
    return {
        "image": image,
        "texts": [caption.text for caption in made.captions],
        "scores": [caption.score for caption in made.captions],
        "ended": [caption.ended for caption in made.captions],
        "phash": made.phash,
        "reason": made.reason or "",
    }
