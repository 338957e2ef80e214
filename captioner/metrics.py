"""How good captions are: BLEU, ROUGE-L, CIDEr-D, METEOR and SPICE by their reference implementations.

pycocoevalcap (the extra `evaluate`) computes them, of captions decoded as in use. METEOR, SPICE and the
tokeniser that papers use are Java programs; where they cannot run, the result says so.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from captioner.captioner import Caption, Captioner, PhotoCaptioner
from captioner.datasets import CaptionedPhoto, check_photos_there
from captioner.errors import CaptionerError, DataError
from captioner.extras import how_to_install
from captioner.readable import unreadable, without
from captioner.stages import UNWATCHED, StageWatcher
from captioner.tokens import words
from captioner.training_record import KEY, check_unseen

Tokenised = dict[int, list[str]]  # photo -> its captions, words joined by blanks

PTB = "Stanford PTB (as in papers)"
OWN = "captioner.tokens.words (no Java here: figures may differ a little from papers)"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of one model on one set of photos, and figures that show when good scores mislead."""

    model: str
    photos: int
    beam: int
    scores: Mapping[str, float]
    unavailable: Mapping[str, str]  # measure -> why it is not there
    tokenizer: str
    distinct: float  # different captions, as a share of all
    words_used: int  # different words in all captions
    without_end: float  # share of captions cut off at the longest length
    training_photos: str  # what is known of whether test photos were trained on
    captions: Mapping[str, str] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(
    captioner: PhotoCaptioner,
    photos: Sequence[CaptionedPhoto],
    beam: int | None = None,
    trained_on: Iterable[str] = (),
    *,
    watcher: StageWatcher = UNWATCHED,
) -> Evaluation:
    """Caption the photos and score the captions against what people wrote.

    `beam`: None for the model's usual one. `trained_on`: names of photos that the model has learnt from,
    beside those that it remembers itself. Photos that cannot be read are left out, and each is remarked on.
    Raises DataError when a test photo is among those that were learnt from or is not there, and when too many
    cannot be read.
    """
    _check_comparable(photos)
    check_photos_there(photos)  # hours may lie between the first photo and a missing one
    names = [photo.name for photo in photos]
    known = _check_training_photos(captioner, names, trained_on)
    photos = without(photos, unreadable(photos, "to score on", watcher=watcher))
    names = [photo.name for photo in photos]
    watcher.stage("captions", len(photos))
    written = list(_captions(captioner, photos, beam, watcher))
    texts = [caption.text for caption in written]
    scores, unavailable, tokenizer = measure([photo.captions for photo in photos], texts)
    return Evaluation(
        captioner.identity,
        len(photos),
        captioner.usual_beam if beam is None else beam,
        scores,
        unavailable,
        tokenizer,
        distinct=len(set(texts)) / len(texts),
        words_used=len({word for text in texts for word in words(text)}),
        without_end=sum(not caption.ended for caption in written) / len(written),
        training_photos=known,
        captions=dict(zip(names, texts, strict=True)),
    )


def _check_comparable(photos: Sequence[CaptionedPhoto]) -> None:
    if not photos:
        raise DataError("there is no photo to evaluate on")
    for photo in photos:
        if not any(map(words, photo.captions)):
            raise DataError(f"{photo.name}: its captions hold no word to compare with")


def _captions(
    captioner: PhotoCaptioner,
    photos: Sequence[CaptionedPhoto],
    beam: int | None,
    watcher: StageWatcher,
) -> Iterator[Caption]:
    for result in captioner.stream([photo.image for photo in photos], beam=beam):
        if result.error is not None:
            raise DataError(result.error)
        yield result.captions[0]
        watcher.advance()


def measure(
    references: Sequence[Sequence[str]], captions: Sequence[str]
) -> tuple[dict[str, float], dict[str, str], str]:
    """Scores by name, why others are not there, and the tokeniser, for one caption of each photo."""
    try:
        from pycocoevalcap.bleu.bleu import Bleu
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
    except ImportError:
        raise DataError(f"scores need pycocoevalcap: {how_to_install('evaluate')}") from None
    theirs, ours, tokenizer = _tokenise(references, captions)
    bleu, _ = Bleu(4).compute_score(theirs, ours, verbose=0)
    scores = {f"BLEU-{n}": float(value) for n, value in enumerate(bleu, start=1)}
    scores["ROUGE-L"] = float(Rouge().compute_score(theirs, ours)[0])
    unavailable = {}
    if len(captions) > 1:
        scores["CIDEr-D"] = float(Cider().compute_score(theirs, ours)[0])
    else:
        unavailable["CIDEr-D"] = "of one photo it is always 0: it weighs words by how few photos have them"
    by_java, without_java = _measure_by_java(theirs, ours)
    return scores | by_java, unavailable | without_java, tokenizer


