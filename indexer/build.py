"""source -> (captioner) -> index: build an index anew, or add to the one that is there."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from captioner.problem import Problem
from captioner.tokens import DEFAULT
from indexer.analyzers import check_wanted
from indexer.contract import CaptionIndex
from indexer.counts import Counts
from indexer.errors import IndexerError, IndexUnavailableError
from indexer.loading import Captioning, Loading, Tell, Wording
from indexer.photo_files.gone import count_gone
from indexer.photo_files.renewal import Renewing
from indexer.photo_files.replacing import Before, Replaced, Replacing
from indexer.progress import Progress, no_progress
from indexer.records import IndexStatus, Rejected
from indexer.rejects import write_rejects
from indexer.sources import Source
from indexer.sources.folder import folders_among, unread_of

__all__ = ["BuildReport", "Captioning", "add", "build"]

_NO_WORDING = Wording("", 1)  # where no source has photos


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport(Counts):
    """What became of the sources' captions and photos."""

    rejected: tuple[Rejected, ...]  # captions that the index refused
    problems: tuple[Problem, ...]  # broken lines, photos that cannot be read, ...
    seconds: float
    status: IndexStatus
    #: Folder -> its photos in the index without a file; None where they could not be counted.
    gone: Mapping[str, int] | None = field(default_factory=dict)
    unread: Mapping[str, int] = field(default_factory=dict)  # pictures passed over, by suffix
    replaced: Replaced | None = None  # the index that a build took the place of, where it held captions

    @property
    def whole(self) -> bool:
        """Whether everything that the sources hold is in the index now."""
        return not self.problems and not self.rejected


def build(
    index: CaptionIndex,
    sources: Sequence[Source],
    captioning: Captioning | None = None,
    *,
    analyzer: str = DEFAULT,
    rejects: Path | None = None,
    tell: Tell = lambda problem: None,
    progress: Progress = no_progress,
) -> BuildReport:
    """Make the index hold what the sources hold, and nothing else.

    Readers see the old index until the new one is whole. Photos of which it has the captions that would be
    written now are not captioned again (`indexer.photo_files.replacing`). An interrupted build
    (KeyboardInterrupt or an error) leaves its draft; the same call goes on with it and captions no photo
    twice, also where photos have come or gone meanwhile. What cannot be used is told to `tell` at once and
    counted; captions that the index refuses go to the file `rejects`. Raises IndexerError, with the old index
    as it was, when nothing at all can be indexed.
    """
    started = time.monotonic()
    captioning = _loaded(captioning, sources)
    with index.draft(_key(sources, analyzer, captioning), analyzer) as draft:
        wording = captioning.wording if captioning else _NO_WORDING
        before = Before(index, draft, wording, tell)
        replacing = Replacing(draft, before, wording)
        loading = Loading(draft.add, replacing.look_up, captioning, tell, progress)
        try:
            _load(loading, sources, rejects)
        except IndexUnavailableError as error:
            raise IndexUnavailableError(
                f"{error}; what was stored is kept, the same build goes on"
            ) from error
        if loading.nothing:
            raise IndexerError(
                f"nothing to index ({loading.counts.empty:,} empty captions, {len(loading.problems):,} "
                f"broken, {len(loading.rejected):,} refused); what is at {index.where} stays as it was"
            )
        before.count()
        status = draft.publish()
    return replace(_report(loading, loading.counts, sources, status, started), replaced=before.replaced())


def add(
    index: CaptionIndex,
    sources: Sequence[Source],
    captioning: Captioning | None = None,
    *,
    analyzer: str | None = None,
    rejects: Path | None = None,
    tell: Tell = lambda problem: None,
    progress: Progress = no_progress,
) -> BuildReport:
    """Add what the sources hold to a live index; each batch is visible as soon as it is stored.

    Photos that have as many captions by the same captioner as are asked for are not captioned again, unless
    their file has become another photo since; those that moved keep their captions
    (`indexer.photo_files.renewal`), and those that lie in two of the folders named the image id that they
    have (`indexer.photo_files.image_ids`). Those that are gone from a folder stay and are counted
    (`indexer.photo_files.gone`); where they cannot be, `tell` is told. Raises IndexMismatchError where the
    index was made by another analyzer than `analyzer`, or by one that this version does not know.
    """
    check_wanted(index.where, index.analyzer, analyzer)
    started = time.monotonic()
    captioning = _loaded(captioning, sources)
    live = Renewing(index, captioning.wording if captioning else _NO_WORDING, tell)
    loading = Loading(live.store, live.look_up, captioning, tell, progress)
    _load(loading, sources, rejects)
    report = _report(loading, loading.counts + live.counts, sources, index.status(), started)
    return replace(report, gone=_gone(index, sources, report.problems, tell))


def _loaded(captioning: Captioning | None, sources: Sequence[Source]) -> Captioning | None:
    """Load the captioner now, so that a wrong model is told of at once; None where no source has photos."""
    if not any(source.photo_count() for source in sources):
        return None
    if captioning is None:
        raise IndexerError("the sources have photos, and no captioner was given")
    captioning.open()
    return captioning


def _load(loading: Loading, sources: Sequence[Source], rejects: Path | None) -> None:
    complete = False
    try:
        loading.run(sources)
        complete = True
    finally:
        if rejects is not None and loading.rejected:
            write_rejects(rejects, loading.rejected, append=not complete)


def _key(sources: Sequence[Source], analyzer: str, captioning: Captioning | None) -> str:
    """Two builds have the same key when they would make the same index."""
    parts = [[source.fingerprint() for source in sources], analyzer, captioning and captioning.wording]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _report(
    loading: Loading, counts: Counts, sources: Sequence[Source], status: IndexStatus, started: float
) -> BuildReport:
    return BuildReport(
        **asdict(counts),
        rejected=tuple(loading.rejected),
        problems=tuple(loading.problems),
        seconds=time.monotonic() - started,
        status=status,
        unread=unread_of(sources),
    )


def _gone(
    index: CaptionIndex, sources: Sequence[Source], problems: Sequence[Problem], tell: Tell
) -> dict[str, int] | None:
    """What was added is stored and must be reported, so counting that fails is no error of the addition.

    A photo that was listed is there, but for one with a problem: a link whose file is gone is listed, too.
    """
    folders = folders_among(sources)
    there = {path for source in folders for path in source.paths}
    there.difference_update(problem.where for problem in problems)
    try:
        return count_gone(index, [source.folder for source in folders], there)
    except (IndexerError, OSError) as error:
        tell(Problem("the photos that are gone", f"not counted ({error})"))
        return None
