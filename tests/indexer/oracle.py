"""What an index must answer: a few captions, and brute force over all that it is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from captioner.tokens import analyzer
from indexer.records import Candidate, Candidates, CaptionRecord, Query
from tests.indexer.memory import MemoryIndex
from tests.jaccard import jaccard

#: Pinned, so that these tests know the tokens of their captions whatever the default becomes.
ANALYZER = "english/1"
#: Few words, so that ties, equal captions and worse captions of one image are common.
WORDS = ("bike", "cat", "dog", "egg", "fish", "goat", "hat")


def record(image_id: str, caption: str, **fields: str) -> CaptionRecord:
    return CaptionRecord(image_id, caption, **{"source": "coco", **fields})


RECORDS = (
    record("1", "A dog runs on a beach", kind="reference", image="beach.jpg", license="CC BY 4.0"),
    record("1", "A brown dog runs along the sea", kind="generated", model="default@12345678"),
    record("2", "A dog runs on a beach", source="folder", kind="generated", model="default@12345678"),
    record("3", "Two cats sleep on a red sofa", split="val"),
    record(
        "4",
        "zebra",
        image="/photos/4.jpg",
        source="scraped",
        query="animals",
        provider="openverse",
        page="https://example.org/zebra",
        title="Zebra",
        creator="J. Doe",
        attribution="Zebra by J. Doe (CC BY 4.0)",
        phash="0123456789abcdef",
    ),
    record("5", "of the", source="scraped"),
    record("6", "…", source="scraped"),
    record("7", "Ein Café, naïve Ω ﬁsh 犬が走る 🐕 'quoted' \t tab", title="é\u0301"),
    record("8", " ".join(f"word{number}" for number in range(400))),
)


def tokens(caption: str, name: str = ANALYZER) -> frozenset[str]:
    return analyzer(name)(caption)


def ranked(
    records: Iterable[CaptionRecord], query: Query, name: str = ANALYZER
) -> list[tuple[float, str, str]]:
    """Brute force: (score, image id, document id) of every caption that answers, in the contract's order."""
    found = MemoryIndex(records, name).matching(query)
    return [(one.position.score, one.position.image_id, one.document.record.document_id) for one in found]


def scores(query: Query, found: Sequence[Candidate]) -> list[float]:
    return [jaccard(query.tokens, one.document.tokens) for one in found]


def check_answer(
    answer: Candidates, query: Query, limit: int, everything: Sequence[tuple[float, str, str]]
) -> None:
    """`everything`: all that answers, by brute force. The answer is part of it, and its bound holds."""
    expected = {key: score for score, _, key in everything}
    keys = [one.document.record.document_id for one in answer.found]
    assert len(set(keys)) == len(keys) <= limit
    found = scores(query, answer.found)
    assert found == [expected.pop(key) for key in keys]
    assert answer.bound >= max(expected.values(), default=0.0)
    if len(keys) < limit:
        assert not expected and answer.bound == 0.0
    assert [one.position.score for one in answer.found] == sorted(
        (one.position.score for one in answer.found), reverse=True
    )
    if found and answer.bound <= min(found):
        assert found == [score for score, _, _ in everything[: len(found)]]
