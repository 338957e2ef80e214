"""Tokens -> ranked images: exact Jaccard search over captions, and proof that nothing better was missed.

From what is given to a question:

asked.py            What is asked: captions with their tokens, for an index of the same analyzer
question.py         From captions, tokens or an image of the index to a question
photo_question.py   From photos, and examples of all kinds, to questions
negation.py         Negation, which a set of words cannot say
wanted.py           What is wanted of an answer: how many hits, and which may be among them
absent.py           Remarks on filters by values that no caption of the index has
unknown.py          Words that no caption has: a slip of the pen, or a picture that is not there
corrections.py      What words that no caption has may have been meant to be, as captions write it
other_captioner.py  A remark where the index's photos were captioned by another captioner
sample.py           A sample of the index, the same one again while the index holds the same

From a question to hits:

searcher.py         Searcher: photos -> captions, which the token searcher searches for
token_searcher.py   TokenSearcher: captions, tokens or an indexed image -> candidates -> ranked hits
pursuit.py          The loop from candidates to a certified page: ask, rank exactly, check the bounds
strand.py           One set of tokens on its way through the engine: what was fetched for it
jaccard.py          Exact Jaccard similarity of token sets: scores, ranking, folding, certificate
scored.py           A caption of the index with its score, and an image by its best one: what is ranked
folding.py          Near copies of one picture, folded into one hit
cursor.py           Cursors: where a next page begins
paging.py           Pages that neither shift nor repeat: what earlier pages settled
counting.py         How many images answer a question
hits.py             What a search gives: hits, each with its explanation, and the certificate
reply.py            What every reply to a question tells again: what was asked, and what was wanted
elapsed.py          How long something took, as answers tell it

Other uses:

compare.py          The same photo under several models and analyzers, side by side
duplicates.py       Near copies of pictures in an index
web_search.py       Search the web by a photo or words: query, download, caption, rank

The command (see commands/, too), and errors:

cli.py              `search`: read options, ask the Searcher, print
__main__.py         `python -m search`
errors.py           What can go wrong while searching; every message is one line for a person to act on
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from captioner.version import version_attribute
from indexer.records import Filters
from search.asked import Asked
from search.errors import NoImageError, NoWordError, QueryError, SearchError
from search.hits import Answer, Hit, Results
from search.jaccard import Explanation, Similarity
from search.photo_question import IndexedImage
from search.searcher import Searcher
from search.wanted import Options

if TYPE_CHECKING:
    __version__: str
else:
    __getattr__ = version_attribute(__name__)

__all__ = [
    "Answer",
    "Asked",
    "Explanation",
    "Filters",
    "Hit",
    "IndexedImage",
    "NoImageError",
    "NoWordError",
    "Options",
    "QueryError",
    "Results",
    "SearchError",
    "Searcher",
    "Similarity",
    "__version__",
]
