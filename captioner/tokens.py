"""Caption -> set of tokens, by named and versioned analyzers.

An index remembers the analyzer that made its tokens; sets made by two analyzers are never compared.
So a change to what an analyzer gives needs a new version, and the old one stays as it was.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

from captioner.errors import AnalyzerError
from captioner.remembered import Remembered

Analyzer = Callable[[str], frozenset[str]]

DEFAULT = "english/3"

#: What scripts/learn_words.py learned. `weights` and `implied`, which is by analyzer, make tokens and are
#: never changed: other ones are another version. `written` is only shown to people.
WORD_TABLE = Path(__file__).parent / "data" / "english_words.json"
#: Between a word and the count of its further tokens. The tokenizer never leaves it inside a word.
REPEAT = "*"
#: Weight of a word that the table does not know: rare words tell much, misspelled ones nothing.
UNKNOWN_WEIGHT = 2

#: English function words: articles, pronouns, auxiliaries, prepositions, conjunctions. Words for
#: numbers ("two") and for places that a photo shows ("top", "front") are content and are not here.
FUNCTION_WORDS = frozenset(
    """
    a an the this that these those some any each every either neither another such other
    i me my mine we us our you your he him his she her hers it its they them their theirs
    who whom whose which what
    one ones himself herself itself themselves each
    am is are was were be been being
    have has had having do does did doing can could will would may might must shall should
    and or but nor so yet if then than as while when where because although though whether
    of in on at by for from to into onto with without within about over under
    above below between among through during
    before after against along across around behind beside besides beyond down
    up off out near toward towards upon via
    inside outside next not no there here very too also just only both all more most much many few several
    's n't 're 've 'll 'd 'm
    """.split()
)


@cache
def _tokenizer() -> Callable[[str], list[str]]:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    tokenizer = NLTKWordTokenizer()
    return lambda text: list(tokenizer.tokenize(text))


@cache
def _stemmer() -> Callable[[str], str]:
    from nltk.stem.snowball import SnowballStemmer

    stem = SnowballStemmer("english").stem
    # The stemmer is pure Python and worth remembering.
    return Remembered(lambda word: str(stem(word))).__getitem__


_HAS_WORD_CHARACTER = re.compile(r"\w")
#: Captions that the Treebank rules only split at spaces, commas, the 's of a word and the final full stop.
#: Nearly all captions are like that, and the rules' 30 regular expressions cost 70 times as much.
_PLAIN = re.compile(r"[a-z0-9 ]*(?:(?:,(?=[a-z ])|-(?!-)|(?<=[a-z0-9])'s(?= ))[a-z0-9 ]*)*\.?\s*", re.ASCII)
_CONTRACTED = re.compile(r"cannot|gimme|gonna|gotta|lemme|wanna")


def words(caption: str) -> list[str]:
    """Lower-case words of a caption in order, without punctuation (Treebank tokenisation)."""
    text = unicodedata.normalize("NFKC", caption).lower()
    if _PLAIN.fullmatch(text) and not _CONTRACTED.search(text):
        body = text.rstrip().removesuffix(".") + " "
        parts = body.replace(",", " ").replace("'s ", " 's ").split()
        return [word for word in parts if word != "-"] if "-" in parts else parts
    return [word for word in _tokenizer()(text) if _HAS_WORD_CHARACTER.search(word)]


def _seed_1(caption: str) -> frozenset[str]:
    """The student project's tokens, kept for comparison: punctuation sticks to words."""
    return frozenset(caption.lower().split(" "))


def _words_1(caption: str) -> frozenset[str]:
    return frozenset(words(caption))


def _content_1(caption: str) -> frozenset[str]:
    return frozenset(word for word in words(caption) if word not in FUNCTION_WORDS)


def _english_1(caption: str) -> frozenset[str]:
    stem = _stemmer()
    return frozenset(stem(word) for word in words(caption) if word not in FUNCTION_WORDS)


@cache
def _word_table() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(WORD_TABLE.read_text(encoding="utf-8"))
    return found


@cache
def _tokens_of_word(name: str) -> Callable[[str], tuple[str, ...]]:
    """word -> all tokens that it gives in this analyzer."""
    weights: dict[str, int] = _word_table()["weights"]
    implied: dict[str, list[str]] = _word_table()["implied"][name]
    stem = _stemmer()

    def tokens(word: str) -> tuple[str, ...]:
        if word in FUNCTION_WORDS:
            return ()
        root = stem(word)
        repeats = range(2, weights.get(root, UNKNOWN_WEIGHT) + 1)
        return (root, *(f"{root}{REPEAT}{n}" for n in repeats), *implied.get(root, ()))

    return Remembered(tokens).__getitem__


def _weighted(name: str, caption: str) -> frozenset[str]:
    """Stems; telling ones count two or three times, and each brings the words it implies.

    A word of weight 3 gives three tokens, "zebra", "zebra*2" and "zebra*3": the plain Jaccard
    similarity of such sets is the weighted Jaccard similarity of the words, so every engine ranks
    by it exactly without knowing of weights. An implied word counts once.
    """
    return frozenset(chain.from_iterable(map(_tokens_of_word(name), words(caption))))


def forms(word: str) -> frozenset[str]:
    """A word, its parts and their stems: tokens that stand for the word itself, not for what it implies."""
    return _FORMS[word]


def _forms(word: str) -> frozenset[str]:
    stem = _stemmer()
    return frozenset({word.lower()}).union(*({part, stem(part)} for part in words(word)))


_FORMS = Remembered(_forms)


def spelled(root: str) -> str:
    """How people write a stem that other words imply: "table" for "tabl". Others are as they are."""
    return str(_word_table()["written"].get(root, root))


def root_of(token: str) -> str:
    """The stem of a token, without the mark by which a telling word counts more than once."""
    return token.partition(REPEAT)[0] or token


def own_tokens(text: str, analyze: Analyzer) -> frozenset[str]:
    """The tokens of a text that captions hold which say one of its words.

    Where a word counts several times, its root alone may be there because another word implies it ("hotdog"
    brings "dog"); "dog*2" and "dog*3" are there only where it is said. Of a word that counts once there is
    nothing but the root.
    """
    return frozenset(token for part in text.split() for token in _own_tokens(part, analyze))


def _own_tokens(part: str, analyze: Analyzer) -> frozenset[str]:
    own = frozenset(token for token in analyze(part) if root_of(token) in forms(part))
    return own - {root_of(token) for token in own if token != root_of(token)}


def plain_words(tokens: Iterable[str]) -> tuple[str, ...]:
    """Tokens for people to read: each stem once, without weights, in alphabetical order."""
    return tuple(sorted(set(map(root_of, tokens))))


_ANALYZERS: dict[str, Analyzer] = {
    "seed/1": _seed_1,
    "words/1": _words_1,
    "content/1": _content_1,
    "english/1": _english_1,
    "english/2": partial(_weighted, "english/2"),
    "english/3": partial(_weighted, "english/3"),
}


def analyzers() -> tuple[str, ...]:
    """Names of all analyzers, for help texts and messages."""
    return tuple(_ANALYZERS)


def analyzer(name: str = DEFAULT) -> Analyzer:
    """The function caption -> frozenset of tokens with this name.

    Raises AnalyzerError for a name that is not known.
    """
    try:
        return _ANALYZERS[name]
    except KeyError:
        raise AnalyzerError(f"unknown analyzer {name!r}; known: {', '.join(_ANALYZERS)}") from None
