"""Words <-> ids, kept as vocab.json."""

from __future__ import annotations

import hashlib
import json
import reprlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from captioner.errors import ModelError
from captioner.outside import error_text

PAD, START, END, UNK = range(4)
SPECIALS = ("<pad>", "<start>", "<end>", "<unk>")


class Vocabulary:
    """The words a decoder can write, by id; the specials have the ids 0 to 3."""

    def __init__(self, words: Sequence[str]) -> None:
        """`words`: all words in the order of their ids, the four specials first. Raises ModelError."""
        if tuple(words[: len(SPECIALS)]) != SPECIALS:
            raise ModelError(
                f"a vocabulary begins with {', '.join(SPECIALS)}; this one with {reprlib.repr(words[:4])}"
            )
        self.words = tuple(words)
        self._ids = {word: number for number, word in enumerate(self.words)}
        for number, word in enumerate(self.words):
            if self._ids[word] != number:
                raise ModelError(f"the word {reprlib.repr(word)} stands twice in the vocabulary")
            if not word.isascii() and any("\ud800" <= letter <= "\udfff" for letter in word):
                raise ModelError(f"the word {reprlib.repr(word)} is no text")

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def id(self, word: str) -> int:
        return self._ids.get(word, UNK)

    def encode(self, words: Iterable[str]) -> list[int]:
        """`<start> words <end>` as ids; words that are not known become `<unk>`."""
        return [START, *(self._ids.get(word, UNK) for word in words), END]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Words up to the first `<end>`, without the specials."""
        found = []
        for number in ids:
            if number == END:
                break
            if number >= len(SPECIALS):
                found.append(self.words[number])
        return found

    @property
    def digest(self) -> str:
        """SHA-256 of the words in their order; a checkpoint names the one it was trained with."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()

    @classmethod
    def build(cls, captions: Iterable[Sequence[str]], smallest_count: int) -> Vocabulary:
        """Words that are seen at least `smallest_count` times, the most frequent first."""
        counts = Counter(word for words in captions for word in words)
        kept = [word for word, count in counts.items() if count >= smallest_count]
        return cls([*SPECIALS, *sorted(kept, key=lambda word: (-counts[word], word))])

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.words, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` wrote. Raises ModelError, which names the file."""
        try:
            words = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelError(f"{path}: the vocabulary is missing") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not a vocabulary ({error_text(error)})") from None
        if not isinstance(words, list):
            raise ModelError(f"{path}: not a vocabulary (a JSON list of words is expected)")
        return cls.from_words_in_file(path, words)

    @classmethod
    def from_words_in_file(cls, path: Path, words: Sequence[object]) -> Vocabulary:
        """A vocabulary of the words that a file holds. Raises ModelError, which names the file."""
        texts = [word for word in words if isinstance(word, str)]
        if len(texts) != len(words):
            raise ModelError(f"{path}: a vocabulary with words that are no text")
        try:
            return cls(texts)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from None
