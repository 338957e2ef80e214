"""Photo -> caption -> tokens. Nothing here loads torch until a model is first needed.

Photos:

photo.py                   Open a photo safely: the one place where image files from outside are decoded
excess.py                  Files that would keep a decoder busy out of all proportion to their size
heif_boxes.py              How many pixels are decoded for a HEIF, as its boxes tell (ISO/IEC 23008-12)
formats.py                 Which formats of pictures are read, which others are recognised
folders.py                 The photos in folders: one walk for all commands, and what it passes over
photo_names.py             When two names may mean one photo
unreachable.py             Why the file of a photo cannot be had: the same words wherever one is read

Models (see networks/ and guides/, too):

model.py                   The models: an encoder that looks, a decoder that writes
configuration.py           What a model is built from; the named architectures
model_folder.py            A model's folder: its config.json, read without its weights
checkpoint.py              A model on disk: its folder of four files, read and written
finding.py                 Find a model by what people call it, and open it
catalogue.py               The models that are here, and those to make or download
card.py                    A MODEL_CARD.md for a model without one
training_record.py         The photos that a model has learnt from, so that nobody tests it on them
vocabulary.py              Words <-> ids, kept as vocab.json
preprocess.py              Photo -> tensor, the same way in training and in use

Captions:

photo_captioner.py         The interface of every kind of captioner, and what it gives
captioner.py               Captioner: this project's models, ready to caption
streaming.py               What all captioners share: photos in batches, one and a million in the same way
decode.py                  Greedy and beam search over a decoder's step function, for a whole batch at once
decoding_settings.py       The settings that a model is decoded with: its usual beam
effort.py                  How hard captioning tries, and its limits
transformers_captioner.py  Hugging Face's image-to-text models behind the same interface
pooled.py                  What encoders see in photos, averaged over a photo's places

Tokens:

tokens.py                  Caption -> set of tokens, by named and versioned analyzers

Data sets and scores:

caption_files.py           Files of captions, line by line: Flickr8k's, COCO's and JSON lines
datasets.py                Captioned photos to train on and to evaluate with: Flickr8k and COCO
jsonl.py                   Captioned photos of one's own: which to learn from
readable.py                Which photos of a data set can be read; the others are left out
metrics.py                 How good captions are, by the reference implementations
cider.py                   CIDEr-D, fast enough to be a training reward
compare.py                 Every photo with every model's caption below it: in a terminal, as a picture

The command (see commands/, too):

cli.py                     The command `captioner`: its commands and their options
__main__.py                `python -m captioner`
starting.py                Start the three commands, quietly where Ctrl-C comes meanwhile

For all three packages:

errors.py                  What can go wrong in the captioner
problem.py                 One thing of many that cannot be used, while the others can
outside.py                 Text from outside made safe to show on one line
given.py                   Check arguments that callers of all three packages give
files.py                   Whether a name is a file; its state; and files written whole
digest.py                  Digests of files' content
extras.py                  What is said where a package of an extra is missing: the same advice everywhere
counted.py                 Numbers of things as people write them: one photo, two photos
stages.py                  Who is told how a work of several stages gets on, and what is remarked meanwhile
signals.py                 Signals that ask to stop: what they interrupt, and what they must not cut short
remembered.py              What was made of words, remembered: as a cache of so many bytes
warnings_off.py            No warnings for a while, in a program of several threads
version.py                 The program's own version
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from captioner.errors import CaptionerError, ModelError, PhotoError
from captioner.version import version_attribute

if TYPE_CHECKING:
    from captioner.captioner import Captioner
    from captioner.finding import open_captioner
    from captioner.photo_captioner import Caption, Captioned, PhotoCaptioner

    __version__: str

__all__ = [
    "Caption",
    "Captioned",
    "Captioner",
    "CaptionerError",
    "ModelError",
    "PhotoCaptioner",
    "PhotoError",
    "__version__",
    "open_captioner",
]

#: Where those are that a first use imports.
_PLACES = {
    "Caption": "photo_captioner",
    "Captioned": "photo_captioner",
    "Captioner": "captioner",
    "PhotoCaptioner": "photo_captioner",
    "open_captioner": "finding",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    return version_attribute(__name__)(name)


def __dir__() -> list[str]:
    """With what is not loaded yet, so that it is offered where names are completed."""
    return sorted({*globals(), *__all__})
