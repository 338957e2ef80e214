"""The models: an encoder that looks at a photo, a decoder that writes a caption word by word.

Two families share one decoding interface (`Decoder.begin`, `Decoder.step`):

- `AttentionDecoder` (the default): an LSTM with gated soft attention over a grid of image features
  and over words detected in the photo. Source: Xu et al., "Show, Attend and Tell" (ICML 2015), with
  scaled dot products in several heads (Vaswani et al., NeurIPS 2017) for its scores, since they cost a
  fifth of its tanh on a CPU, and the output tied to the word embedding (Press and Wolf, EACL 2017).
- `ShowAndTellDecoder` (model1 to model5): the pooled image feature is the LSTM's first input.
  Source: Vinyals et al., "Show and Tell" (CVPR 2015); names as in the student project's checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from captioner.detector import WordDetector
from captioner.encoder import Encoder, GridEncoder, build_encoder
from captioner.errors import ModelError
from captioner.preprocess import Preprocess
from captioner.vocabulary import START

State = tuple[Tensor, ...]  # every tensor has the batch as its first dimension


_LARGEST = 100_000  # of all sizes in a configuration


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything needed to build a model anew; kept as config.json beside its weights."""

    encoder: str  # efficientnet_lite2 | resnet101 | resnet152
    decoder: str  # attention | show_and_tell
    embedding: int  # size of a word's embedding
    hidden: int  # size of the LSTM's state
    layers: int = 1
    grid: int = 1  # the attention decoder sees grid x grid places of the photo
    words: int = 0  # how many words the word detector hands to the decoder; 0: no detector
    detector_words: int = 0  # how many words the detector knows
    detector_pairs: int = 0  # how many (ImageNet class, word) pairs it knows
    heads: int = 4  # of the attention
    dropout: float = 0.0
    frozen_embedding: bool = False  # embeddings were given (GloVe) and are not trained
    preprocess: Preprocess = field(default_factory=Preprocess)
    max_words: int = 20

    def __post_init__(self) -> None:
        """A config.json may have been edited by hand."""
        at_least = {"embedding": 1, "hidden": 1, "layers": 1, "grid": 1, "heads": 1, "max_words": 1}
        at_least |= {"words": 0, "detector_words": 0, "detector_pairs": 0}
        for name, smallest in at_least.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not smallest <= value <= _LARGEST:
                raise ModelError(f"{name} is {value!r}; a number from {smallest} to {_LARGEST:,} is expected")
        if not isinstance(self.dropout, (int, float)) or not 0 <= self.dropout < 1:
            raise ModelError(f"dropout is {self.dropout!r}; a number from 0 to less than 1 is expected")


