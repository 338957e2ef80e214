"""The settings that a model is decoded with: its usual beam, and what its captions may not repeat."""

from __future__ import annotations

from dataclasses import replace

from captioner.decode import Decoding
from captioner.effort import USUAL_BEAM
from captioner.guides.noun_phrases import NounPhrases
from captioner.guides.synonyms import synonym_ids
from captioner.model import CaptionModel
from captioner.tokens import FUNCTION_WORDS
from captioner.vocabulary import PAD, START, UNK, Vocabulary


def usual_beam(model: CaptionModel) -> int:
    """The beam where none is asked for: the student project's models are greedy."""
    return 1 if model.starts_with_image else USUAL_BEAM


def usual_decoding(
    model: CaptionModel,
    vocabulary: Vocabulary,
    beam: int | None = None,
    groups: int = 1,
    diversity: float = 0.0,
) -> Decoding:
    """The settings that a model is used with; `beam`: None for its usual one.

    The student project's models decode as they did there. Ours never write `<unk>`, and repeat less: a
    small decoder's commonest faults are "a red shirt and a red shirt", "a white and white dog" and "a kitchen
    is in the kitchen". So pairs of words do not come twice, a word does not come back before two others, and
    words other than function words do not come back at all, nor does another word for the same thing ("riding
    a bicycle on a bike"). And a phrase hardly ends with its adjective ("a white is walking").
    docs/captioner.md says what each of these gave.
    With a consensus, a beam gives all hypotheses that it closes, for the consensus to choose among; greedy
    search stays greedy.
    """
    beam = usual_beam(model) if beam is None else beam
    how = Decoding(beam, model.config.max_words, groups=groups, diversity=diversity)
    if model.starts_with_image:
        return how
    return replace(
        how,
        barred=(PAD, START, UNK),
        unrepeated=2,
        apart=2,
        repeatable=tuple(sorted({vocabulary.id(word) for word in FUNCTION_WORDS} - {UNK})),
        synonyms=synonym_ids(vocabulary),
        phrases=NounPhrases.of(vocabulary),
        runners_up=model.consensus is not None and beam > 1 and groups == 1,
    )
