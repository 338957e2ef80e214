"""From captions and indexed images to a question."""

from __future__ import annotations

from captioner.tokens import analyzer
from indexer.records import CaptionRecord, Document
from search.question import representative


def test_the_caption_that_agrees_best_stands_for_an_image() -> None:
    texts = ["something else entirely", "a dog on the beach", "a brown dog runs on the beach"]
    documents = [Document(CaptionRecord("i", text), analyzer()(text)) for text in texts]
    # beach+dog against brown+dog+run+beach share 2 of 4; the third one is longer, so the sums tie at 1 + 1/2.
    assert representative(documents).record.caption == "a brown dog runs on the beach"
    assert representative(documents[::-1]) == representative(documents)