class _UnavailableError(CaptionerError):
    """Why a measure cannot be computed here."""


def _measure_by_java(theirs: Tokenised, ours: Tokenised) -> tuple[dict[str, float], dict[str, str]]:
    scores, unavailable = {}, {}
    for name, run in (("METEOR", _meteor), ("SPICE", _spice)):
        try:
            scores[name] = run(theirs, ours)
        except _UnavailableError as error:
            unavailable[name] = str(error)
    return scores, unavailable


def _check_training_photos(captioner: PhotoCaptioner, names: Sequence[str], trained_on: Iterable[str]) -> str:
    """Raise DataError for photos that were trained on; gives, for people, what is known of the others."""
    about = captioner.about if isinstance(captioner, Captioner) else {}
    if check_unseen(names, captioner.name, trained_on, about):
        return "no test photo is among them"
    unknown = f"unknown: the model keeps no record of its training photos ({KEY})"
    return f"{unknown}; `captioner evaluate --trained-on FILE` takes their names"


def _tokenise(
    references: Sequence[Sequence[str]], captions: Sequence[str]
) -> tuple[Tokenised, Tokenised, str]:
    """Both tokenised, and the tokeniser's name: the one that papers use if Java runs it, else our own."""
    given = (dict(enumerate(references)), {number: [text] for number, text in enumerate(captions)})
    if shutil.which("java"):
        theirs, ours = (_tokenise_by_stanford(photos) for photos in given)
        if theirs is not None and ours is not None:
            return theirs, ours, PTB
    theirs, ours = (
        {n: [" ".join(words(text)) for text in all_] for n, all_ in photos.items()} for photos in given
    )
    return theirs, ours, OWN


def _tokenise_by_stanford(photos: Mapping[int, Sequence[str]]) -> Tokenised | None:
    from pycocoevalcap.tokenizer import ptbtokenizer

    # It reads one caption a line, and ends a line at \r, \v, \f, U+2028 and U+2029 as well.
    asked = {n: [{"caption": " ".join(text.split()) or "."} for text in texts] for n, texts in photos.items()}
    try:
        with _stderr_discarded(ptbtokenizer):
            found: Tokenised = ptbtokenizer.PTBTokenizer().tokenize(asked)
    except (OSError, UnicodeDecodeError):
        return None
    whole = all(len(found.get(number, ())) == len(texts) for number, texts in photos.items())
    return found if whole else None


@contextlib.contextmanager
def _stderr_discarded(module: Any) -> Iterator[None]:
    """Keep off the terminal what programs that the module starts tell of themselves ("9 tokens")."""
    quiet = partial(subprocess.Popen, stderr=subprocess.DEVNULL)
    module.subprocess = SimpleNamespace(Popen=quiet, PIPE=subprocess.PIPE)
    try:
        yield
    finally:
        module.subprocess = subprocess


def _meteor(theirs: Tokenised, ours: Tokenised) -> float:
    if not shutil.which("java"):
        raise _UnavailableError("needs Java, which is not here")
    from pycocoevalcap.meteor.meteor import Meteor

    meteor = Meteor()
    try:
        return float(meteor.compute_score(theirs, ours)[0])
    except (OSError, ValueError) as error:
        raise _UnavailableError(f"its Java program failed here ({error})") from None
    finally:
        if meteor.lock.locked():  # an error left it locked; its own clean-up would wait for ever
            meteor.lock.release()
        process = meteor.meteor_p
        with contextlib.suppress(OSError):  # for bytes that the program no longer reads
            process.stdin.close()
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            pipe.close()


def _spice(theirs: Tokenised, ours: Tokenised) -> float:
    if not shutil.which("java"):
        raise _UnavailableError("needs Java, which is not here")
    from pycocoevalcap.spice import spice

    if not (Path(spice.__file__).parent / "lib" / "stanford-corenlp-3.6.0.jar").exists():
        raise _UnavailableError(
            "needs Stanford CoreNLP 3.6.0 (400 MB), which pycocoevalcap fetches by: "
            "python -c 'from pycocoevalcap.spice.spice import Spice; Spice()'"
        )
    try:
        return float(spice.Spice().compute_score(theirs, ours)[0])
    except Exception as error:  # it runs on Java 8 only, and says so in many ways
        raise _UnavailableError(f"its Java program failed here ({error}); it needs Java 8") from None
