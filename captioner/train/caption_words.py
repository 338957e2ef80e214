"""Captions as words, and the vocabulary that a new model has of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from captioner.counted import counted
from captioner.errors import DataError
from captioner.tokens import words
from captioner.vocabulary import SPECIALS, Vocabulary

#: A vocabulary with a smaller share of the captions' words than this is remarked on: a usual caption of ten
#: words lacks more than two then. Some 300 captions of Flickr8k reach it; nobody trains on so few unwarned.
_USUAL_SHARE = 0.75
_FEW_CAPTIONS = "take more captions, or start from a model, which has words of its own"

#: Captions as words: photo -> its captions -> words.
TokenisedPhotos = Sequence[Sequence[Sequence[str]]]

#: Scripts that are written without blanks, and how many characters a word has at most on average: Chinese
#: and Japanese; Thai, Lao, Burmese and Khmer.
_WITHOUT_BLANKS = (
    (re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"), 4),
    (re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"), 8),
)


def tokeniser(family: str) -> Callable[[str], list[str]]:
    """What splits a caption into words for this kind of decoder."""
    return _treebank if family == "show_and_tell" else words


def _treebank(caption: str) -> list[str]:
    """Words as in the student project's vocabularies, punctuation included.

    There, sentences were split first, by a model that has to be downloaded (punkt). Here a caption is one
    sentence: a full stop stays on its word where another follows ("runs." in "a dog runs. a cat sits.").
    """
    from nltk.tokenize import word_tokenize

    return list(word_tokenize(caption.lower(), preserve_line=True))


def build_vocabulary(lines: Sequence[Sequence[str]], count: int) -> tuple[Vocabulary, str]:
    """The words that come `count` times; and a remark if they are few of the captions' words, else ""."""
    vocabulary, every_word = Vocabulary.build(lines, count), [word for line in lines for word in line]
    known, captions = len(vocabulary) - len(SPECIALS), counted(len(lines), "caption")
    if not known:
        different = counted(len(set(every_word)), "word")
        raise DataError(
            f"none of the {different} of {captions} comes {count} times, as it must for a model to know it; "
            f"{_FEW_CAPTIONS}"
        )
    share = sum(word in vocabulary for word in every_word) / len(every_word)
    if share >= _USUAL_SHARE:
        return vocabulary, ""
    return vocabulary, (
        f"the model will know {counted(known, 'word')}, {share:.0%} of all that its {captions} say, since "
        f"the others come fewer than {count} times; {_FEW_CAPTIONS}"
    )


def remark_on_joined_words(captions: Iterable[Sequence[str]]) -> str:
    """A remark if captions are in a script without blanks and their words are not parted; else ""."""
    captions = list(captions)
    for script, most in _WITHOUT_BLANKS:
        such = [line for line in captions if any(map(script.search, line))]
        lengths = [len(word) for line in such for word in line if script.search(word)]
        if lengths and sum(lengths) > most * len(lengths):
            return (
                f"{len(such):,} of {counted(len(captions), 'caption')} have no blanks between words, such as "
                f"{max(such[0], key=len)}, which would be one word each; part the words by blanks first, "
                "with a word segmenter of the language (jieba, MeCab, PyThaiNLP)"
            )
    return ""