_SQUASH_LIKE_THE_STUDENTS = Preprocess(size=224, interpolation="lanczos", shrink_on_load=False)
_SQUASH_FOR_LITE2 = Preprocess(size=256, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def _student(encoder: str, embedding: int, hidden: int, layers: int = 1, frozen: bool = False) -> ModelConfig:
    return ModelConfig(
        encoder,
        "show_and_tell",
        embedding,
        hidden,
        layers,
        frozen_embedding=frozen,
        preprocess=_SQUASH_LIKE_THE_STUDENTS,
    )


#: The named configurations that `captioner train --arch NAME` and `captioner import --arch NAME` know.
CONFIGURATIONS: Mapping[str, ModelConfig] = MappingProxyType(
    {
        "default": ModelConfig(
            "efficientnet_lite2",
            "attention",
            300,
            512,
            grid=4,
            words=12,
            dropout=0.5,
            preprocess=_SQUASH_FOR_LITE2,
        ),
        "model1": _student("resnet152", 256, 512),
        "model2": _student("resnet101", 256, 512),
        "model3": _student("resnet152", 128, 256),
        "model4": _student("resnet101", 256, 512, layers=2),
        "model5": _student("resnet101", 300, 512, frozen=True),
    }
)


def configuration(name: str) -> ModelConfig:
    try:
        return CONFIGURATIONS[name]
    except KeyError:
        raise ModelError(f"unknown architecture {name!r}; known: {', '.join(CONFIGURATIONS)}") from None


class Seen(NamedTuple):
    """Words that were detected in photos, and whether the photos themselves are hidden."""

    words: Tensor  # (B, K) vocabulary ids
    chances: Tensor  # (B, K) probabilities
    blind: Tensor | None = None  # (B,) bool: there is no photo, only the words


class Decoder(Protocol):
    """What decoding needs of a decoder."""

    def begin(self, features: Tensor) -> tuple[Tensor, State, State]:
        """Encoder output (B, ...) -> scores of the first word (B, V), what stays fixed, the state."""

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        """Words chosen last (N,) -> scores of the next word (N, V), and the new state.

        What stays fixed has a row a photo, words and state have one a hypothesis: N is a multiple of
        the photos, and the hypotheses of one photo stand together.
        """


class AttentionDecoder(nn.Module):
    """One LSTM cell that looks at another part of the photo, or at a word detected in it, for each word."""

    def __init__(self, config: ModelConfig, vocabulary: int, channels: int) -> None:
        super().__init__()
        hidden, embedding = config.hidden, config.embedding
        if hidden % config.heads:
            raise ModelError(f"a state of {hidden} cannot be shared by {config.heads} heads of attention")
        if config.words > config.detector_words:
            raise ModelError(
                f"the detector knows {config.detector_words} words; {config.words} are asked of it"
            )
        self.words = config.words
        self.embed = nn.Embedding(vocabulary, embedding)
        self.memory = nn.Sequential(nn.Linear(channels, hidden), nn.LayerNorm(hidden))
        if config.words:
            self.detector = WordDetector(channels, config.detector_words, config.detector_pairs)
            self.word_memory = nn.Sequential(nn.Linear(embedding + 1, hidden), nn.LayerNorm(hidden))
        self.heads = config.heads
        self.keys = nn.Linear(hidden, hidden)
        self.query = nn.Linear(hidden, hidden)
        self.gate = nn.Linear(hidden, hidden)
        self.begin_state = nn.Linear(hidden, 2 * hidden)
        self.lstm = nn.LSTMCell(embedding + hidden, hidden)
        self.output = nn.Linear(2 * hidden, embedding)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.embed.weight, std=embedding**-0.5)

    def look(self, features: Tensor, seen: Seen | None = None) -> tuple[State, State]:
        """Grid (B, P, C) -> memory (B, heads, P + K, D), keys (B, heads, D, P + K), mask; state (B, H) twice.

        `seen` replaces what the detector would say, and may hide the grid: training on text alone.
        """
        memory = self.dropout(self.memory(features))
        mask = memory.new_zeros(memory.shape[:2])
        if self.words:
            if seen is None:
                seen = Seen(*self.detector.top(features.mean(dim=1), self.words))
            told = torch.cat([self.embed(seen.words), seen.chances.unsqueeze(-1).to(memory.dtype)], dim=-1)
            memory = torch.cat([memory, self.dropout(self.word_memory(told))], dim=1)
            mask = torch.cat([mask, mask.new_zeros(seen.words.shape)], dim=1)
            if seen.blind is not None:
                mask[:, : features.shape[1]].masked_fill_(seen.blind.unsqueeze(1), -1e4)
        shown = (mask == 0).unsqueeze(-1).to(memory.dtype)
        mean = (memory * shown).sum(dim=1) / shown.sum(dim=1)
        hidden, cell = self.begin_state(mean).chunk(2, dim=-1)
        values, keys = self._by_head(memory), self._by_head(self.keys(memory)).transpose(2, 3)
        return (values, keys.contiguous(), mask[:, None, None]), (torch.tanh(hidden), cell)

    def _by_head(self, values: Tensor) -> Tensor:
        """(B, P, H) -> (B, heads, P, H / heads)."""
        return values.reshape(*values.shape[:2], self.heads, -1).transpose(1, 2).contiguous()

    def attend(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        """One time step: word ids (N,) -> what the output layer reads (N, 2H), new state."""
        hidden, cell = state
        context = torch.sigmoid(self.gate(hidden)) * self.context(self.query(hidden), fixed)
        hidden, cell = self.lstm(
            torch.cat([self.dropout(self.embed(words)), context], dim=-1), (hidden, cell)
        )
        return torch.cat([hidden, context], dim=-1), (hidden, cell)

    def context(self, query: Tensor, fixed: State) -> Tensor:
        """Queries (N, H) -> what the photos answer (N, H).

        The N / B hypotheses of one photo ask together, so that its memory is read once for all of them.
        """
        values, keys, mask = fixed
        asked = query.view(len(values), -1, self.heads, values.shape[-1]).transpose(1, 2)
        energy = torch.matmul(asked, keys) * values.shape[-1] ** -0.5 + mask  # (B, heads, N / B, P + K)
        told = torch.matmul(energy.softmax(dim=-1).to(values.dtype), values)
        return told.transpose(1, 2).reshape(query.shape)

    def score(self, read: Tensor) -> Tensor:
        """(..., 2H) -> scores of every word (..., V); the output shares the embedding's weights."""
        return self.rate(self.dropout(torch.tanh(self.output(self.dropout(read)))))

    def rate(self, described: Tensor) -> Tensor:
        """What the next word is like (..., E) -> scores of every word (..., V)."""
        return functional.linear(described, self.embed.weight, self.bias)

    def begin(self, features: Tensor, seen: Seen | None = None) -> tuple[Tensor, State, State]:
        start = torch.full((len(features),), START, device=features.device)
        fixed, state = self.look(features, seen)
        scores, state = self.step(start, fixed, state)
        return scores, fixed, state

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        read, state = self.attend(words, fixed, state)
        return self.score(read), state

    def forward(
        self, features: Tensor, captions: PackedSequence, owners: Tensor, seen: Seen | None = None
    ) -> PackedSequence:
        """Teacher forcing: captions `<start> w1 ... wT` -> scores of w1 ... `<end>` (words, V), packed alike.

        `features` (B, P, C); `owners` (N,): the photo, 0..B-1, of each caption. Captions are packed
        (`pack`), so that no time goes into those that have ended.
        """
        fixed, state = self.look(features, seen)
        rows = owners[captions.sorted_indices]
        fixed, state = _rows(fixed, rows), _rows(state, rows)
        reads = []
        for words in torch.split(captions.data, captions.batch_sizes.tolist()):
            if len(words) < len(state[0]):
                fixed, state = _first(fixed, len(words)), _first(state, len(words))
            read, state = self.attend(words, fixed, state)
            reads.append(read)
        return captions._replace(data=self.score(torch.cat(reads)))


class ShowAndTellDecoder(nn.Module):
    """The student project's decoder: the image feature, then the words, through one LSTM."""

    def __init__(self, config: ModelConfig, vocabulary: int) -> None:
        super().__init__()
        self.layers = config.layers
        self.embed = nn.Embedding(vocabulary, config.embedding)
        self.embed.weight.requires_grad_(not config.frozen_embedding)
        self.lstm = nn.LSTM(config.embedding, config.hidden, config.layers, batch_first=True)
        self.linear = nn.Linear(config.hidden, vocabulary)

    def begin(self, features: Tensor) -> tuple[Tensor, State, State]:
        """The first word comes from the image feature (B, E) alone; it is normally `<start>`."""
        scores, state = self._advance(features, None)
        return scores, (), state

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        hidden, cell = (part.transpose(0, 1).contiguous() for part in state)
        return self._advance(self.embed(words), (hidden, cell))

    def _advance(self, inputs: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, State]:
        read, (hidden, cell) = self.lstm(inputs.unsqueeze(1), state)  # state: (layers, B, H)
        return self.linear(read.squeeze(1)), (hidden.transpose(0, 1), cell.transpose(0, 1))

    def forward(self, features: Tensor, captions: PackedSequence, owners: Tensor) -> PackedSequence:
        """(B, E) and `<start> w1 ... wT` -> scores of `<start> w1 ... <end>` (words, V), packed."""
        words, lengths = pad_packed_sequence(captions, batch_first=True)
        inputs = torch.cat([features[owners].unsqueeze(1), self.embed(words)], dim=1)
        read = self.lstm(pack(inputs, lengths + 1))[0]
        return cast(PackedSequence, read._replace(data=self.linear(read.data)))


class CaptionModel(nn.Module):
    """Encoder and decoder together, with the configuration they were built from."""

    encoder: Encoder
    decoder: AttentionDecoder | ShowAndTellDecoder

    def __init__(self, config: ModelConfig, vocabulary: int, *, pretrained: bool = False) -> None:
        """`vocabulary`: number of words. `pretrained`: start the encoder with its ImageNet weights."""
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder, config.grid, config.embedding, pretrained)
        if config.decoder == "attention":
            self.decoder = AttentionDecoder(config, vocabulary, self.encoder.channels)
        elif config.decoder == "show_and_tell":
            self.decoder = ShowAndTellDecoder(config, vocabulary)
        else:
            raise ModelError(f"unknown decoder {config.decoder!r}; known: attention, show_and_tell")

    @classmethod
    def unfilled(cls, config: ModelConfig, vocabulary: int) -> CaptionModel:
        """A model whose every tensor is still to be loaded: random weights would take seconds to draw."""
        with torch.device("meta"):
            model = cls(config, vocabulary)
        return model.to_empty(device="cpu")

    def look_closer(self, grid: int) -> None:
        """Let the attention see grid x grid places; no weight depends on their number."""
        if not isinstance(self.encoder, GridEncoder):
            raise ModelError(f"{self.config.encoder} gives one feature for the whole photo; it has no grid")
        self.encoder.grid = grid
        self.config = replace(self.config, grid=grid)

    @property
    def starts_with_image(self) -> bool:
        """Whether the first word decoded is `<start>` itself (model1 to model5)."""
        return isinstance(self.decoder, ShowAndTellDecoder)


def pack(rows: Tensor, lengths: Tensor) -> PackedSequence:
    """The first `lengths` (N,) of each row (N, T, ...), time by time and the longest row first."""
    return pack_padded_sequence(rows, lengths.cpu(), batch_first=True, enforce_sorted=False)


def _rows(state: State, rows: Tensor) -> State:
    return tuple(part.index_select(0, rows) for part in state)


def _first(state: State, count: int) -> State:
    return tuple(part[:count] for part in state)
