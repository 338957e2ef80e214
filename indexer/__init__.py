"""Captions -> documents in an index, embedded or on Elasticsearch.

What an index is:

contract.py     CaptionIndex: the contract that both engines fulfil
records.py      The data that flows: captions, documents, filters, queries, candidates, reports
errors.py       The errors of this package; every message is one line that a person can act on
index.py        `open_index`: opens an index of either engine
urls.py         Where an index is: a folder or a URL. Other addresses, and URLs with a password, are refused

Building (see sources/ and photo_files/, too):

build.py        source -> (captioner) -> index: build an index anew, or add to the one that is there
loading.py      The loop of a build: read the sources, caption their photos, store captions in batches
batching.py     A stream of any length, in batches
analyzers.py    The analyzer of an index, chosen when it is built
origins.py      Where captions come from: the values of the fields `source`, `kind` and `model`
storable.py     Checks of what is to be stored, before anything is stored: both engines refuse the same
counts.py       What a build or an addition counts
rejects.py      The report of captions that an index refused, to try them again
download.py     Downloads of published data sets, resumed and checked

An index that is there:

reading.py      Reading all captions of an index in batches, with a progress bar
export.py       The captions of an index as JSON lines, which the indexer reads again
deletion.py     Deletion of all captions of some images, or of the captions that pass a filter
tally.py        Counting captions and their distinct images, without keeping all image ids in memory
check_lines.py  The lines by which `indexer status --check` reports wrong documents
corrections.py  What a token may have been meant to be: one that captions hold, a slip of the pen away

Near copies of pictures:

hashes.py       Perceptual hashes of many pictures, all compared with one at once
hash_groups.py  Groups of near copies among many perceptual hashes, found without comparing each with each

The command (see commands/, too):

cli.py          The command `indexer`: read options, call the library, print what it reports
__main__.py     `python -m indexer`
kibana.py       The saved objects of es_mappings/kibana.ndjson, and their import into Kibana

For all of these:

given.py        Checks of the values that callers give
progress.py     Who is told how a loop over an index, its photos or a download gets on: one bar for each
file_lock.py    A lock of the operating system on an open file: it ends with its process, however that ends
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from captioner.version import version_attribute
from indexer.contract import CaptionIndex, Draft, View
from indexer.errors import (
    ContactLostError,
    IndexBusyError,
    IndexClosedError,
    IndexDamagedError,
    IndexerError,
    IndexIncompleteError,
    IndexLockedError,
    IndexMismatchError,
    IndexNotFoundError,
    IndexReadOnlyError,
    IndexUnavailableError,
    RequestRefusedError,
)
from indexer.index import open_index
from indexer.records import (
    AddReport,
    Candidate,
    Candidates,
    CaptionRecord,
    Document,
    Filters,
    IndexStatus,
    Position,
    Query,
    Rejected,
)

if TYPE_CHECKING:
    __version__: str
else:
    __getattr__ = version_attribute(__name__)

__all__ = [
    "AddReport",
    "Candidate",
    "Candidates",
    "CaptionIndex",
    "CaptionRecord",
    "ContactLostError",
    "Document",
    "Draft",
    "Filters",
    "IndexBusyError",
    "IndexClosedError",
    "IndexDamagedError",
    "IndexIncompleteError",
    "IndexLockedError",
    "IndexMismatchError",
    "IndexNotFoundError",
    "IndexReadOnlyError",
    "IndexStatus",
    "IndexUnavailableError",
    "IndexerError",
    "Position",
    "Query",
    "Rejected",
    "RequestRefusedError",
    "View",
    "__version__",
    "open_index",
]
